"""Depthwise separable convolution that keeps little for its gradient.

The map between its two convolutions, and with a batch norm before it the normalised map, are computed again on the way back: a
few passes over a map save a third of the memory of a search in the micro space (`docs/performance.md`).
"""

from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

from enas.nn.depthwise import Kernels, Map, gradient_is_slow, same_size, weight_gradient
from enas.nn.norm import BatchNorm, normalise, normalise_backward

Weights = Float[Tensor, "F C 1 1"]


def separable(
    x: Map, depthwise: nn.Conv2d, pointwise: nn.Conv2d, norm: BatchNorm | None = None
) -> Float[Tensor, "B F h w"]:
    """A depthwise convolution and the 1x1 convolution of its result.

    Args:
        x: The map.
        depthwise: The first convolution.
        pointwise: The second.
        norm: What is done before the first; None: nothing.
    """
    if torch.is_grad_enabled() and depthwise.stride == (1, 1) and gradient_is_slow(x):
        weights = depthwise.weight, pointwise.weight
        if norm is not None and norm.is_wide(x):
            return cast(Tensor, _NormSeparable.apply(x, norm.weight, norm.bias, *weights, norm, depthwise, pointwise))
        return cast(Tensor, _Separable.apply(x if norm is None else norm(x), *weights, depthwise, pointwise))
    return cast(Tensor, pointwise(depthwise(x if norm is None else norm(x))))


class _Separable(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx, x: Tensor, kernels: Tensor, weight: Tensor, depthwise: nn.Conv2d, pointwise: nn.Conv2d
    ) -> Tensor:
        ctx.save_for_backward(x, kernels, weight)
        return cast(Tensor, pointwise(depthwise(x)))

    @staticmethod
    @once_differentiable
    def backward(
        ctx: FunctionCtx, *gradients: Tensor
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None]:
        x, kernels, weight = ctx.saved_tensors  # type: ignore[attr-defined]
        wanted = ctx.needs_input_grad  # type: ignore[attr-defined]
        return *_gradients(gradients[0], x, kernels, weight, wanted[:3]), None, None


class _NormSeparable(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx,
        x: Tensor,
        scale: Tensor,
        shift: Tensor,
        kernels: Tensor,
        weight: Tensor,
        norm: BatchNorm,
        depthwise: nn.Conv2d,
        pointwise: nn.Conv2d,
    ) -> Tensor:
        statistics = norm.statistics(x)
        ctx.save_for_backward(x, scale, shift, kernels, weight, *statistics)
        ctx.relu = norm.relu  # type: ignore[attr-defined]
        return cast(Tensor, pointwise(depthwise(norm(x, statistics))))

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, scale, shift, kernels, weight, *statistics = ctx.saved_tensors  # type: ignore[attr-defined]
        wanted, relu = ctx.needs_input_grad, ctx.relu  # type: ignore[attr-defined]
        mean_and_deviation = statistics[0], statistics[1]
        y = normalise(x, scale, shift, mean_and_deviation, relu=relu)
        g, g_kernels, g_weight = _gradients(gradients[0], y, kernels, weight, (True, *wanted[3:5]))
        assert g is not None
        into_norm = normalise_backward(g, x, scale, mean_and_deviation, y if relu else None)
        return *into_norm, g_kernels, g_weight, None, None, None


def _gradients(
    g: Float[Tensor, "B F H W"], x: Map, kernels: Kernels, weight: Weights, wanted: tuple[bool, bool, bool]
) -> tuple[Map | None, Kernels | None, Weights | None]:
    """Of the two convolutions' input, kernels and weight, where wanted."""
    into_x, into_kernels, into_weight = wanted
    g = g.contiguous(memory_format=torch.channels_last)
    between = same_size(x, kernels)
    g, g_weight, _ = torch.ops.aten.convolution_backward(
        g, between, weight, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1, [True, into_weight, False]
    )
    del between
    dx = same_size(g, kernels.flip(2, 3)) if into_x else None
    return dx, weight_gradient(g, x, kernels) if into_kernels else None, g_weight
