"""The package's kernels, for tensors: batch norm, pooling, separable convolutions.

They do what PyTorch does slowly on processors. Those for images work on float32 maps in channels-last memory format. They get
bare addresses, so callers ask `fits` or `serves` first and take PyTorch's own operations where a kernel cannot be used; results
differ by rounding (`docs/performance.md`).
"""

import ctypes
from collections.abc import Sequence
from typing import Any, Final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from enas.nn.compiled import library

MOST_CHANNELS: Final = 8192
"""Of a map that is given to a kernel: some keep a few pixels of it on the stack."""
MOST_POINTWISE: Final = 256
"""Channels or filters of a 1x1 convolution, beyond which PyTorch's own is faster."""
WINDOWS: Final = (3, 5, 7)
"""Sizes of depthwise kernels that there is a function for."""

Map = Float[Tensor, "B C H W"]
Halves = Float[Tensor, "B twoC h w"]
Result = Float[Tensor, "B F H W"]
Channels = Float[Tensor, " C"]
Norm = tuple[Channels, Channels, Channels, Channels]
"""A batch norm of a map: weight, bias, and mean and inverse standard deviation of the map."""
Filters = Float[Tensor, " F"]
NormOfResult = tuple[Filters, Filters, Filters, Filters]
Kernels = Float[Tensor, "C 1 k k"]
Weights = Float[Tensor, "F C 1 1"]


def is_plain(x: Tensor) -> bool:
    """Whether this is a tensor of float32 numbers in this process's memory, which nobody traces, compiles or casts."""
    return _is_known(x) and not _is_watched()


def serves(*tensors: Tensor) -> bool:
    """Whether there are kernels, and they can be given these tensors."""
    return all(map(_is_known, tensors)) and not _is_watched() and library() is not None


def _is_known(x: Tensor) -> bool:
    return type(x) in (Tensor, nn.Parameter) and x.dtype is torch.float32 and x.is_cpu


def _is_watched() -> bool:
    return torch.is_autocast_enabled("cpu") or torch.compiler.is_compiling() or torch.jit.is_tracing()


def fits(x: Tensor, *parameters: Tensor) -> bool:
    """Whether a kernel can be used on a map with these parameters; their lengths are the caller's to compare."""
    shape_fits = x.dim() == 4 and 0 < x.shape[1] <= MOST_CHANNELS and x.numel() > 0
    dense = x.is_contiguous(memory_format=torch.channels_last) and all(value.is_contiguous() for value in parameters)
    return shape_fits and dense and serves(x, *parameters)


def like(x: Map) -> Map:
    """An uninitialised map of the same shape."""
    return torch.empty_like(x, memory_format=torch.channels_last)


def norm(
    maps: Sequence[Map], weight: Channels, bias: Channels, epsilon: float, *, relu: bool
) -> tuple[Map, Map, tuple[Channels, ...]]:
    """The sum of maps with each channel normalised by itself, scaled, shifted and rectified or not.

    Returns:
        The result, the sum, and mean, variance and inverse standard deviation of the sum's channels.
    """
    x = maps[0] if len(maps) == 1 else like(maps[0])
    y, statistics = like(x), _vectors(x, 3)
    call("norm", maps, len(maps), weight, bias, float(epsilon), *_lengths(x), relu, x, y, *statistics)
    return y, x, statistics


def normalise(x: Map, norm: Norm, *, relu: bool = False, plus: Map | None = None) -> Map:
    """One map normalised with known statistics, then rectified or with another one added to it."""
    y = like(x)
    call("normalise", x, *norm, *_lengths(x), relu, plus, y)
    return y


def norm_backward(g: Map, x: Map, norm: Norm, *, relu: bool) -> tuple[Map, Channels, Channels]:
    """Gradients of the map, the weight and the bias."""
    dx, (d_weight, d_bias) = like(x), _vectors(x, 2)
    call("norm_backward", g, x, *norm, *_lengths(x), relu, dx, d_weight, d_bias)
    return dx, d_weight, d_bias


def norm_sums(g: Map, x: Map, norm: Norm, *, relu: bool) -> tuple[Channels, ...]:
    """Gradients of the weight and the bias alone."""
    gradients = _vectors(x, 2)
    call("norm_sums", g, x, *norm, *_lengths(x), relu, *gradients)
    return gradients


def depthwise_kernels(g: Map, x: Map, kernels: Kernels) -> Kernels:
    """Gradient of the kernels (3x3, 5x5 or 7x7) of a depthwise convolution of stride 1 that keeps the size."""
    gradient = torch.empty_like(kernels, memory_format=torch.contiguous_format)
    call("depthwise_kernels", x, g, *_sizes(x), kernels.shape[-1], gradient)
    return gradient


def max_pool(x: Map) -> Map:
    """3x3 maxima with stride 1."""
    y = like(x)
    call("max_pool", x, *_sizes(x), y, None)
    return y


def max_pool_with_places(x: Map) -> tuple[Map, UInt8[Tensor, " N"]]:
    """The same, and where each maximum was, which `max_pool_backward` wants."""
    y, places = like(x), torch.empty(x.numel(), dtype=torch.uint8, device=x.device)
    call("max_pool", x, *_sizes(x), y, places)
    return y, places


def max_pool_backward(g: Map, places: UInt8[Tensor, " N"]) -> Map:
    """Gradient of what was pooled."""
    dx = like(g)
    call("max_pool_backward", g, places, *_sizes(g), dx)
    return dx


def halves(x: Map) -> Halves:
    """The pixels of even row and column and, as further channels, those of odd row and column; height and width are even."""
    batch, channels, height, width = x.shape
    both = _empty(x, (batch, 2 * channels, height // 2, width // 2))
    call("halves", x, *_sizes(x), both, False)
    return both


def halves_backward(both: Halves) -> Map:
    """The map with these pixels and zeros elsewhere."""
    batch, channels, height, width = both.shape
    x = _empty(both, (batch, channels // 2, 2 * height, 2 * width))
    call("halves", x, *_sizes(x), both, True)
    return x


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
    y = _empty(x, (batch, filters, height, width))
    statistics = _vectors(y, 3)
    kernel = kernels.shape[-1]
    call("separable", x, *_or_none(norm), kernels, weights, float(epsilon), *_sizes(x), filters, kernel, y, *statistics)
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
    dx = like(x)
    d_kernels, d_weights = (torch.empty_like(w, memory_format=torch.contiguous_format) for w in (kernels, weights))
    gradients = _vectors(x, 2)
    call(
        "separable_backward", g, y, *norm_of_y, relu, *gradients_of_norm, x, *_or_none(norm), kernels, weights,
        *_sizes(x), len(weights), kernels.shape[-1], dx, d_kernels, d_weights, *gradients,
    )  # fmt: skip
    return dx, d_kernels, d_weights, gradients


def pointwise(
    maps: Sequence[Map], weights: Sequence[Weights], epsilon: float, *, relu: bool, halve: bool = False
) -> tuple[Result, tuple[Filters, ...]]:
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
    y = _empty(maps[0], (batch, len(weights[0]), height, width))
    statistics, lengths = _vectors(y, 3), (batch * height * width, channels, len(weights[0]))
    picked = width if halve else 0
    call("pointwise", maps, weights, len(weights), picked, relu, float(epsilon), *lengths, y, *statistics)
    return y, statistics


def pointwise_backward(
    g: Result,
    y: Result,
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
    dx = [like(x) for x in maps]
    d_weights = [torch.empty_like(w, memory_format=torch.contiguous_format) for w in weights]
    pixels, filters = _lengths(y)
    call(
        "pointwise_backward", g, y, *norm, relu_after, *gradients_of_norm, maps, weights, len(weights),
        y.shape[-1] if halve else 0, relu, pixels, maps[0].shape[1], filters, dx, d_weights,
    )  # fmt: skip
    return dx, d_weights


def _empty(like: Map, shape: tuple[int, int, int, int]) -> Tensor:
    return torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=torch.channels_last)


def _vectors(x: Map, n: int) -> tuple[Channels, ...]:
    """Uninitialised numbers for each channel."""
    return x.new_empty(n, x.shape[1]).unbind()


def _or_none(norm: Norm | None) -> Norm | tuple[None, None, None, None]:
    return norm or (None, None, None, None)


def _lengths(x: Map) -> tuple[int, int]:
    return x.numel() // x.shape[1], x.shape[1]


def _sizes(x: Map) -> tuple[int, int, int, int]:
    batch, channels, height, width = x.shape
    return batch, height, width, channels


def call(name: str, *arguments: Tensor | Sequence[Tensor] | float | int | None) -> None:
    """Call a kernel.

    Tensors are handed on as addresses of their numbers, several as addresses of these, all else as double or long integer.
    """
    found = library()
    assert found is not None
    getattr(found, f"enas_{name}")(*map(_converted, arguments), ctypes.c_long(torch.get_num_threads()))


def _converted(value: Tensor | Sequence[Tensor] | float | int | None) -> Any:
    if isinstance(value, int):
        return ctypes.c_long(value)
    if value is None or isinstance(value, Tensor):
        return ctypes.c_void_p(None if value is None else value.data_ptr())
    if isinstance(value, float):
        return ctypes.c_double(value)
    return (ctypes.c_void_p * len(value))(*[x.data_ptr() for x in value])
