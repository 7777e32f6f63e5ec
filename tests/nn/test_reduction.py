"""The block that halves the resolution against a slow loop. Letters of shapes: C channels in, F filters out."""

import math

import pytest
import torch
from torch import Tensor, nn

from enas.errors import UsageError
from enas.nn.blocks import FactorisedReduction

FORMATS = [torch.contiguous_format, torch.channels_last]


def count(*modules: nn.Module) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


def linear_reduction(channels: int, filters: int) -> FactorisedReduction:
    """In evaluation, before any training, running statistics are mean 0 and variance 1: the block is a linear map."""
    torch.manual_seed(0)
    return FactorisedReduction(channels, filters, running=True).eval()


def probe(block: FactorisedReduction, channels: int, row: int, column: int) -> Tensor:
    """What a single bright pixel does to the output pixel (0, 0): one column of the weights for each channel."""
    images = torch.zeros(channels, channels, 4, 4)
    for c in range(channels):
        images[c, c, row, column] = 1.0
    return block(images).detach()[:, :, 0, 0].T  # F C


@torch.no_grad()
def test_a_reduction_reads_even_pixels_into_one_half_and_odd_ones_into_the_other() -> None:
    block = linear_reduction(3, 8)
    even, odd = probe(block, 3, 0, 0), probe(block, 3, 1, 1)
    assert bool((even[:4] != 0).all())
    assert bool((even[4:] == 0).all())
    assert bool((odd[4:] != 0).all())
    assert bool((odd[:4] == 0).all())
    assert probe(block, 3, 0, 1).abs().max().item() == 0.0
    assert probe(block, 3, 1, 0).abs().max().item() == 0.0


@torch.no_grad()
@pytest.mark.parametrize("layout", FORMATS)
@pytest.mark.parametrize("size", [(4, 4), (6, 2), (5, 5), (4, 7), (7, 4), (3, 1), (1, 1)])
def test_a_reduction_agrees_with_a_slow_loop_at_even_and_odd_sizes(
    size: tuple[int, int], layout: torch.memory_format
) -> None:
    height, width = size
    block = linear_reduction(3, 8)
    even, odd = probe(block, 3, 0, 0)[:4], probe(block, 3, 1, 1)[4:]
    x = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(1))
    rows, columns = math.ceil(height / 2), math.ceil(width / 2)
    expected = torch.zeros(2, 8, rows, columns)
    for b in range(2):
        for i in range(rows):
            for j in range(columns):
                expected[b, :4, i, j] = even @ x[b, :, 2 * i, 2 * j]
                if 2 * i + 1 < height and 2 * j + 1 < width:  # past the far edge there are zeros
                    expected[b, 4:, i, j] = odd @ x[b, :, 2 * i + 1, 2 * j + 1]
    found = block(x.contiguous(memory_format=layout))
    assert found.shape == expected.shape
    assert torch.allclose(found, expected, atol=1e-5)


def test_a_reduction_has_the_published_parameters_and_ends_in_batch_norm() -> None:
    block = FactorisedReduction(6, 10, running=False)
    assert count(block) == 6 * 10 + 2 * 10
    torch.manual_seed(0)
    out = block(3 + 7 * torch.randn(16, 6, 8, 8))
    assert torch.allclose(out.mean(dim=(0, 2, 3)), torch.zeros(10), atol=1e-4)
    assert torch.allclose(out.var(dim=(0, 2, 3), unbiased=False), torch.ones(10), atol=1e-3)
    assert out.min().item() < 0


@pytest.mark.parametrize("layout", FORMATS)
@pytest.mark.parametrize("size", [(4, 4), (5, 3)])
def test_a_reduction_passes_back_the_gradient_of_the_linear_map(
    size: tuple[int, int], layout: torch.memory_format
) -> None:
    """The gradient of (map(x), v) is the transposed map of v: it must agree with differences, which are exact here."""
    block = linear_reduction(2, 4)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 2, *size, generator=generator).contiguous(memory_format=layout).requires_grad_()
    out = block(x)
    incoming = torch.randn(out.shape, generator=generator)
    (out * incoming).sum().backward()
    assert x.grad is not None
    with torch.no_grad():
        for c in range(2):
            for i in range(size[0]):
                for j in range(size[1]):
                    unit = torch.zeros(1, 2, *size)
                    unit[0, c, i, j] = 1.0
                    assert x.grad[0, c, i, j].item() == pytest.approx((block(unit) * incoming).sum().item(), abs=1e-5)


def test_a_reduction_to_odd_filters_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^--filters must be even where the resolution is halved, got 5$"):
        FactorisedReduction(4, 5, running=False)
