"""Cells of the supernet and of the network against plain formulas: values, what is computed once, drop-path."""

import pytest
import torch
from torch import Tensor, nn

from enas.nn import native
from enas.spaces.micro.network import FinalCell, chosen
from enas.spaces.micro.supernet import SearchCell, whole
from enas.spaces.micro.wiring import (
    Cell,
    Shape,
    Side,
)


def normalised(value: Tensor) -> Tensor:
    mean = value.mean((0, 2, 3), keepdim=True)
    variance = value.var((0, 2, 3), unbiased=False, keepdim=True)
    return (value - mean) / (variance + 1e-5).sqrt()  # scale 1 and offset 0 at the start


def separable(block: nn.Module, x: Tensor, kernel: int, stride: int = 1) -> Tensor:
    convolve = nn.functional.conv2d
    for depthwise, pointwise, step in (
        (block.depthwise1, block.pointwise1, stride),
        (block.depthwise2, block.pointwise2, 1),
    ):
        x = convolve(x.relu(), depthwise.weight, padding=kernel // 2, groups=x.shape[1], stride=step)
        x = normalised(convolve(x, pointwise.weight))
    return x


def average(x: Tensor, stride: int = 1) -> Tensor:
    window = lambda t: nn.functional.avg_pool2d(t, 3, stride, 1) * 9  # noqa: E731
    return window(x) / window(torch.ones_like(x))


def reduced(block: nn.Module, x: Tensor) -> Tensor:
    even = nn.functional.conv2d(x[:, :, ::2, ::2], block.even.weight)
    odd = nn.functional.conv2d(x[:, :, 1::2, 1::2], block.odd.weight)
    return normalised(torch.cat([even, odd], dim=1))


EXAMPLE = Cell(
    (
        (Side(0, "sep3x3"), Side(0, "avg_pool")),
        (Side(2, "sep5x5"), Side(0, "identity")),
    ),
    (1, 3),
)


def test_search_cell_is_the_plain_formula() -> None:
    """A hand-written cell in double precision; input 0 has twice the resolution, input 1 is read by no node."""
    torch.manual_seed(0)
    cell = SearchCell(4, Shape(6, 0), Shape(4, 1), whole(2, all_nodes=False), running=False).double()
    older, newer = torch.randn(3, 6, 8, 8, dtype=torch.float64), torch.randn(3, 4, 4, 4, dtype=torch.float64)
    zero = reduced(cell.older[1], older.relu())
    two = separable(cell.branches["node2_left_map0_sep3x3"], zero, 3) + average(zero)
    three = separable(cell.branches["node3_left_map2_sep5x5"], two, 5) + zero
    convolve = nn.functional.conv2d
    joined = convolve(newer.relu(), cell.joins["1"]) + convolve(three.relu(), cell.joins["3"])
    torch.testing.assert_close(cell(older, newer, EXAMPLE), normalised(joined))


def test_final_reduction_cell_is_the_plain_formula() -> None:
    """Operations on the cell's inputs halve the resolution, inner ones do not; an unread input is reduced and joined."""
    torch.manual_seed(0)
    cell = FinalCell(EXAMPLE, 4, Shape(6, 0), Shape(4, 0), stride=2).double()
    older, newer = torch.randn(3, 6, 8, 8, dtype=torch.float64), torch.randn(3, 4, 8, 8, dtype=torch.float64)
    convolve = nn.functional.conv2d
    zero = normalised(convolve(older.relu(), cell.older[1].weight))
    one = normalised(convolve(newer.relu(), cell.newer[1][1].weight))
    two = separable(cell.operations[0][0], zero, 3, 2) + average(zero, 2)
    three = separable(cell.operations[1][0], two, 5) + reduced(cell.operations[1][1], zero)
    expected = torch.cat([reduced(cell.ends["1"], one), three], dim=1)
    torch.testing.assert_close(cell(older, newer, 1.0), expected)


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("form", ["search", "final"])
def test_pools_and_relu_of_one_map_are_computed_once(form: str) -> None:
    nodes = (
        (Side(0, "avg_pool"), Side(0, "avg_pool")),
        (Side(0, "avg_pool"), Side(1, "max_pool")),
        (Side(1, "max_pool"), Side(0, "max_pool")),
        (Side(1, "sep3x3"), Side(1, "sep5x5")),
        (Side(1, "sep3x3"), Side(1, "identity")),
    )
    cell = Cell(nodes, (2, 3, 4, 5, 6))
    shape = Shape(4, 0)
    module: nn.Module
    if form == "search":
        module = SearchCell(4, shape, shape, chosen(cell), running=False)
        call = lambda x: module(x, x, cell)  # noqa: E731
    else:
        module = FinalCell(cell, 4, shape, shape, stride=1)
        call = lambda x: module(x, x, 1.0)  # noqa: E731
    with torch.profiler.profile() as profile:
        call(torch.randn(2, 4, 8, 8).contiguous(memory_format=torch.channels_last).requires_grad_())
    calls = {event.key: event.count for event in profile.key_averages()}
    pools = (
        calls["_MaxPool"] if native.library() else calls["aten::max_pool2d"],
        calls["_AveragePool" if native.library() else "_AverageByConvolution"],
    )
    assert pools == (2, 1)
    # Of the map that the convolutions read; in search form of the ends that are joined besides, in final form of an input.
    # The kernels rectify what they read.
    assert calls.get("aten::relu", 0) == (0 if native.library() else 1 + len(cell.ends) if form == "search" else 2)


def test_drop_path_drops_each_side_of_each_example_by_itself_and_never_the_identity() -> None:
    torch.manual_seed(0)
    cell = Cell(((Side(0, "avg_pool"), Side(1, "identity")),), (2,))
    module = FinalCell(cell, 2, Shape(2, 0), Shape(2, 0), stride=1)
    x = torch.randn(1, 2, 4, 4).expand(400, -1, -1, -1).contiguous()
    pooled, kept = module(x, x, 1.0) - module.newer(x), module.newer(x)
    with torch.no_grad():
        rest = module(x, x, 0.6) - kept
    factors = (rest / pooled).flatten(1)
    torch.testing.assert_close(factors, factors[:, :1].expand_as(factors), rtol=1e-3, atol=1e-3)
    assert set(factors[:, 0].mul(0.6).round(decimals=2).tolist()) == {0.0, 1.0}
    assert factors[:, 0].mean().item() == pytest.approx(1.0, abs=0.1)
