"""The package's kernels, for tensors: batch norm, pooling, depthwise convolutions; `units` has those that are made of these.

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
WINDOWS: Final = (3, 5, 7)
"""Sizes of depthwise kernels that there is a function for."""

Map = Float[Tensor, "B C H W"]
Halves = Float[Tensor, "B twoC h w"]
Channels = Float[Tensor, " C"]
Norm = tuple[Channels, Channels, Channels, Channels]
"""A batch norm of a map: weight, bias, and mean and inverse standard deviation of the map."""
Kernels = Float[Tensor, "C 1 k k"]


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
    y, statistics = like(x), vectors(x, 3)
    call("norm", maps, len(maps), weight, bias, float(epsilon), *lengths(x), relu, x, y, *statistics)
    return y, x, statistics


def normalise(x: Map, norm: Norm, *, relu: bool = False, plus: Map | None = None) -> Map:
    """One map normalised with known statistics, then rectified or with another one added to it."""
    y = like(x)
    call("normalise", x, *norm, *lengths(x), relu, plus, y)
    return y


def norm_backward(g: Map, x: Map, norm: Norm, *, relu: bool) -> tuple[Map, Channels, Channels]:
    """Gradients of the map, the weight and the bias."""
    dx, (d_weight, d_bias) = like(x), vectors(x, 2)
    call("norm_backward", g, x, *norm, *lengths(x), relu, dx, d_weight, d_bias)
    return dx, d_weight, d_bias


def norm_sums(g: Map, x: Map, norm: Norm, *, relu: bool) -> tuple[Channels, ...]:
    """Gradients of the weight and the bias alone."""
    gradients = vectors(x, 2)
    call("norm_sums", g, x, *norm, *lengths(x), relu, *gradients)
    return gradients


def depthwise_kernels(g: Map, x: Map, kernels: Kernels) -> Kernels:
    """Gradient of the kernels (3x3, 5x5 or 7x7) of a depthwise convolution of stride 1 that keeps the size."""
    gradient = torch.empty_like(kernels, memory_format=torch.contiguous_format)
    call("depthwise_kernels", x, g, *sizes(x), kernels.shape[-1], gradient)
    return gradient


def average_pool(x: Map, *, back: bool = False) -> Map:
    """3x3 averages with stride 1 that do not count the padding; or back: from the averages' gradient to that of the map."""
    y = like(x)
    call("average_pool", x, *sizes(x), back, y)
    return y


def can_be_added(plus: Float[Tensor, "B F h w"] | None, x: Map, filters: int) -> bool:
    """Whether a kernel can add a map to what it makes of `x`, with so many channels."""
    return plus is not None and fits(plus) and plus.shape == (len(x), filters, *x.shape[2:])


def max_pool(x: Map) -> Map:
    """3x3 maxima with stride 1."""
    y = like(x)
    call("max_pool", x, *sizes(x), y, None)
    return y


def max_pool_with_places(x: Map) -> tuple[Map, UInt8[Tensor, " N"]]:
    """The same, and where each maximum was, which `max_pool_backward` wants."""
    y, places = like(x), torch.empty(x.numel(), dtype=torch.uint8, device=x.device)
    call("max_pool", x, *sizes(x), y, places)
    return y, places


def max_pool_backward(g: Map, places: UInt8[Tensor, " N"]) -> Map:
    """Gradient of what was pooled."""
    dx = like(g)
    call("max_pool_backward", g, places, *sizes(g), dx)
    return dx


def halves(x: Map) -> Halves:
    """The pixels of even row and column and, as further channels, those of odd row and column; height and width are even."""
    batch, channels, height, width = x.shape
    both = empty(x, (batch, 2 * channels, height // 2, width // 2))
    call("halves", x, *sizes(x), both, False)
    return both


def halves_backward(both: Halves) -> Map:
    """The map with these pixels and zeros elsewhere."""
    batch, channels, height, width = both.shape
    x = empty(both, (batch, channels // 2, 2 * height, 2 * width))
    call("halves", x, *sizes(x), both, True)
    return x


def empty(like: Map, shape: tuple[int, int, int, int]) -> Tensor:
    """An uninitialised map of another shape."""
    return torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=torch.channels_last)


def vectors(x: Map, n: int) -> tuple[Channels, ...]:
    """Uninitialised numbers for each channel."""
    return x.new_empty(n, x.shape[1]).unbind()


def lengths(x: Map) -> tuple[int, int]:
    """Pixels of all images, channels."""
    return x.numel() // x.shape[1], x.shape[1]


def sizes(x: Map) -> tuple[int, int, int, int]:
    """Images, height, width, channels."""
    batch, channels, height, width = x.shape
    return batch, height, width, channels


def call(name: str, *arguments: Tensor | Sequence[Tensor] | float | int | None) -> None:
    """Call a kernel.

    Tensors are handed on as addresses of their numbers, several as addresses of these, all else as double or long integer.
    """
    found = library()
    assert found is not None
    function = getattr(found, f"enas_{name}")
    if function.argtypes is None:  # each argument has the same type in every call
        function.argtypes = [*map(_type_of, arguments), ctypes.c_long]
    function(*[_converted(value) for value in arguments], torch.get_num_threads())


def _type_of(value: Tensor | Sequence[Tensor] | float | int | None) -> Any:
    if isinstance(value, int):
        return ctypes.c_long
    return ctypes.c_double if isinstance(value, float) else ctypes.c_void_p


def _converted(value: Tensor | Sequence[Tensor] | float | int | None) -> Any:
    if isinstance(value, Tensor):
        return value.data_ptr()
    if isinstance(value, Sequence):
        return (ctypes.c_void_p * len(value))(*[x.data_ptr() for x in value])
    return value
