"""Pooling and subsampling, fast on processors in channels-last memory format."""

from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from enas.nn import native

Map = Float[Tensor, "B C H W"]
Halves = Float[Tensor, "B twoC h w"]

PIECE = 1 << 16
"""Numbers of a map on which `max_pool` makes its four passes before it goes on: 256 kB, which stay in the cache."""


def average_pool(x: Map) -> Map:
    """3x3 average of stride 1 that keeps the size and does not count the padding.

    On a processor it is one of the package's kernels (`native`), or where they are not to be had a depthwise convolution, which
    is several times faster there than PyTorch's pooling (`benchmarks/README.md`); results differ by rounding only.
    """
    if native.fits(x):
        return cast(Tensor, _AveragePool.apply(x))
    on_processor = x.device.type == "cpu" and x.is_contiguous(memory_format=torch.channels_last)
    if on_processor and min(x.shape[-2:]) > 1 and not torch.compiler.is_compiling():
        return _AverageByConvolution.apply(x)
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class _AveragePool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> Tensor:
        return native.average_pool(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> Tensor:
        return native.average_pool(gradients[0].contiguous(memory_format=torch.channels_last), back=True)


class _AverageByConvolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> Tensor:
        return _count_less_at_borders(_ninth_of_sum(x))

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> Tensor:
        return _ninth_of_sum(_count_less_at_borders(gradients[0].clone()))


def max_pool(x: Map) -> Map:
    """3x3 maximum of stride 1 that keeps the size.

    On a processor it is one of the package's kernels (`native`). Where they are not to be had, it is PyTorch's own, which keeps
    the place of each maximum; or without gradients a maximum along the rows and then one along the columns, which is one and a
    half to three times faster (`docs/performance.md`). The numbers are the same.
    """
    needs_places = torch.is_grad_enabled() and x.requires_grad
    if native.fits(x):
        return _MaxPool.apply(x) if needs_places else native.max_pool(x)
    on_processor = x.device.type == "cpu" and x.is_contiguous(memory_format=torch.channels_last)
    if on_processor and not needs_places and not torch.compiler.is_compiling():
        return _max_of_columns_of_rows(x)
    return F.max_pool2d(x, 3, stride=1, padding=1)


class _MaxPool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> Tensor:
        y, places = native.max_pool_with_places(x)
        ctx.save_for_backward(places)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> Tensor:
        (places,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return native.max_pool_backward(gradients[0].contiguous(memory_format=torch.channels_last), places)


def _max_of_columns_of_rows(x: Tensor) -> Tensor:
    batch, channels, height, width = x.shape
    y = torch.empty_like(x, memory_format=torch.channels_last)
    whole, result = (z.permute(0, 2, 3, 1).view(batch, height, width * channels) for z in (x, y))
    images = max(1, PIECE // (channels * height * width))
    for start in range(0, batch, images):
        piece, columns = whole[start : start + images], result[start : start + images]
        rows = torch.empty_like(piece)
        _largest_of_three(piece, rows, dim=2, step=channels)
        _largest_of_three(rows, columns, dim=1, step=1)
    return y


def _largest_of_three(x: Tensor, out: Tensor, dim: int, step: int) -> None:
    """Each number of `x`, or the one `step` before or after it where there is one, whichever is largest."""
    pairs = x.shape[dim] - step
    before, after = x.narrow(dim, 0, pairs), x.narrow(dim, step, pairs)
    out.narrow(dim, 0, step).copy_(x.narrow(dim, 0, step))
    torch.maximum(before, after, out=out.narrow(dim, step, pairs))
    torch.maximum(out.narrow(dim, 0, pairs), after, out=out.narrow(dim, 0, pairs))


def halves(x: Map) -> Halves:
    """The pixels of even row and column and, as further channels, those of odd row and column; height and width are even.

    Autograd's own slices fill and copy a whole map for each step of slicing when they go back; this does it once.
    """
    if torch.compiler.is_compiling():
        return torch.cat([x[:, :, ::2, ::2], x[:, :, 1::2, 1::2]], dim=1)
    return cast(Tensor, _Halves.apply(x))


class _Halves(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> Tensor:
        if native.fits(x) and x.shape[2] % 2 == x.shape[3] % 2 == 0:
            return native.halves(x)
        both = torch.cat([x[:, :, ::2, ::2], x[:, :, 1::2, 1::2]], dim=1)
        return both.contiguous(memory_format=_layout(x))

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> Tensor:
        both = gradients[0].contiguous(memory_format=_layout(gradients[0]))
        if native.fits(both):
            return native.halves_backward(both)
        batch, channels, height, width = both.shape
        dx = torch.empty(
            (batch, channels // 2, 2 * height, 2 * width),
            dtype=both.dtype, device=both.device, memory_format=_layout(both),
        ).zero_()  # fmt: skip
        dx[:, :, ::2, ::2], dx[:, :, 1::2, 1::2] = both.chunk(2, dim=1)
        return dx


def _layout(x: Tensor) -> torch.memory_format:
    return torch.channels_last if x.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format


def _ninth_of_sum(x: Tensor) -> Tensor:
    channels = x.shape[1]
    return F.conv2d(x, x.new_full((channels, 1, 3, 3), 1 / 9), padding=1, groups=channels)


def _count_less_at_borders(x: Tensor) -> Tensor:
    """In place: two thirds of a border's window, and four ninths of a corner's, lie inside the map."""
    for border in (x[:, :, 0], x[:, :, -1], x[..., 0], x[..., -1]):
        border.mul_(1.5)
    return x
