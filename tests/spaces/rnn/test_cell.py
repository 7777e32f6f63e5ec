"""The cell against a plain loop, forwards and backwards."""

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from enas.spaces import published
from enas.spaces.rnn.cell import groups, run_cell
from enas.spaces.rnn.wiring import Average, Cell, cell_of

from .examples import uniform

ACTIVATE: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid, "identity": lambda x: x,
}  # fmt: skip


def plain(
    cell: Cell,
    projected: Tensor,
    hidden: Tensor,
    mask: Tensor | None,
    weights: Sequence[Tensor],
    longest: float | None = None,
) -> Tensor:
    outputs = []
    for here in projected:
        states: list[Tensor] = []
        for operation, source, weight in zip(cell.operations, cell.sources, weights, strict=True):
            before = hidden if source < 0 else states[source]
            product = (before if mask is None else before * mask) @ weight + (here if source < 0 else 0)
            value, gate = product.chunk(2, dim=1)
            states.append(before + torch.sigmoid(gate) * (ACTIVATE[operation](value) - before))
        hidden = torch.stack([states[i] for i in cell.averaged]).mean(0)
        if longest is not None:
            hidden = hidden * (longest / hidden.norm(dim=1, keepdim=True)).clamp(max=1)
        outputs.append(hidden)
    return torch.stack(outputs)


def inputs(cell: Cell, places: int = 3, batch: int = 2, width: int = 3) -> tuple[Tensor, Tensor, list[Tensor]]:
    draw = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw, dtype=torch.double).requires_grad_()

    return normal(places, batch, 2 * width), normal(batch, width), [normal(width, 2 * width) for _ in cell.operations]


MASK = torch.tensor([[1.0, 0.0, 2.0], [2.0, 1.0, 0.0]], dtype=torch.double)
CELLS = [
    published("enas-rnn"),
    published("enas-lm"),
    published("darts-rnn"),
    uniform(6, 0),
    uniform(9, 1),
    uniform(2, 2),
]


@pytest.mark.parametrize("longest", [None, 0.7])
@pytest.mark.parametrize("mask", [None, MASK])
@pytest.mark.parametrize("average", ["loose_ends", "all"])
@pytest.mark.parametrize("number", range(len(CELLS)))
def test_the_cell_is_a_plain_loop_forwards_and_backwards(
    number: int, average: Average, mask: Tensor | None, longest: float | None
) -> None:
    cell = cell_of(CELLS[number], average)
    projected, hidden, weights = inputs(cell)
    expected = plain(cell, projected, hidden, mask, weights, longest)
    found = run_cell(cell, projected, hidden, mask, weights, longest=longest)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    with torch.no_grad():
        torch.testing.assert_close(run_cell(cell, projected, hidden, mask, weights, longest=longest), found)
    slope = torch.randn(found.shape, generator=torch.Generator().manual_seed(1), dtype=torch.double)
    wanted = torch.autograd.grad(expected, (projected, hidden, *weights), slope)
    grads = torch.autograd.grad(found, (projected, hidden, *weights), slope)
    torch.testing.assert_close(grads, wanted, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("longest", [None, 0.7])
def test_numerical_gradient_of_the_cell(longest: float | None) -> None:
    cell = cell_of(uniform(5, 4))
    projected, hidden, weights = inputs(cell)

    def run(projected: Tensor, hidden: Tensor, *weights: Tensor) -> Tensor:
        return run_cell(cell, projected, hidden, MASK, weights, longest=longest)

    assert torch.autograd.gradcheck(run, (projected, hidden, *weights))


def test_groups_share_a_predecessor_and_come_in_order() -> None:
    cell = cell_of(published("enas-rnn"))
    found = groups(cell)
    assert [group.source for group in found] == [-1, 0, 1, 2, 5, 6, 8]
    assert sorted(node for group in found for node in group.members) == list(range(12))
    (three,) = (group for group in found if group.source == 2)
    assert three.members == (3, 4, 5)
    assert three.runs == (("relu", 0, 1), ("tanh", 1, 3))


@pytest.mark.parametrize("layout", ["as it is", "turned", "repeated", "spread"])
def test_a_state_of_any_layout_gives_the_same_numbers(layout: str) -> None:
    cell, (batch, width) = cell_of(CELLS[0], "all"), (4, 20)
    projected, hidden, weights = (
        [x.detach().float() for x in part] if isinstance(part, list) else part.detach().float()
        for part in inputs(cell, batch=batch, width=width)
    )
    hidden = {
        "as it is": hidden,
        "turned": hidden.t().contiguous().t(),
        "repeated": hidden[:, :1].expand(batch, width),
        "spread": torch.stack([hidden, hidden], 2)[:, :, 0],
    }[layout]
    weights = [weight / 5 for weight in weights]
    expected = plain(cell, projected, hidden, None, weights)
    torch.testing.assert_close(run_cell(cell, projected, hidden, None, weights), expected, rtol=1e-4, atol=1e-5)
