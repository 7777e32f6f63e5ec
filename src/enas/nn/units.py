"""The kernels of whole units of convolutions and a batch norm, for tensors; callers ask `native.fits` first.

Letters: C channels of what is read, F filters of a result, k size of a window.
"""

from collections.abc import Sequence
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from enas.nn import native
from enas.nn.native import Channels, Kernels, Map, Norm

MOST_POINTWISE: Final = 256
"""Channels or filters of a 1x1 convolution: the kernel was measured up to here, where it gains a tenth."""

Result = Float[Tensor, "B F H W"]
Joined = Float[Tensor, "B F _ _"]
"""Of the maps' size or half of it."""
Filters = Float[Tensor, " F"]
NormOfResult = tuple[Filters, Filters, Filters, Filters]
Weights = Float[Tensor, "F C 1 1"]
Windows = Float[Tensor, "F C k k"]


def separable(
    x: Map, norm: Norm | None, kernels: Kernels, weights: Weights, epsilon: float
) -> tuple[Result, tuple[Filters, ...]]:
    """A depthwise convolution of stride 1 and a 1x1 convolution of a rectified map.

    Args:
        x: The map, not rectified yet.
        norm: With which it is normalised before that, or None.
        kernels: [C, 1, k, k], k 3, 5 or 7.
        weights: [F, C, 1, 1].
        epsilon: Added to the variance of the result.

    Returns:
        The result, and mean, variance and inverse standard deviation of its channels.
    """
    batch, filters, (height, width) = len(x), len(weights), x.shape[2:]
    y = native.empty(x, (batch, filters, height, width))
    statistics = native.vectors(y, 3)
    native.call(
        "separable", x, *_or_none(norm), kernels, weights, float(epsilon), *native.sizes(x), filters, kernels.shape[-1],
        y, *statistics,
    )  # fmt: skip
    return y, statistics


def separable_backward(
    g: Result,
    y: Result,
    norm_of_y: NormOfResult,
    gradients_of_norm: tuple[Filters, ...],
    x: Map,
    norm: Norm | None,
    kernels: Kernels,
    weights: Weights,
    *,
    relu: bool,
) -> tuple[Map, Kernels, Weights, tuple[Channels, ...]]:
    """Gradients of what `separable` convolved, of kernels and weights, and of weight and bias of the norm of x.

    Args:
        g: Gradient of the result of y's batch norm.
        y: Result of `separable`.
        norm_of_y: This batch norm.
        gradients_of_norm: Of its weight and bias.
        x: As in `separable`.
        norm: As in `separable`.
        kernels: As in `separable`.
        weights: As in `separable`.
        relu: Whether y was rectified after its norm.
    """
    dx = native.like(x)
    d_kernels, d_weights = (torch.empty_like(w, memory_format=torch.contiguous_format) for w in (kernels, weights))
    gradients = native.vectors(x, 2)
    native.call(
        "separable_backward", g, y, *norm_of_y, relu, *gradients_of_norm, x, *_or_none(norm), kernels, weights,
        *native.sizes(x), len(weights), kernels.shape[-1], dx, d_kernels, d_weights, *gradients,
    )  # fmt: skip
    return dx, d_kernels, d_weights, gradients


def pointwise(
    maps: Sequence[Map], weights: Sequence[Weights], epsilon: float, *, relu: bool, halve: bool = False
) -> tuple[Joined, tuple[Filters, ...]]:
    """The sum of 1x1 convolutions of maps, each with its own weights.

    Args:
        maps: Of one shape.
        weights: [F, C, 1, 1] of each map.
        epsilon: Added to the variance of the result.
        relu: Whether the maps are rectified first.
        halve: There is one map of even height and width, and the first weights are for its pixels of even row and column,
            the second for those of odd row and column.

    Returns:
        The result, and mean, variance and inverse standard deviation of its channels.
    """
    batch, channels, height, width = maps[0].shape
    height, width = (height // 2, width // 2) if halve else (height, width)
    y = native.empty(maps[0], (batch, len(weights[0]), height, width))
    statistics, lengths = native.vectors(y, 3), (batch * height * width, channels, len(weights[0]))
    picked = width if halve else 0
    native.call("pointwise", maps, weights, len(weights), picked, relu, float(epsilon), *lengths, y, *statistics)
    return y, statistics


def pointwise_backward(
    g: Joined,
    y: Joined,
    norm: NormOfResult,
    gradients_of_norm: tuple[Filters, ...],
    maps: Sequence[Map],
    weights: Sequence[Weights],
    *,
    relu: bool,
    relu_after: bool,
    halve: bool = False,
) -> tuple[list[Map], list[Weights]]:
    """Gradients of the maps and weights of `pointwise`.

    Args:
        g: Gradient of the result of y's batch norm.
        y: Result of `pointwise`.
        norm: This batch norm.
        gradients_of_norm: Of its weight and bias.
        maps: As in `pointwise`.
        weights: As in `pointwise`.
        relu: As in `pointwise`.
        relu_after: Whether y was rectified after its norm.
        halve: As in `pointwise`.
    """
    dx = [native.like(x) for x in maps]
    d_weights = [torch.empty_like(w, memory_format=torch.contiguous_format) for w in weights]
    pixels, filters = native.lengths(y)
    native.call(
        "pointwise_backward", g, y, *norm, relu_after, *gradients_of_norm, maps, weights, len(weights),
        y.shape[-1] if halve else 0, relu, pixels, maps[0].shape[1], filters, dx, d_weights,
    )  # fmt: skip
    return dx, d_weights


def convolve(x: Map, kernels: Windows, epsilon: float, *, relu: bool) -> tuple[Result, tuple[Filters, ...]]:
    """A dense convolution of 3x3 or 5x5 windows with stride 1 that keeps the size.

    Args:
        x: The map.
        kernels: [F, C, k, k].
        epsilon: Added to the variance of the result.
        relu: Whether the map is rectified first.

    Returns:
        The result, and mean, variance and inverse standard deviation of its channels.
    """
    filters, _, kernel, _ = kernels.shape
    y = native.empty(x, (len(x), filters, *x.shape[2:]))
    statistics = native.vectors(y, 3)
    native.call(
        "convolve",
        x,
        kernels,
        *_steps(kernels),
        relu,
        float(epsilon),
        *native.sizes(x),
        filters,
        kernel,
        y,
        *statistics,
    )
    return y, statistics


def convolve_backward(
    g: Result,
    y: Result,
    norm: NormOfResult,
    gradients_of_norm: tuple[Filters, ...],
    x: Map,
    kernels: Windows,
    *,
    relu: bool,
    relu_after: bool,
) -> tuple[Map, Windows]:
    """Gradients of the map and the kernels of `convolve`; arguments as those of `pointwise_backward`."""
    dx, d_kernels = native.like(x), torch.empty_like(kernels)  # of the same layout
    native.call(
        "convolve_backward", g, y, *norm, relu_after, *gradients_of_norm, x, kernels, *_steps(kernels), relu,
        *native.sizes(x),
        len(kernels), kernels.shape[-1], dx, d_kernels,
    )  # fmt: skip
    return dx, d_kernels


def _steps(kernels: Windows) -> tuple[int, int, int]:
    """Numbers between two filters, channels and taps; rows of a window follow each other without gaps."""
    return kernels.stride(0), kernels.stride(1), kernels.stride(3)


def _or_none(norm: Norm | None) -> Norm | tuple[None, None, None, None]:
    return norm or (None, None, None, None)
