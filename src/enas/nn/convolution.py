"""Dense 3x3 and 5x5 convolutions with the batch norm after them.

With the package's kernels (`native`) they are made with few products (Winograd), an image at a time, which is rectified before
and counted for the statistics after that in the processor's cache. Without them the same is made of PyTorch's layers.
"""

from collections.abc import Callable
from typing import Any, Final, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from enas.nn import native, units
from enas.nn.norm import BatchNorm

LEAST_CHANNELS: Final = 8
MOST_CHANNELS: Final = 128
"""Of map and result, where the kernel was measured to be as fast as PyTorch's or faster."""

Map = Float[Tensor, "B C H W"]
Result = Float[Tensor, "B F h w"]


def convolution_unit(
    x: Map,
    layer: nn.Conv2d,
    norm: BatchNorm,
    *,
    rectify: Callable[[Map], Map] | None = None,
    plus: Result | None = None,
) -> Result:
    """A convolution, normalised.

    Args:
        x: The map.
        layer: The convolution.
        norm: Of the result.
        rectify: ReLU of the map, before its convolution; None: it is read as it is.
        plus: A map that is added to the result, or None.
    """
    weight = layer.weight
    together = (
        is_convolution(layer) and x.dim() == 4 and x.shape[1] == weight.shape[1] and len(norm.weight) == len(weight)
    )
    known = together and norm.by_batch and x.numel() > x.shape[1]
    if known and native.fits(x, norm.weight, norm.bias) and native.serves(weight) and _is_dense(weight):
        added = plus if not norm.relu and native.can_be_added(plus, x, len(weight)) else None
        y = _ConvolutionUnit.apply(x, weight, norm.weight, norm.bias, added, norm, rectify is not None)
        return cast(Tensor, y if plus is added else y + plus)
    y = norm(layer(x if rectify is None else rectify(x)))
    return y if plus is None else y + plus


def is_convolution(layer: nn.Module) -> bool:
    """Whether the kernel computes such a convolution: its window, stride 1, same size, and numbers of channels that pay."""
    if type(layer) is not nn.Conv2d or layer.bias is not None or layer.groups != 1:
        return False
    kernel, lengths = layer.kernel_size[0], (layer.in_channels, layer.out_channels)
    pays = min(lengths) >= LEAST_CHANNELS and max(lengths) <= MOST_CHANNELS and kernel in (3, 5)
    same = layer.padding == (kernel // 2, kernel // 2) and layer.stride == layer.dilation == (1, 1)
    return pays and same and layer.kernel_size == (kernel, kernel)


def _is_dense(weight: Tensor) -> bool:
    return weight.is_contiguous() or weight.is_contiguous(memory_format=torch.channels_last)


class _ConvolutionUnit(torch.autograd.Function):
    """Saves the map and the convolution's result."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        scale: Tensor,
        shift: Tensor,
        plus: Tensor | None,
        norm: BatchNorm,
        relu: bool,
    ) -> Tensor:
        y, (mean, variance, inverse_std) = units.convolve(x, weight, norm.eps, relu=relu)
        norm.follow(mean, variance, y.numel() // y.shape[1])
        ctx.save_for_backward(x, weight, y, scale, shift, mean, inverse_std)
        ctx.relu, ctx.relu_after, ctx.has_plus = relu, norm.relu, plus is not None
        return native.normalise(y, (scale, shift, mean, inverse_std), relu=norm.relu, plus=plus)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, y, *norm = ctx.saved_tensors
        g, line = gradients[0].contiguous(memory_format=torch.channels_last), (norm[0], norm[1], norm[2], norm[3])
        d_norm = native.norm_sums(g, y, line, relu=ctx.relu_after)
        dx, d_weight = units.convolve_backward(g, y, line, d_norm, x, weight, relu=ctx.relu, relu_after=ctx.relu_after)
        return dx, d_weight, *d_norm, g if ctx.has_plus else None, None, None
