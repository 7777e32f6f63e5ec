"""The kernels of recurrent cells agree with formulas in double precision, for every odd size."""

import platform
from pathlib import Path

import pytest
import torch
from torch import Tensor

import enas.nn.native
from enas.nn import compiled
from enas.spaces.rnn import native
from enas.spaces.rnn.cell import run_cell
from enas.spaces.rnn.wiring import cell_of

from .examples import uniform
from .test_cell import plain

if compiled.library() is None:
    pytest.skip("no C compiler here", allow_module_level=True)
pytestmark = pytest.mark.usefixtures("threads")


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# Less than a vector, whole vectors, parts of panels of three vectors; pieces of 128 rows and fewer than eight more.
@pytest.mark.parametrize(
    ("rows", "width", "depth"), [(1, 1, 1), (15, 20, 20), (64, 48, 131), (7, 33, 300), (9, 200, 8)]
)
@pytest.mark.parametrize("matrices", [1, 3])
@pytest.mark.parametrize("turned", [False, True])
def test_product_with_laid_out_matrices(rows: int, width: int, depth: int, matrices: int, turned: bool) -> None:
    parts = list(normal(matrices, depth, 2 * width)[..., width:])
    whole = torch.cat([part.t() if turned else part for part in parts], dim=0 if turned else 1)
    x = normal(rows, 2, len(whole), seed=1)[:, 1]
    exact = x.double() @ whole.double()
    panels, out = native.lay_out(parts, turned=turned), torch.full((rows, 3, whole.shape[1]), float("nan"))[:, 1]
    native.multiply(x, panels, out, None)
    torch.testing.assert_close(out.double(), exact, rtol=1e-5, atol=1e-4)
    native.multiply(x, panels, out, plus=out)
    torch.testing.assert_close(out.double(), 2 * exact, rtol=1e-5, atol=2e-4)
    more = normal(rows, whole.shape[1], seed=2)
    native.multiply(x, panels, out, more)
    torch.testing.assert_close(out.double(), exact + more, rtol=1e-5, atol=1e-4)


def test_a_product_keeps_within_its_columns() -> None:
    whole = torch.full((16, 3, 20), 7.0)
    native.multiply(normal(16, 5), native.lay_out([normal(5, 20)], turned=False), whole[:, 1], None)
    assert (whole[:, ::2] == 7).all()


def test_matrices_laid_out_for_more_workers_than_there_are() -> None:
    x, matrix, out = normal(64, 100), normal(100, 300), torch.empty(64, 300)
    torch.set_num_threads(5)
    panels = native.lay_out([matrix], turned=False)
    torch.set_num_threads(2)
    native.multiply(x, panels, out, None)
    torch.testing.assert_close(out.double(), x.double() @ matrix.double(), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("width", [5, 20, 70])
@pytest.mark.parametrize("masked", [False, True])
def test_the_cell_is_a_plain_loop_in_double_precision(width: int, masked: bool) -> None:
    cell, batch = cell_of(uniform(9, 1)), 13
    projected, hidden = normal(4, batch, 2 * width), normal(batch, width, seed=1)
    weights = [normal(width, 2 * width, seed=2 + node) / width**0.5 for node in range(9)]
    mask = normal(batch, width, seed=20).sign() + 1 if masked else None
    inputs = [x.requires_grad_() for x in (projected, hidden, *weights)]
    exact = [x.detach().double().requires_grad_() for x in inputs]
    found = run_cell(cell, inputs[0], inputs[1], mask, inputs[2:])
    wanted = plain(cell, exact[0], exact[1], None if mask is None else mask.double(), exact[2:])
    torch.testing.assert_close(found.double(), wanted, rtol=1e-4, atol=1e-5)
    slope = normal(*found.shape, seed=30)
    for mine, want in zip(
        torch.autograd.grad(found, inputs, slope), torch.autograd.grad(wanted, exact, slope.double()), strict=True
    ):
        torch.testing.assert_close(mine.double(), want, rtol=1e-3, atol=1e-4)


def pieces(width: int, nodes: int) -> tuple[Tensor, ...]:
    draw = torch.Generator().manual_seed(width)
    return 6 * torch.randn(3, 2, nodes, width, generator=draw), torch.randn(3, 2, width, generator=draw)[:, 1]


@pytest.mark.parametrize("width", [1, 5, 16, 33, 3000])
def test_gates_are_those_of_pytorch(width: int) -> None:
    """Also where activations are saturated, and where their slope is steepest."""
    activations = torch.arange(4, dtype=torch.int32)
    products, source = pieces(width, 4)
    products[:, :, :, 0], products[0, 0, :, -1] = 100.0, -100.0
    a, g, p = (x.double().requires_grad_() for x in (products[:, 0], products[:, 1], source))
    values = torch.stack([f(a[:, k]) for k, f in enumerate((torch.tanh, torch.relu, torch.sigmoid, lambda x: x))], 1)
    expected = p[:, None] + g.sigmoid() * (values - p[:, None])
    states = torch.empty(3, 4, width)
    native.gates(products, source, activations, states)
    torch.testing.assert_close(states.double(), expected, rtol=3e-6, atol=1e-6)
    torch.testing.assert_close(products[:, 0].double(), values, rtol=3e-6, atol=1e-30)
    above = torch.randn(3, 4, width, generator=torch.Generator().manual_seed(1))
    wanted = torch.autograd.grad(expected, [a, g, p], above.double())
    slopes, direct = torch.empty_like(products), torch.ones(3, 2, width)[:, 1]
    for add in (False, True):
        before = direct.clone() if add else 0
        native.gates_backward(above, products, source, activations, slopes, direct, add=add)
        for mine, want in zip((slopes[:, 0], slopes[:, 1], direct - before), wanted, strict=True):
            torch.testing.assert_close(mine.double(), want, rtol=1e-4, atol=1e-5)


def test_gates_let_what_is_no_number_through() -> None:
    products, source = pieces(20, 4)
    products[1, 0, :, 3] = float("nan")
    states = torch.empty(3, 4, 20)
    native.gates(products, source, torch.arange(4, dtype=torch.int32), states)
    assert states[1, :, 3].isnan().all()
    assert states.isnan().sum() == 4


@pytest.mark.skipif(platform.machine() != "x86_64", reason="names of processors of one family")
@pytest.mark.parametrize("processor", ["x86-64", "x86-64-v3"])
def test_narrower_vectors_do_as_well(processor: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four and eight numbers in a vector: blocks and panels have other sizes."""
    monkeypatch.setattr(compiled, "FLAGS", (*compiled.FLAGS, f"-march={processor}"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = compiled.library.__wrapped__()
    assert found is not None
    monkeypatch.setattr(enas.nn.native, "library", lambda: found)
    test_gates_are_those_of_pytorch(33)
    for turned in (False, True):
        test_product_with_laid_out_matrices(15, 20, 131, 3, turned)
    test_the_cell_is_a_plain_loop_in_double_precision(20, masked=False)
