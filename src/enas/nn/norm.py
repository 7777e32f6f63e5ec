"""Batch norm with ReLU, fast on processors in channels-last memory format.

PyTorch's own channels-last batch norm is slow where the channels do not fill the processor's vectors. This one lays many
pixels side by side in a row, so that every pass is a sum or a product of long rows, which runs at memory speed, and works
through the map in parts that stay in the cache (`benchmarks/README.md`). Results differ from PyTorch's by rounding only.
"""

from collections.abc import Iterator
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

VECTOR = 16
"""Float32 numbers in the widest vector of a processor; PyTorch's own batch norm is fast for multiples of it."""
WIDTH = 512
"""Least number of columns of a pass, where the map allows it."""
PART = 2**18
"""Numbers that are worked on at once: one MB."""

Map = Float[Tensor, "B C H W"]


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

    def forward(self, input: Map) -> Map:
        """Normalise each channel."""
        by_batch = self.training or not self.track_running_stats
        if by_batch and input.numel() == input.shape[1]:  # each channel is its own mean; PyTorch refuses a single value
            y = (input - input) * self.weight[:, None, None] + self.bias[:, None, None]
            return F.relu(y) if self.relu else y
        if not (by_batch and _wide_passes_pay(input)):
            y = super().forward(input)
            return F.relu(y, inplace=True) if self.relu else y
        y, mean, variance = _WideBatchNorm.apply(input, self.weight, self.bias, self.eps, self.relu)
        if self.track_running_stats:
            self._follow(mean, variance, input.numel() // input.shape[1])
        return y

    def extra_repr(self) -> str:
        """What `print` shows."""
        return super().extra_repr() + (", relu" if self.relu else "")

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, n: int) -> None:
        momentum = cast(float, self.momentum)
        cast(Tensor, self.num_batches_tracked).add_(1)
        cast(Tensor, self.running_mean).lerp_(mean, momentum)
        cast(Tensor, self.running_var).lerp_(variance * (n / max(n - 1, 1)), momentum)


def _wide_passes_pay(x: Tensor) -> bool:
    plain = x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    fits = x.numel() > x.shape[1] and x.is_contiguous(memory_format=torch.channels_last)
    return plain and fits and x.shape[1] % VECTOR != 0


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
        ctx: FunctionCtx, x: Tensor, weight: Tensor, bias: Tensor, epsilon: float, relu: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        together = _pixels_per_row(x)
        rows = _rows(x, together)
        n = x.numel() // x.shape[1]
        mean = _channel_sum(rows.sum(0), together) / n
        wide_mean, squares = mean.repeat(together), rows.new_zeros(rows.shape[1])
        for part, scratch in _parts(rows):
            torch.sub(part, wide_mean, out=scratch)
            squares += scratch.mul_(scratch).sum(0)
        variance = _channel_sum(squares, together) / n
        inverse_std = torch.rsqrt(variance + epsilon)
        scale = weight * inverse_std
        offset = (bias - mean * scale).repeat(together)
        y, wide_scale = torch.empty_like(rows), scale.repeat(together)
        for part, out in zip(_split(rows), _split(y), strict=True):
            torch.addcmul(offset, part, wide_scale, out=out)
            if relu:
                out.relu_()
        ctx.save_for_backward(x, weight, mean, inverse_std, _map(y, x.shape) if relu else x)  # type: ignore[attr-defined]
        ctx.together, ctx.relu = together, relu  # type: ignore[attr-defined]
        ctx.mark_non_differentiable(mean, variance)  # type: ignore[attr-defined]
        return _map(y, x.shape), mean, variance

    @staticmethod
    @once_differentiable
    def backward(
        ctx: FunctionCtx, *gradients: Tensor
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None]:
        x, weight, mean, inverse_std, y = ctx.saved_tensors  # type: ignore[attr-defined]
        together = ctx.together  # type: ignore[attr-defined]
        rows = _rows(x, together)
        g = _rows(gradients[0].contiguous(memory_format=torch.channels_last), together)
        dx, n = torch.empty_like(rows), x.numel() // x.shape[1]
        wide_mean, (sums, products) = mean.repeat(together), rows.new_zeros(2, rows.shape[1])
        masks = _split(_rows(y, together)) if ctx.relu else _split(g)  # type: ignore[attr-defined]
        for (part, scratch), g_part, mask, out in zip(_parts(rows), _split(g), masks, _split(dx), strict=True):
            torch.sub(part, wide_mean, out=scratch)
            if ctx.relu:  # type: ignore[attr-defined]
                g_part = torch.ops.aten.threshold_backward.grad_input(g_part, mask, 0, grad_input=out)
            sums += g_part.sum(0)
            products += scratch.mul_(g_part).sum(0)
        g_bias = _channel_sum(sums, together)
        g_weight = _channel_sum(products, together) * inverse_std
        # dx = weight * inverse_std * (g - mean(g) - normalised * mean(g * normalised))
        scale = weight * inverse_std
        slope = -scale * inverse_std * g_weight / n
        offset = (-scale * g_bias / n - slope * mean).repeat(together)
        wide_slope, wide_scale = slope.repeat(together), scale.repeat(together)
        masked = _split(dx) if ctx.relu else _split(g)  # type: ignore[attr-defined]
        for (part, scratch), g_part, out in zip(_parts(rows), masked, _split(dx), strict=True):
            torch.addcmul(offset, part, wide_slope, out=scratch)
            torch.addcmul(scratch, g_part, wide_scale, out=out)
        return _map(dx, x.shape), g_weight, g_bias, None, None


def _split(rows: Tensor) -> tuple[Tensor, ...]:
    """Parts small enough to stay in the processor's cache between two passes."""
    return rows.split(max(PART // rows.shape[1], 1))


def _parts(rows: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Each part with scratch memory of its size, which the next part uses again."""
    parts = _split(rows)
    scratch = torch.empty_like(parts[0])
    return ((part, scratch[: len(part)]) for part in parts)


def _rows(x: Tensor, together: int) -> Tensor:
    return x.permute(0, 2, 3, 1).reshape(-1, together * x.shape[1])


def _map(rows: Tensor, shape: torch.Size) -> Tensor:
    batch, channels, height, width = shape
    return rows.view(batch, height, width, channels).permute(0, 3, 1, 2)


def _channel_sum(columns: Tensor, together: int) -> Tensor:
    return columns.view(together, -1).sum(0)
