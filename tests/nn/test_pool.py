"""The fast pooling and subsampling agree with PyTorch's own."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from enas.nn.pool import PIECE, average_pool, halves, max_pool

pytestmark = pytest.mark.usefixtures("either_way")

SHAPES = [(2, 3, 5, 7), (1, 4, 2, 2), (3, 1, 1, 6), (2, 5, 6, 1), (2, 36, 8, 8), (7, 20, 44, 44)]
"""The last one is large enough to be written past the caches."""


def pytorch_average(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_average_pool_agrees_in_value_and_gradient(shape: tuple[int, ...], layout: torch.memory_format) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=layout).requires_grad_()
    g = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    y, expected = average_pool(x), pytorch_average(x)
    torch.testing.assert_close(y, expected)
    before = g.clone()
    torch.testing.assert_close(torch.autograd.grad(y, x, g)[0], torch.autograd.grad(expected, x, g)[0])
    assert torch.equal(g, before), "the incoming gradient must not be changed"


@pytest.mark.parametrize("shape", [*SHAPES, (1, 2, 1, 1), (5, 16, 32, 64), (2, 3, 200, 200)])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("gradients", [True, False])
def test_max_pool_is_that_of_pytorch(shape: tuple[int, ...], layout: torch.memory_format, gradients: bool) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).round_().contiguous(memory_format=layout)
    before, expected = x.clone(), F.max_pool2d(x, 3, stride=1, padding=1)
    with torch.set_grad_enabled(gradients):
        y = max_pool(x.requires_grad_())
    assert torch.equal(y, expected)
    assert y.is_contiguous(memory_format=layout)
    assert torch.equal(x, before), "the map must not be changed"
    if gradients:  # many equal numbers here: those that PyTorch chooses get the gradient
        mine = torch.autograd.grad(y.sum(), x)[0]
        assert torch.equal(mine, torch.autograd.grad(F.max_pool2d(x, 3, stride=1, padding=1).sum(), x)[0])


def test_max_pool_works_on_several_pieces_and_shows_what_is_no_number() -> None:
    x = torch.randn(3, 4, 40, 300).contiguous(memory_format=torch.channels_last)
    assert x[0].numel() < PIECE < 2 * x[0].numel()
    x[1, 2, 0, 0] = float("nan")
    x[2, 1, 39, 299] = -float("inf")
    torch.testing.assert_close(max_pool(x), F.max_pool2d(x, 3, stride=1, padding=1), rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_halves_are_the_even_and_the_odd_pixels(layout: torch.memory_format) -> None:
    x = torch.randn(2, 3, 4, 6).contiguous(memory_format=layout).requires_grad_()
    mine, expected = halves(x), torch.cat([x[:, :, ::2, ::2], x[:, :, 1::2, 1::2]], dim=1)
    assert torch.equal(mine, expected)
    assert mine.is_contiguous(memory_format=layout)
    g = torch.randn(2, 6, 2, 3)
    assert torch.equal(torch.autograd.grad(mine, x, g)[0], torch.autograd.grad(expected, x, g)[0])
