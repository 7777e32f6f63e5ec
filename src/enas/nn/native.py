"""Kernels in C for what PyTorch does slowly on processors: batch norm, pooling, depthwise and separable convolutions.

They work on float32 maps in channels-last memory format and are compiled for this very processor when they are first needed,
which takes a second or two; the result is kept in the user's cache folder. Where there is no compiler, or the environment
variable ENAS_KERNELS is "off", the same operations are made of PyTorch's own (`docs/performance.md`); results differ by
rounding.
"""

import ctypes
import functools
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

SOURCES: Final = Path(__file__).parent / "kernels"
SWITCH: Final = "ENAS_KERNELS"
FLAGS: Final = (
    "-O3",
    "-march=native",
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fopenmp",
    "-fPIC",
)
MOST_CHANNELS: Final = 8192
"""Of a map that is given to a kernel: some keep a few rows of it on the stack."""
_logger = logging.getLogger(__name__)

Map = Float[Tensor, "B C H W"]
Half = Float[Tensor, "B C h w"]
Result = Float[Tensor, "B F H W"]
Channels = Float[Tensor, " C"]
Norm = tuple[Channels, Channels, Channels, Channels]
"""A batch norm of a map: weight, bias, and mean and inverse standard deviation of the map."""
Filters = Float[Tensor, " F"]
NormOfResult = tuple[Filters, Filters, Filters, Filters]
Kernels = Float[Tensor, "C 1 k k"]
Weights = Float[Tensor, "F C 1 1"]


def fits(x: Tensor) -> bool:
    """Whether the kernels can be used on a map here and now."""
    if x.device.type != "cpu" or x.dtype != torch.float32 or x.dim() != 4 or torch.compiler.is_compiling():
        return False
    plain = not torch.is_autocast_enabled("cpu") and 0 < x.shape[1] <= MOST_CHANNELS and x.numel() > 0
    return plain and x.is_contiguous(memory_format=torch.channels_last) and library() is not None


def like(x: Map) -> Map:
    """An uninitialised map of the same shape."""
    return torch.empty_like(x, memory_format=torch.channels_last)


def norm(x: Map, weight: Channels, bias: Channels, epsilon: float, *, relu: bool) -> tuple[Map, tuple[Channels, ...]]:
    """The map with each channel normalised by itself, scaled, shifted and rectified or not.

    Returns:
        The result, and mean, variance and inverse standard deviation of the map's channels.
    """
    y, statistics = like(x), _vectors(x, 3)
    _call("norm", x, weight, bias, epsilon, *_lengths(x), relu, y, *statistics)
    return y, statistics


def normalise(x: Map, norm: Norm, *, relu: bool) -> Map:
    """The same with known statistics."""
    y = like(x)
    _call("normalise", x, *norm, *_lengths(x), relu, y)
    return y


def norm_backward(g: Map, x: Map, norm: Norm, *, relu: bool) -> tuple[Map, Channels, Channels]:
    """Gradients of the map, the weight and the bias."""
    dx, (d_weight, d_bias) = like(x), _vectors(x, 2)
    _call("norm_backward", g, x, *norm, *_lengths(x), relu, dx, d_weight, d_bias)
    return dx, d_weight, d_bias


def norm_sums(g: Map, x: Map, norm: Norm, *, relu: bool) -> tuple[Channels, ...]:
    """Gradients of the weight and the bias alone."""
    gradients = _vectors(x, 2)
    _call("norm_sums", g, x, *norm, *_lengths(x), relu, *gradients)
    return gradients


def depthwise_kernels(g: Map, x: Map, kernels: Kernels) -> Kernels:
    """Gradient of the kernels (3x3, 5x5 or 7x7) of a depthwise convolution of stride 1 that keeps the size."""
    gradient = torch.empty_like(kernels, memory_format=torch.contiguous_format)
    _call("depthwise_kernels", x, g, *_sizes(x), kernels.shape[-1], gradient)
    return gradient


def max_pool(x: Map) -> Map:
    """3x3 maxima with stride 1."""
    y = like(x)
    _call("max_pool", x, *_sizes(x), y, None)
    return y


def max_pool_with_places(x: Map) -> tuple[Map, UInt8[Tensor, " N"]]:
    """The same, and where each maximum was, which `max_pool_backward` wants."""
    y, places = like(x), torch.empty(x.numel(), dtype=torch.uint8)
    _call("max_pool", x, *_sizes(x), y, places)
    return y, places


def max_pool_backward(g: Map, places: UInt8[Tensor, " N"]) -> Map:
    """Gradient of what was pooled."""
    dx = like(g)
    _call("max_pool_backward", g, places, *_sizes(g), dx)
    return dx


def halves(x: Map) -> tuple[Half, Half]:
    """The pixels of even row and column, and those of odd row and column; height and width are even."""
    batch, channels, height, width = x.shape
    shape = (2, batch, height // 2, width // 2, channels)
    even, odd = x.new_empty(shape).permute(0, 1, 4, 2, 3).unbind()
    _call("halves", x, *_sizes(x), even, odd, False)
    return even, odd


def halves_backward(even: Half, odd: Half) -> Map:
    """The map with these pixels and zeros elsewhere."""
    batch, channels, height, width = even.shape
    shape = (batch, channels, 2 * height, 2 * width)
    x = torch.empty(shape, dtype=even.dtype, memory_format=torch.channels_last)
    _call("halves", x, *_sizes(x), even, odd, True)
    return x


def separable(
    x: Map, norm: Norm | None, kernels: Kernels, weights: Weights, epsilon: float
) -> tuple[Result, tuple[Filters, ...]]:
    """A depthwise convolution of stride 1 and a 1x1 convolution.

    Args:
        x: The map.
        norm: With which it is normalised and rectified first, or None.
        kernels: [C, 1, k, k], k 3, 5 or 7.
        weights: [F, C, 1, 1].
        epsilon: Added to the variance of the result.

    Returns:
        The result, and mean, variance and inverse standard deviation of its channels.
    """
    batch, filters, (height, width) = len(x), len(weights), x.shape[2:]
    y = torch.empty((batch, filters, height, width), dtype=x.dtype, memory_format=torch.channels_last)
    statistics = _vectors(y, 3)
    kernel = kernels.shape[-1]
    _call("separable", x, *_or_none(norm), kernels, weights, epsilon, *_sizes(x), filters, kernel, y, *statistics)
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
    _call(
        "separable_backward", g, y, *norm_of_y, relu, *gradients_of_norm, x, *_or_none(norm), kernels, weights,
        *_sizes(x), len(weights), kernels.shape[-1], dx, d_kernels, d_weights, *gradients,
    )  # fmt: skip
    return dx, d_kernels, d_weights, gradients


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


def _call(name: str, *arguments: Tensor | float | int | None) -> None:
    """Call a kernel: tensors are handed on as addresses of their numbers, all else as double or as long integer."""
    found = library()
    assert found is not None
    getattr(found, f"enas_{name}")(*map(_converted, arguments), ctypes.c_long(torch.get_num_threads()))


def _converted(value: Tensor | float | int | None) -> ctypes.c_void_p | ctypes.c_double | ctypes.c_long:
    if value is None or isinstance(value, Tensor):
        return ctypes.c_void_p(None if value is None else value.data_ptr())
    return ctypes.c_double(value) if isinstance(value, float) else ctypes.c_long(value)


@functools.cache
def library() -> ctypes.CDLL | None:
    """The compiled kernels; None, with a word to the user, where there are none."""
    if os.environ.get(SWITCH, "on").lower() in ("off", "0", "no", "false"):
        return None
    compiler = shutil.which(os.environ.get("CC") or "cc")
    if compiler is None or os.name != "posix":
        _logger.warning("no C compiler (cc): networks of images are computed without the package's own, faster kernels")
        return None
    try:
        path = folder() / f"kernels-{_digest(compiler)}.so"
        if not path.exists():
            _compile(compiler, path)
        return ctypes.CDLL(str(path))
    except subprocess.CalledProcessError as error:
        reason = (error.stderr or "").strip().splitlines() or [f"status {error.returncode}"]
        _logger.warning("%s cannot compile the package's kernels, slower forms are used: %s", compiler, reason[0])
    except OSError as error:
        _logger.warning("the package's compiled kernels cannot be used, slower forms are: %s", error)
    return None


def folder() -> Path:
    """Where compiled kernels are kept: in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "enas"


def _digest(compiler: str) -> str:
    """Changes with the source, the flags, the compiler and the processor: code for one processor may not run on another."""
    found = hashlib.sha256()
    for source in sorted(SOURCES.glob("*.[ch]")):
        found.update(source.read_bytes())
    version = subprocess.run([compiler, "--version"], check=True, capture_output=True).stdout
    found.update(b"\0".join([*(flag.encode() for flag in FLAGS), version, _processor().encode()]))
    return found.hexdigest()[:16]


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    keys = ("model name", "flags", "Features", "CPU part")
    return "\n".join([platform.machine(), *sorted({line for line in lines if line.startswith(keys)})])


def _compile(compiler: str, path: Path) -> None:
    """Compile beside the final place, then rename: another process may do the same at this moment.

    OpenMP is not linked: its functions are those that PyTorch has loaded, so that both share their threads.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        objects = []
        for source in sorted(SOURCES.glob("*.c")):
            objects.append(Path(scratch) / f"{source.stem}.o")
            _run([compiler, *FLAGS, "-c", str(source), "-o", str(objects[-1])])
        made = Path(scratch) / path.name
        _run([compiler, "-shared", *map(str, objects), "-o", str(made), "-lm"])
        made.replace(path)


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
