"""Depthwise separable convolutions that keep little for their gradient.

Of two in a row, only the map that they read is kept, where the batch norm between them is the fast one; the maps inside are
computed again on the way back, which takes little time and a third off the memory of a micro search (`docs/performance.md`).
"""

from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

from enas.nn.depthwise import Kernels, Map, gradient_is_slow, same_size, weight_gradient
from enas.nn.norm import BatchNorm, normalise, normalise_backward

Result = Float[Tensor, "B F h w"]
Weights = Float[Tensor, "F C 1 1"]
Pair = tuple[nn.Conv2d, nn.Conv2d]
"""A depthwise convolution and the 1x1 convolution of its result."""


def separable(x: Map, pair: Pair) -> Result:
    """A separable convolution; the map between its two parts is not kept but computed again."""
    depthwise, pointwise = pair
    if torch.is_grad_enabled() and depthwise.stride == (1, 1) and gradient_is_slow(x):
        return cast(Tensor, _Separable.apply(x, depthwise.weight, pointwise.weight, pair))
    return cast(Tensor, pointwise(depthwise(x)))


def separable_twice(x: Map, first: Pair, norm: BatchNorm, second: Pair) -> Result:
    """A separable convolution, a batch norm and another separable convolution; only `x` is kept where that is possible.

    Args:
        x: The map.
        first: Makes as many channels as it reads.
        norm: Of the first's result.
        second: Reads the normalised map.
    """
    fast = torch.is_grad_enabled() and first[0].stride == (1, 1) and gradient_is_slow(x) and norm.is_wide(x)
    if not fast:
        return separable(norm(separable(x, first)), second)
    weights = [layer.weight for layer in (*first, norm, *second)]
    return cast(Tensor, _SeparableTwice.apply(x, *weights, norm.bias, first, norm, second))


class _Separable(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, kernels: Tensor, weight: Tensor, pair: Pair) -> Tensor:
        ctx.save_for_backward(x, kernels, weight)
        return cast(Tensor, pair[1](pair[0](x)))

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, kernels, weight = ctx.saved_tensors  # type: ignore[attr-defined]
        return *_backward(gradients[0], x, same_size(x, kernels), kernels, weight), None


class _SeparableTwice(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx,
        x: Tensor,
        kernels1: Tensor,
        weight1: Tensor,
        scale: Tensor,
        kernels2: Tensor,
        weight2: Tensor,
        shift: Tensor,
        first: Pair,
        norm: BatchNorm,
        second: Pair,
    ) -> Tensor:
        x1 = first[1](first[0](x))
        statistics = norm.statistics(x1)
        ctx.save_for_backward(x, kernels1, weight1, scale, kernels2, weight2, shift, *statistics)  # type: ignore[attr-defined]
        ctx.relu = norm.relu  # type: ignore[attr-defined]
        return cast(Tensor, second[1](second[0](norm(x1, statistics))))

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        saved: tuple[Tensor, ...] = ctx.saved_tensors  # type: ignore[attr-defined]
        x, kernels1, weight1, scale, kernels2, weight2, shift, *statistics = saved
        relu: bool = ctx.relu  # type: ignore[attr-defined]
        mean_and_deviation = statistics[0], statistics[1]
        between = same_size(x, kernels1)
        x1 = F.conv2d(between, weight1)
        y1 = normalise(x1, scale, shift, mean_and_deviation, relu=relu)
        g, *g_second = _backward(gradients[0], y1, same_size(y1, kernels2), kernels2, weight2)
        g, g_scale, g_shift = normalise_backward(g, x1, scale, mean_and_deviation, y1 if relu else None)
        del x1, y1
        return *_backward(g, x, between, kernels1, weight1), g_scale, *g_second, g_shift, None, None, None


def _backward(g: Result, x: Map, between: Map, kernels: Kernels, weight: Weights) -> tuple[Map, Kernels, Weights]:
    """Gradients of a separable convolution's input, kernels and weight; `between` is the map between its two parts."""
    g = g.contiguous(memory_format=torch.channels_last)
    g, g_weight, _ = torch.ops.aten.convolution_backward(
        g, between, weight, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1, [True, True, False]
    )
    return same_size(g, kernels.flip(2, 3)), weight_gradient(g, x, kernels), g_weight
