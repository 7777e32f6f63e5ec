"""Blocks of the CIFAR-10 cells: separable units, fitting of inputs, the auxiliary classifier, drop-path.

Letters of shapes: B batch, C channels in, F filters out, H height, W width; h, w after halving. Source: the authors' code,
micro child; parameter counts agree with its graph (tests/spaces/micro).
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from enas.nn.blocks import Chain, FactorisedReduction, Head, batch_norm, conv, he_normal
from enas.nn.separable import separable_units
from enas.tasks.images import WithAuxiliary

AUXILIARY = (128, 768)
"""Channels of the auxiliary classifier's two convolutions."""


class Separable(nn.Module):
    """Two units of depthwise convolution, pointwise convolution and batch norm, each on rectified values."""

    def __init__(self, filters: int, kernel: int, *, running: bool, stride: int = 1) -> None:
        super().__init__()
        self.depthwise1 = conv(filters, filters, kernel, groups=filters, stride=stride)
        self.pointwise1 = conv(filters, filters)
        self.norm1 = batch_norm(filters, running=running, relu=True)
        self.depthwise2 = conv(filters, filters, kernel, groups=filters)
        self.pointwise2 = conv(filters, filters)
        self.norm2 = batch_norm(filters, running=running)

    def forward(
        self,
        x: Float[Tensor, "B F H W"],
        plus: Float[Tensor, "B F h w"] | None = None,
        *,
        rectify: Callable[[Tensor], Tensor] = F.relu,
    ) -> Float[Tensor, "B F h w"]:
        """Rectify, convolve, add.

        Args:
            x: The map.
            plus: Is added to the result.
            rectify: ReLU of the map, where it is an operation by itself: a caller may do it once for several readers.
        """
        first, second = (self.depthwise1, self.pointwise1), (self.depthwise2, self.pointwise2)
        return separable_units(x, first, self.norm1, second, self.norm2, plus=plus, rectify=rectify)


def fit(channels: int, filters: int, *, halve: bool, running: bool) -> nn.Module:
    """Bring a cell's input to its filters and resolution: a reduction, a 1x1 convolution, or nothing where all fits."""
    if halve:
        return Chain(nn.ReLU(), FactorisedReduction(channels, filters, running=running))
    return nn.Identity() if channels == filters else pointwise(channels, filters, running=running)


def pointwise(channels: int, filters: int, *, running: bool) -> Chain:
    """ReLU, 1x1 convolution, batch norm."""
    return Chain(nn.ReLU(), conv(channels, filters), batch_norm(filters, running=running))


class AuxiliaryHead(nn.Module):
    """A second classifier half-way, for training only (Szegedy et al. 2015; sizes of the authors' code).

    Maps smaller than the pooling window of 5x5 are averaged as a whole, so that any image size will do.
    """

    def __init__(self, channels: int, classes: int, *, running: bool) -> None:
        super().__init__()
        self.narrow = conv(channels, AUXILIARY[0])
        self.narrow_norm = batch_norm(AUXILIARY[0], running=running, relu=True)
        self.wide = nn.Conv2d(*AUXILIARY, 2, bias=False)
        he_normal(self.wide.weight, 2 * 2 * AUXILIARY[0])
        self.wide_norm = batch_norm(AUXILIARY[1], running=running, relu=True)
        self.head = Head(AUXILIARY[1], classes, dropout=0.0)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B classes"]:
        """Logits of the classes."""
        window = (min(5, x.shape[-2]), min(5, x.shape[-1]))
        x = self.narrow_norm(self.narrow(F.avg_pool2d(F.relu(x), window, stride=3)))
        x = F.pad(x, (0, 1, 0, 1))  # one pixel at the right and at the bottom: the size stays
        return self.head(self.wide_norm(self.wide(x)))


def drop_path_mask(x: Float[Tensor, "B C H W"], keep: float) -> Float[Tensor, "B 1 1 1"]:
    """A factor for each example: 0, or with probability `keep` 1 / keep (Larsson et al. 2017)."""
    return x.new_empty(len(x), 1, 1, 1).bernoulli_(keep).div_(keep)


def drop_paths(
    left: Float[Tensor, "B C H W"],
    right: Float[Tensor, "B C H W"],
    masks: tuple[Float[Tensor, "B 1 1 1"] | None, Float[Tensor, "B 1 1 1"] | None],
) -> Float[Tensor, "B C H W"]:
    """The sum of two maps, each with its factors; None: the map as it is."""
    if masks[0] is not None:
        left = left * masks[0]
    return left + right if masks[1] is None else torch.addcmul(left, right, masks[1])


class Classifiers(nn.Module):
    """The classifier at the end and, in training, the auxiliary one half-way."""

    def __init__(self, channels: int, classes: int, *, dropout: float, auxiliary_weight: float, running: bool) -> None:
        """Build the heads.

        Args:
            channels: Channels of both maps that are read.
            classes: Number of classes.
            dropout: Probability of dropping a feature before the last classifier.
            auxiliary_weight: Weight of the auxiliary loss; 0: there is no auxiliary classifier.
            running: Whether batch norm keeps running averages.
        """
        super().__init__()
        self.head, self.weight = Head(channels, classes, dropout), auxiliary_weight
        self.auxiliary = AuxiliaryHead(channels, classes, running=running) if auxiliary_weight > 0 else None

    def forward(
        self, last: Float[Tensor, "B C H W"], tapped: Float[Tensor, "B C H W"]
    ) -> Float[Tensor, "B classes"] | WithAuxiliary:
        """Logits; in training with those of the auxiliary classifier."""
        logits = self.head(F.relu(last))
        if self.auxiliary is None or not self.training:
            return logits
        return WithAuxiliary(logits, self.auxiliary(tapped), self.weight)
