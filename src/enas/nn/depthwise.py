"""Depthwise convolution whose gradients are fast on processors in channels-last memory format.

PyTorch's gradient of a 5x5 kernel takes a general way there that is many times slower than the one for kernels of at most three
columns, and the gradient of the input has a slower kernel than the convolution itself. So here the gradient of the kernels is
the package's own (`native`), or where that is not to be had, that of five columns is put together from two gradients of three;
and that of the input is a convolution with the kernel turned around (`docs/performance.md`). Results differ from PyTorch's by
rounding only.
"""

from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

from enas.nn import native

PART = 2**19
"""Numbers of a map that are shifted at once: a copy that stays in the processor's cache."""

Map = Float[Tensor, "B C H W"]
Kernels = Float[Tensor, "C 1 k l"]


class DepthwiseConv(nn.Conv2d):
    """A `torch.nn.Conv2d` with one kernel a channel and no bias."""

    def __init__(self, channels: int, kernel: int, *, stride: int = 1) -> None:
        """Make the kernels; `kernel` is odd, and at stride 1 the size stays."""
        super().__init__(channels, channels, kernel, stride, padding=kernel // 2, groups=channels, bias=False)

    def forward(self, input: Map) -> Float[Tensor, "B C h w"]:
        """Convolve each channel with its kernel."""
        if torch.is_grad_enabled() and self.stride == (1, 1) and gradient_is_slow(input):
            return cast(Tensor, _Depthwise.apply(input, self.weight))
        return super().forward(input)


def gradient_is_slow(x: Tensor) -> bool:
    """Whether PyTorch's gradient of a depthwise convolution of this map is the slow one."""
    return native.is_plain(x) and x.is_contiguous(memory_format=torch.channels_last)


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return same_size(x, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors  # type: ignore[attr-defined]
        g = gradients[0].contiguous(memory_format=torch.channels_last)
        into_x, into_weight = ctx.needs_input_grad  # type: ignore[attr-defined]
        dx = same_size(g, weight.flip(2, 3)) if into_x else None
        return dx, weight_gradient(g, x, weight) if into_weight else None


def same_size(x: Map, weight: Kernels) -> Map:
    """Convolve each channel with its kernel, with zeros around the map."""
    return F.conv2d(x, weight, padding=weight.shape[-1] // 2, groups=len(weight))


def weight_gradient(g: Map, x: Map, weight: Kernels) -> Kernels:
    """Gradient of the kernels.

    Args:
        g: Gradient of the convolution's result.
        x: The map that was convolved.
        weight: The kernels, for their size.
    """
    if weight.shape[-1] in native.WINDOWS and len(weight) == x.shape[1] and native.fits(x, weight):
        return native.depthwise_kernels(g.contiguous(memory_format=torch.channels_last), x, weight)
    if weight.shape[-1] != 5:
        return _gradient_of(g, x, weight, columns=weight.shape[-1] // 2)
    total = torch.zeros_like(weight)
    images = max(PART // x[0].numel(), 1)
    wide = (min(images, len(x)), *x.shape[1:3], x.shape[3] + 2)
    # Columns 0 to 2 of the kernel read the map shifted to the right, columns 2 to 4 the map shifted to the left.
    for kept, place in ((slice(0, 3), slice(2, None)), (slice(3, 5), slice(None, -2))):
        shifted = torch.empty(wide, dtype=x.dtype, memory_format=torch.channels_last).zero_()
        for part_g, part_x in zip(g.split(images), x.split(images), strict=True):
            shifted[: len(part_x), ..., place].copy_(part_x)
            part = _gradient_of(part_g, shifted[: len(part_x)], weight[..., :3], columns=0)
            total[..., kept] += part[..., kept.start - 5 :] if kept.start else part
    return total


def _gradient_of(g: Map, x: Float[Tensor, "B C H U"], weight: Kernels, *, columns: int) -> Kernels:
    """PyTorch's gradient of a kernel, with that many columns of zeros at the left and right of the map."""
    padding = [weight.shape[-2] // 2, columns]
    mask = [False, True, False]
    gradients = torch.ops.aten.convolution_backward(
        g, x, weight, None, [1, 1], padding, [1, 1], False, [0, 0], len(weight), mask
    )
    return cast(Tensor, gradients[1])
