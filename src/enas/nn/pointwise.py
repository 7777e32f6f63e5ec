"""1x1 convolutions with the batch norm after them, of one map or of several whose results are added up.

With the package's kernels (`native`) a few pixels at a time are rectified, convolved, added up and counted for the statistics
while they are in the processor's cache; kept are the maps that are read and the sum. Without them the same is made of PyTorch's
layers.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from enas.nn import native, units
from enas.nn.norm import BatchNorm
from enas.nn.pool import halves

Map = Float[Tensor, "B C H W"]
Result = Float[Tensor, "B F H W"]
Weights = Float[Tensor, "F C 1 1"]


def pointwise_unit(
    maps: Sequence[Map],
    weights: Sequence[Weights],
    norm: BatchNorm,
    *,
    rectify: Callable[[Map], Map] | None = F.relu,
    plus: Result | None = None,
) -> Result:
    """The sum of 1x1 convolutions, normalised.

    Args:
        maps: Of one shape.
        weights: Of each map.
        norm: Of the sum.
        rectify: ReLU of a map, before its convolution; None: maps are read as they are.
        plus: A map that is added to the result, or None.
    """
    if _has_kernel(maps, weights, norm):
        added = plus if not norm.relu and native.can_be_added(plus, maps[0], len(weights[0])) else None
        y = _PointwiseUnit.apply(norm.weight, norm.bias, added, norm, rectify is not None, len(maps), *maps, *weights)
        return cast(Tensor, y if plus is added else y + plus)
    read = maps if rectify is None else [rectify(x) for x in maps]
    y = norm(*[F.conv2d(x, weight) for x, weight in zip(read, weights, strict=True)])
    return y if plus is None else y + plus


def halving_unit(
    x: Map, even: Weights, odd: Weights, norm: BatchNorm, *, rectify: Callable[[Map], Map] | None = None
) -> Float[Tensor, "B twoF h w"]:
    """1x1 convolutions of the pixels of even row and column and of those of odd row and column, side by side, normalised.

    Args:
        x: The map; an odd height or width is filled up with zeros.
        even: Weights of the first half of the result's channels.
        odd: Of the second.
        norm: Of the result.
        rectify: ReLU of the map, before that; None: it is read as it is.
    """
    height, width = x.shape[-2:]
    if height % 2 or width % 2:
        x = F.pad(x, (0, width % 2, 0, height % 2))
    both = torch.cat([even, odd])
    several = x.shape[0] * x.shape[2] * x.shape[3] > 4  # pixels of the result
    if several and _has_kernel([x], [both], norm):
        nothing = torch.zeros_like(even)
        weights = [torch.cat([even, nothing]), torch.cat([nothing, odd])]
        y = _PointwiseUnit.apply(norm.weight, norm.bias, None, norm, rectify is not None, 1, x, *weights)
        return cast(Tensor, y)
    read = x if rectify is None else rectify(x)
    # One convolution in two groups: their results need not be copied side by side, nor their gradients apart.
    return norm(F.conv2d(halves(read), both, groups=2))


def is_pointwise(layer: nn.Module) -> bool:
    """Whether a layer is a plain 1x1 convolution."""
    if type(layer) is not nn.Conv2d or layer.bias is not None or layer.groups != 1:
        return False
    return (layer.kernel_size, layer.stride, layer.padding) == ((1, 1), (1, 1), (0, 0))


def _has_kernel(maps: Sequence[Map], weights: Sequence[Weights], norm: BatchNorm) -> bool:
    x, (filters, channels, *area) = maps[0], weights[0].shape
    lengths = x.dim() == 4 and x.shape[1] == channels and len(norm.weight) == filters and area == [1, 1]
    if not lengths or not norm.by_batch or x.numel() <= channels or max(channels, filters) > units.MOST_POINTWISE:
        return False
    alike = all(other.shape == x.shape for other in maps) and all(w.shape == weights[0].shape for w in weights)
    return alike and native.fits(x, *weights, norm.weight, norm.bias) and all(map(native.fits, maps[1:]))


class _PointwiseUnit(torch.autograd.Function):
    """Saves the maps and the sum of their convolutions; one map with two weights is halved."""

    @staticmethod
    def forward(
        ctx: Any,
        weight: Tensor,
        bias: Tensor,
        plus: Tensor | None,
        norm: BatchNorm,
        relu: bool,
        count: int,
        *values: Tensor,
    ) -> Tensor:
        maps, weights = values[:count], values[count:]
        ctx.halve = count < len(weights)
        y, (mean, variance, inverse_std) = units.pointwise(maps, weights, norm.eps, relu=relu, halve=ctx.halve)
        norm.follow(mean, variance, y.numel() // y.shape[1])
        ctx.save_for_backward(y, weight, bias, mean, inverse_std, *values)
        ctx.relu, ctx.relu_after, ctx.count, ctx.has_plus = relu, norm.relu, count, plus is not None
        return native.normalise(y, (weight, bias, mean, inverse_std), relu=norm.relu, plus=plus)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        y, weight, bias, mean, inverse_std, *values = ctx.saved_tensors
        maps, weights = values[: ctx.count], values[ctx.count :]
        norm = (weight, bias, mean, inverse_std)
        g = gradients[0].contiguous(memory_format=torch.channels_last)
        d_norm = native.norm_sums(g, y, norm, relu=ctx.relu_after)
        dx, d_weights = units.pointwise_backward(
            g, y, norm, d_norm, maps, weights, relu=ctx.relu, relu_after=ctx.relu_after, halve=ctx.halve
        )
        return *d_norm, g if ctx.has_plus else None, None, None, None, *dx, *d_weights
