"""Depthwise separable convolutions with batch norm, two in a row, that keep little for their gradient.

With the package's kernels (`native`) an image's way through ReLU, depthwise convolution, 1x1 convolution and the batch norms
around them is made in the processor's cache; kept are the map that is read and the results of the 1x1 convolutions. Without
them only the map that is read is kept, where the batch norm in the middle is the fast one; the maps inside are computed again
on the way back, which takes little time and a third off the memory of a micro search (`docs/performance.md`).
"""

from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

from enas.nn import native, units
from enas.nn.depthwise import DepthwiseConv, Kernels, Map, gradient_is_slow, same_size, weight_gradient
from enas.nn.norm import BatchNorm, normalise, normalise_backward

Result = Float[Tensor, "B F h w"]
Weights = Float[Tensor, "F C 1 1"]
Pair = tuple[nn.Conv2d, nn.Conv2d]
"""A depthwise convolution and the 1x1 convolution of its result."""


def separable_units(
    x: Map,
    first: Pair,
    norm1: BatchNorm,
    second: Pair,
    norm2: BatchNorm,
    *,
    plus: Result | None = None,
    rectify: Callable[[Map], Map] = F.relu,
) -> Result:
    """ReLU and two units of a separable convolution and a batch norm.

    Args:
        x: The map.
        first: Makes as many channels as it reads.
        norm1: Of the first's result.
        second: Reads the normalised map.
        norm2: Of the second's result.
        plus: A map that is added to the result, or None.
        rectify: The first ReLU, where the kernels do not make it.
    """
    weights = [layer.weight for layer in (*first, norm1, *second, norm2)]
    known = _have_kernel(first, norm1, second, norm2) and x.numel() > x.shape[1] == len(first[0].weight)
    if known and native.fits(x, *weights, norm1.bias, norm2.bias):
        added = plus if native.can_be_added(plus, x, len(norm2.weight)) else None
        y = cast(Tensor, _SeparableUnits.apply(x, added, *weights, norm1.bias, norm2.bias, norm1, norm2))
        return y if plus is added else y + cast(Tensor, plus)
    y = norm2(separable_twice(rectify(x), first, norm1, second))
    return y if plus is None else y + plus


def _have_kernel(first: Pair, norm1: BatchNorm, second: Pair, norm2: BatchNorm) -> bool:
    """Whether the kernel computes these layers: a ReLU after the first norm only, windows and lengths that go together."""
    normal = norm1.by_batch and norm2.by_batch and norm1.relu and not norm2.relu
    widths = []
    for (depthwise, pointwise), norm in ((first, norm1), (second, norm2)):
        windows = isinstance(depthwise, DepthwiseConv) and depthwise.kernel_size[0] in native.WINDOWS
        filters, channels, *area = pointwise.weight.shape
        lengths = len(depthwise.weight) == channels and len(norm.weight) == filters <= native.MOST_CHANNELS
        normal = normal and windows and lengths and depthwise.stride == (1, 1) and area == [1, 1]
        normal = normal and pointwise.stride == (1, 1) and pointwise.groups == 1 and pointwise.bias is None
        widths.append((channels, filters))
    return normal and widths[0][1] == widths[1][0]


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


class _SeparableUnits(torch.autograd.Function):
    """Letters: k kernels, w weights of the 1x1 convolution, y its result, s scale and b shift of the batch norm after it."""

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        x: Tensor,
        plus: Tensor | None,
        k1: Tensor,
        w1: Tensor,
        s1: Tensor,
        k2: Tensor,
        w2: Tensor,
        s2: Tensor,
        b1: Tensor,
        b2: Tensor,
        norm1: BatchNorm,
        norm2: BatchNorm,
    ) -> Tensor:
        y1, (mean1, variance1, std1) = units.separable(x, None, k1, w1, norm1.eps)
        y2, (mean2, variance2, std2) = units.separable(y1, (s1, b1, mean1, std1), k2, w2, norm2.eps)
        n = y1.numel() // y1.shape[1]
        norm1.follow(mean1, variance1, n)
        norm2.follow(mean2, variance2, n)
        ctx.save_for_backward(x, k1, w1, y1, s1, b1, mean1, std1, k2, w2, y2, s2, b2, mean2, std2)
        ctx.has_plus = plus is not None  # type: ignore[attr-defined]
        return native.normalise(y2, (s2, b2, mean2, std2), plus=plus)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, k1, w1, y1, s1, b1, mean1, std1, k2, w2, y2, s2, b2, mean2, std2 = ctx.saved_tensors  # type: ignore[attr-defined]
        norm1, norm2 = (s1, b1, mean1, std1), (s2, b2, mean2, std2)
        g = gradients[0].contiguous(memory_format=torch.channels_last)
        d_plus = g if ctx.has_plus else None  # type: ignore[attr-defined]
        d_norm2 = native.norm_sums(g, y2, norm2, relu=False)
        g, d_k2, d_w2, d_norm1 = units.separable_backward(g, y2, norm2, d_norm2, y1, norm1, k2, w2, relu=False)
        g, d_k1, d_w1, _ = units.separable_backward(g, y1, norm1, d_norm1, x, None, k1, w1, relu=True)
        return g, d_plus, d_k1, d_w1, d_norm1[0], d_k2, d_w2, d_norm2[0], d_norm1[1], d_norm2[1], None, None


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
        return cast(Tensor, second[1](second[0](norm(x1, statistics=statistics))))

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
