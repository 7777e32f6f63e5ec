"""Convolutional blocks of the CIFAR-10 spaces, as the authors' code builds them: no biases, he-normal initial weights.

Letters of shapes: B batch, C channels in, F filters out, H height, W width. Everything runs in channels-last memory format,
the fastest for convolutions and pooling on processors and on GPUs with tensor cores (`benchmarks/README.md`).
"""

import math
from collections.abc import Callable
from typing import cast

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from enas.errors import UsageError
from enas.nn.convolution import convolution_unit
from enas.nn.depthwise import DepthwiseConv
from enas.nn.norm import BatchNorm
from enas.nn.pointwise import halving_unit, is_pointwise, pointwise_unit
from enas.nn.pool import average_pool, max_pool

EPSILON = 1e-5
"""Of batch norm in the authors' code, but for the convolution of a macro search branch (`SEARCH_EPSILON`)."""
SEARCH_EPSILON = 1e-3


def he_normal(weight: Tensor, fan_in: int) -> None:
    """Fill with a normal distribution of variance 2 / fan_in, cut at two standard deviations (he-normal of the code)."""
    std = math.sqrt(2.0 / fan_in)
    nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std)


def conv(channels: int, filters: int, kernel: int = 1, *, groups: int = 1, stride: int = 1) -> nn.Conv2d:
    """A convolution without bias that keeps the size at stride 1; fan-in counts every input channel, as in the code."""
    if groups == channels == filters:
        layer: nn.Conv2d = DepthwiseConv(channels, kernel, stride=stride)
    elif kernel == 1 and stride > 1:
        layer = _PickingConv(channels, filters, 1, stride, groups=groups, bias=False)
    else:
        layer = nn.Conv2d(channels, filters, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    he_normal(layer.weight, kernel * kernel * channels)
    return layer


class _PickingConv(nn.Conv2d):
    """A strided 1x1 convolution that picks its pixels first.

    oneDNN's gradient of the strided one writes past its workspace where a map has fewer channels than a vector of the processor
    has numbers (its issue 6035): wrong gradients, or the end of the process.
    """

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B F h w"]:
        """Convolve every pixel whose row and column are multiples of the stride."""
        down, right = self.stride
        return F.conv2d(input[..., ::down, ::right], self.weight, groups=self.groups)


def batch_norm(filters: int, *, running: bool, epsilon: float = EPSILON, relu: bool = False) -> BatchNorm:
    """Batch norm; without running statistics it normalises by the batch itself in training and evaluation alike."""
    return BatchNorm(filters, epsilon=epsilon, running=running, relu=relu)


class Pool(nn.Module):
    """3x3 pooling that keeps the size at stride 1; an average does not count the padding."""

    def __init__(self, kind: str, *, stride: int = 1) -> None:
        super().__init__()
        self.kind, self.stride = kind, stride

    def extra_repr(self) -> str:
        """What `print` shows."""
        return self.kind if self.stride == 1 else f"{self.kind}, stride={self.stride}"

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
        """Pool; at stride 2 an odd height or width is rounded up."""
        if self.stride == 1:
            return max_pool(x) if self.kind == "max_pool" else average_pool(x)
        if self.kind == "max_pool":
            return F.max_pool2d(x, 3, stride=self.stride, padding=1)
        return F.avg_pool2d(x, 3, stride=self.stride, padding=1, count_include_pad=False)


def operation(name: str, channels: int, filters: int) -> list[nn.Module]:
    """The layers of a macro operation between its two batch norms.

    Args:
        name: One of conv3x3, sep3x3, conv5x5, sep5x5, avg_pool, max_pool.
        channels: Channels in.
        filters: Channels out; equal to `channels` for a pool.
    """
    if name in ("avg_pool", "max_pool"):
        return [Pool(name)]
    kernel = int(name[-1])
    if name.startswith("conv"):
        return [conv(channels, filters, kernel)]
    return [conv(channels, channels, kernel, groups=channels), conv(channels, filters)]


class FactorisedReduction(nn.Module):
    """Halve the resolution: 1x1 convolutions of the even and of the odd pixels, side by side, then batch norm.

    Source: the authors' code, macro child, function `_factorized_reduction`.
    """

    def __init__(self, channels: int, filters: int, *, running: bool) -> None:
        """Build the two paths.

        Raises:
            UsageError: `filters` is odd.
        """
        super().__init__()
        if filters % 2:
            raise UsageError(f"--filters must be even where the resolution is halved, got {filters}")
        self.even = conv(channels, filters // 2)
        self.odd = conv(channels, filters // 2)
        self.norm = batch_norm(filters, running=running)

    def forward(
        self, x: Float[Tensor, "B C H W"], *, rectify: Callable[[Tensor], Tensor] | None = None
    ) -> Float[Tensor, "B F h w"]:
        """Reduce; an odd height or width is rounded up. rectify: ReLU of the map before that, or None."""
        return halving_unit(x, self.even.weight, self.odd.weight, self.norm, rectify=rectify)


class Chain(nn.Sequential):
    """Layers one after the other; a convolution with a ReLU before it and a batch norm after it is made in one where it can."""

    def forward(
        self,
        input: Float[Tensor, "B C H W"],
        plus: Float[Tensor, "B F h w"] | None = None,
        *,
        rectify: Callable[[Tensor], Tensor] | None = None,
    ) -> Float[Tensor, "B F h w"]:
        """Run the layers.

        Args:
            input: The map.
            plus: Is added to the result.
            rectify: ReLU of the input, in place of a first layer that is one; a caller may do it once for several readers.
        """
        x, layers = input, list(self)
        while layers:
            layer = layers.pop(0)
            if isinstance(layer, nn.ReLU):
                rectify = rectify or F.relu
                if layers:
                    continue
                layer = nn.Identity()
            has_norm = layers and isinstance(layer, nn.Conv2d) and isinstance(layers[0], BatchNorm)
            norm = cast(BatchNorm, layers.pop(0)) if has_norm else None
            x, rectify = _run(layer, norm, x, rectify, plus if not layers else None), None
        return x


def _run(
    layer: nn.Module, norm: BatchNorm | None, x: Tensor, rectify: Callable[[Tensor], Tensor] | None, plus: Tensor | None
) -> Tensor:
    """A layer between its ReLU and its batch norm, if there are any."""
    if norm is not None and is_pointwise(layer):
        return pointwise_unit([x], [cast(nn.Conv2d, layer).weight], norm, rectify=rectify, plus=plus)
    if norm is not None:
        return convolution_unit(x, cast(nn.Conv2d, layer), norm, rectify=rectify, plus=plus)
    rectifies = isinstance(layer, FactorisedReduction)
    y = layer(x, rectify=rectify) if rectifies else layer(x if rectify is None else rectify(x))
    return cast(Tensor, y if plus is None else y + plus)


class Head(nn.Module):
    """Global average pooling, dropout, linear classifier without bias."""

    def __init__(self, channels: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.linear = nn.Linear(channels, classes, bias=False)
        he_normal(self.linear.weight, channels)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B classes"]:
        """Logits of the classes."""
        return self.linear(F.dropout(x.mean(dim=(2, 3)), self.dropout, self.training))
