"""Batch norm with ReLU, fast on processors in channels-last memory format.

It is computed by the package's own kernels (`native`). Where they are not to be had, PyTorch's serve, which are slow in this
format where the channels do not fill the processor's vectors: then many pixels are laid side by side, as if they were more
channels; sums of these wide columns are put together to those of the channels, and what is done with each number is one long
pass (`docs/performance.md`). Results differ from PyTorch's by rounding only.
"""

from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

from enas.nn import native
from enas.nn.sums import add

VECTOR = 16
"""Float32 numbers in the widest vector of a processor; PyTorch's own batch norm is fast for multiples of it."""
LEAST = 2**15
"""Numbers in the smallest map for which this pays."""
WIDTH = 512
"""Least number of columns of a pass, where the map allows it."""

Map = Float[Tensor, "B C H W"]
Channels = Float[Tensor, " C"]
Statistics = tuple[Channels, Channels]
"""Mean and inverse standard deviation."""
Rows = Float[Tensor, "R M"]
"""M = channels times the pixels side by side."""


class BatchNorm(nn.BatchNorm2d):
    """`torch.nn.BatchNorm2d`, optionally followed by ReLU; parameters and buffers have the same names."""

    def __init__(self, channels: int, *, epsilon: float, running: bool, relu: bool = False) -> None:
        """Make the parameters.

        Args:
            channels: Channels of the map.
            epsilon: Added to the variance.
            running: Whether running averages are kept for evaluation; else the batch is normalised by itself always.
            relu: Whether negative results become zero.
        """
        super().__init__(channels, eps=epsilon, momentum=0.1, track_running_stats=running)
        self.relu = relu

    def forward(self, input: Map, *others: Map, statistics: Statistics | None = None) -> Map:
        """Normalise each channel.

        Args:
            input: The map.
            others: Are added to it before.
            statistics: What `self.statistics` said of it; None: computed here.
        """
        if statistics is None:
            single = (
                self.by_batch and input.numel() == input.shape[1]
            )  # each channel is its own mean; PyTorch refuses it
            if not single and self._has_kernel(input, *others):
                return cast(Tensor, _NativeBatchNorm.apply(self.weight, self.bias, self, input, *others))
            input = add(input, others)
            if single:
                y = (input - input) * self.weight[:, None, None] + self.bias[:, None, None]
                return F.relu(y) if self.relu else y
            if not self.is_wide(input):
                y = super().forward(input)
                return F.relu(y, inplace=True) if self.relu else y
            statistics = self.statistics(input)
        return cast(Tensor, _WideBatchNorm.apply(input, self.weight, self.bias, *statistics, self.relu))

    def is_wide(self, input: Map) -> bool:
        """Whether the wide passes of this module are used for a map."""
        return self.by_batch and _wide_passes_pay(input)

    @torch.no_grad()
    def statistics(self, input: Map) -> Statistics:
        """Mean and inverse standard deviation of each channel of a map for which `is_wide`; running averages follow."""
        mean, variance = _moments(_rows(input, together := _pixels_per_row(input)), together)
        self.follow(mean, variance, input.numel() // input.shape[1])
        return mean, torch.rsqrt(variance + self.eps)

    @torch.no_grad()
    def follow(self, mean: Channels, variance: Channels, n: int) -> None:
        """Let the running averages, if there are any, follow the statistics of a map with `n` numbers in a channel."""
        if self.track_running_stats:
            momentum = cast(float, self.momentum)
            cast(Tensor, self.num_batches_tracked).add_(1)
            cast(Tensor, self.running_mean).lerp_(mean, momentum)
            cast(Tensor, self.running_var).lerp_(variance * (n / max(n - 1, 1)), momentum)

    def extra_repr(self) -> str:
        """What `print` shows."""
        return super().extra_repr() + (", relu" if self.relu else "")

    def _has_kernel(self, input: Map, *others: Map) -> bool:
        goes_together = self.by_batch and len(self.weight) == input.shape[1]
        goes_together = goes_together and all(x.shape == input.shape and native.fits(x) for x in others)
        return goes_together and native.fits(input, self.weight, self.bias)

    @property
    def by_batch(self) -> bool:
        """Whether the batch is normalised by itself, and not by running averages."""
        return self.training or not self.track_running_stats


class _NativeBatchNorm(torch.autograd.Function):
    """Saves its input or its inputs' sum alone: the gradient of ReLU is computed from it."""

    @staticmethod
    def forward(ctx: FunctionCtx, weight: Tensor, bias: Tensor, norm: BatchNorm, *maps: Tensor) -> Tensor:
        y, x, (mean, variance, inverse_std) = native.norm(maps, weight, bias, norm.eps, relu=norm.relu)
        norm.follow(mean, variance, x.numel() // x.shape[1])
        ctx.save_for_backward(x, weight, bias, mean, inverse_std)
        ctx.relu, ctx.maps = norm.relu, len(maps)  # type: ignore[attr-defined]
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, *norm = ctx.saved_tensors  # type: ignore[attr-defined]
        g = gradients[0].contiguous(memory_format=torch.channels_last)
        dx, d_weight, d_bias = native.norm_backward(g, x, (norm[0], norm[1], norm[2], norm[3]), relu=ctx.relu)  # type: ignore[attr-defined]
        return d_weight, d_bias, None, *[dx] * ctx.maps  # type: ignore[attr-defined]


def _wide_passes_pay(x: Tensor) -> bool:
    fits = x.numel() > max(x.shape[1], LEAST) and x.is_contiguous(memory_format=torch.channels_last)
    return native.is_plain(x) and fits and x.shape[1] % VECTOR != 0


def _pixels_per_row(x: Tensor) -> int:
    """How many pixels make one row of a pass: a power of two that divides their number."""
    channels, pixels, together = x.shape[1], x.numel() // x.shape[1], 1
    while channels * together < WIDTH and pixels % (2 * together) == 0:
        together *= 2
    return together


class _WideBatchNorm(torch.autograd.Function):
    """Saves its input and, with ReLU, its result (which the neighbouring layers save anyway)."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, inverse_std: Tensor, relu: bool
    ) -> Tensor:
        y = normalise(x, weight, bias, (mean, inverse_std), relu=relu)
        ctx.save_for_backward(x, weight, mean, inverse_std, *([y] if relu else []))  # type: ignore[attr-defined]
        return y

    @staticmethod
    @once_differentiable
    def backward(
        ctx: FunctionCtx, *gradients: Tensor
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None, None]:
        x, weight, mean, inverse_std, *y = ctx.saved_tensors  # type: ignore[attr-defined]
        return *normalise_backward(gradients[0], x, weight, (mean, inverse_std), *y), None, None, None


def normalise(x: Map, weight: Channels, bias: Channels, statistics: Statistics, *, relu: bool) -> Map:
    """The map with each channel normalised, scaled and shifted, then rectified or not, in wide passes."""
    mean, inverse_std = statistics
    together = _pixels_per_row(x)
    scale = weight * inverse_std
    y = torch.addcmul((bias - mean * scale).repeat(together), _rows(x, together), scale.repeat(together))
    return _map(y.relu_() if relu else y, x.shape)


def normalise_backward(
    g: Map, x: Map, weight: Channels, statistics: Statistics, rectified: Map | None = None
) -> tuple[Map, Channels, Channels]:
    """Gradients of `normalise` into its map, weight and bias, where the statistics are those of the map itself.

    Args:
        g: Gradient of the result.
        x: The map that was normalised.
        weight: Of each channel.
        statistics: Of `x`.
        rectified: The result, where it was rectified.
    """
    mean, inverse_std = statistics
    together, n = _pixels_per_row(x), x.numel() // x.shape[1]
    g = g.contiguous(memory_format=torch.channels_last)
    if rectified is not None:
        g = torch.ops.aten.threshold_backward(g, rectified, 0)
    rows, g_rows = _rows(x, together), _rows(g, together)
    columns = _gradient_sums(g_rows, rows, mean.repeat(together), inverse_std.repeat(together))
    g_weight, g_bias = (_channel_sum(sums, together) for sums in columns)
    # dx = weight * inverse_std * (g - mean(g) - normalised * mean(g * normalised))
    scale = weight * inverse_std
    slope = -scale * inverse_std * g_weight / n
    offset = -scale * g_bias / n - slope * mean
    dx = torch.addcmul(offset.repeat(together), rows, slope.repeat(together))
    dx.addcmul_(g_rows, scale.repeat(together))
    return _map(dx, x.shape), g_weight, g_bias


def _moments(rows: Rows, together: int) -> tuple[Channels, Channels]:
    """Mean and variance of each channel: those of the columns, and the variance between the columns' means."""
    means, variances = torch.batch_norm_update_stats(_as_map(rows), None, None, 0.0)
    means, variances = means.view(together, -1), variances.view(together, -1)
    mean = means.mean(0)
    return mean, variances.mean(0) + (means - mean).square_().mean(0)


def _gradient_sums(
    g: Rows, rows: Rows, mean: Float[Tensor, " M"], inverse_std: Float[Tensor, " M"]
) -> tuple[Float[Tensor, " M"], Float[Tensor, " M"]]:
    """Of each column: the sum of g times the normalised value, and the sum of g."""
    ones = torch.ones_like(mean)
    _, products, sums = torch.ops.aten.native_batch_norm_backward(
        _as_map(g), _as_map(rows), ones, None, None, mean, inverse_std, True, 0.0, [False, True, True]
    )
    return products, sums


def _rows(x: Map, together: int) -> Rows:
    return x.permute(0, 2, 3, 1).reshape(-1, together * x.shape[1])


def _map(rows: Rows, shape: torch.Size) -> Map:
    batch, channels, height, width = shape
    return rows.view(batch, height, width, channels).permute(0, 3, 1, 2)


def _as_map(rows: Rows) -> Map:
    """One image whose channels are the columns, in channels-last memory format."""
    return rows.t()[None, ..., None]


def _channel_sum(columns: Float[Tensor, " M"], together: int) -> Channels:
    return columns.view(together, -1).sum(0)
