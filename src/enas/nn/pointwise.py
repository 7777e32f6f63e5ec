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
from torch.autograd.function import FunctionCtx, once_differentiable

from enas.nn import native
from enas.nn.norm import BatchNorm

Map = Float[Tensor, "B C H W"]
Result = Float[Tensor, "B F H W"]
Weights = Float[Tensor, "F C 1 1"]


def pointwise_unit(
    maps: Sequence[Map], weights: Sequence[Weights], norm: BatchNorm, *, rectify: Callable[[Map], Map] | None = F.relu
) -> Result:
    """The sum of 1x1 convolutions, normalised.

    Args:
        maps: Of one shape.
        weights: Of each map.
        norm: Of the sum.
        rectify: ReLU of a map, before its convolution; None: maps are read as they are.
    """
    if _has_kernel(maps, weights, norm):
        relu = rectify is not None
        y = _PointwiseUnit.apply(norm.weight, norm.bias, norm, relu, len(maps), *maps, *weights)
        return cast(Tensor, y)
    read = maps if rectify is None else [rectify(x) for x in maps]
    return norm(*[F.conv2d(x, weight) for x, weight in zip(read, weights, strict=True)])


def is_pointwise(layer: nn.Module) -> bool:
    """Whether a layer is a plain 1x1 convolution."""
    if type(layer) is not nn.Conv2d or layer.bias is not None or layer.groups != 1:
        return False
    return (layer.kernel_size, layer.stride, layer.padding) == ((1, 1), (1, 1), (0, 0))


def _has_kernel(maps: Sequence[Map], weights: Sequence[Weights], norm: BatchNorm) -> bool:
    x, (filters, channels, *area) = maps[0], weights[0].shape
    lengths = x.dim() == 4 and x.shape[1] == channels and len(norm.weight) == filters and area == [1, 1]
    if not lengths or not norm.by_batch or x.numel() <= channels or max(channels, filters) > native.MOST_POINTWISE:
        return False
    alike = all(other.shape == x.shape for other in maps) and all(w.shape == weights[0].shape for w in weights)
    return alike and native.fits(x, *weights, norm.weight, norm.bias) and all(map(native.fits, maps[1:]))


class _PointwiseUnit(torch.autograd.Function):
    """Saves the maps and the sum of their convolutions."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, weight: Tensor, bias: Tensor, norm: BatchNorm, relu: bool, count: int, *values: Tensor
    ) -> Tensor:
        maps, weights = values[:count], values[count:]
        y, (mean, variance, inverse_std) = native.pointwise(maps, weights, norm.eps, relu=relu)
        norm.follow(mean, variance, y.numel() // y.shape[1])
        ctx.save_for_backward(y, weight, bias, mean, inverse_std, *values)
        ctx.relu, ctx.relu_after, ctx.count = relu, norm.relu, count  # type: ignore[attr-defined]
        return native.normalise(y, (weight, bias, mean, inverse_std), relu=norm.relu)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        y, weight, bias, mean, inverse_std, *values = ctx.saved_tensors
        maps, weights = values[: ctx.count], values[ctx.count :]
        norm = (weight, bias, mean, inverse_std)
        g = gradients[0].contiguous(memory_format=torch.channels_last)
        d_norm = native.norm_sums(g, y, norm, relu=ctx.relu_after)
        dx, d_weights = native.pointwise_backward(
            g, y, norm, d_norm, maps, weights, relu=ctx.relu, relu_after=ctx.relu_after
        )
        return *d_norm, None, None, None, *dx, *d_weights
