"""Search network of the macro space: all operations of all layers, of which an architecture runs one a layer.

Source: the authors' code, macro child in search form; parameter counts agree with its graph (tests/spaces/macro).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from jaxtyping import Float
from torch import Tensor, nn

from enas.architecture import Architecture
from enas.bounds import Count, Decay
from enas.data.images import ImageSpec
from enas.nn.blocks import SEARCH_EPSILON, Chain, FactorisedReduction, Head, batch_norm, conv, operation
from enas.nn.once import Once
from enas.spaces.macro.steps import OPERATIONS
from enas.spaces.macro.wiring import reduction_layers, run_wiring


@dataclass(frozen=True)
class MacroSupernetConfig:
    """Size of the search network."""

    layers: Count = 12
    """Layers, each with its own operation and skip connections."""
    filters: Count = 36
    """Channels of every map, the same at all resolutions; even."""
    dropout: Decay = 0.1
    """Probability of dropping a feature before the classifier."""


class Supernet(nn.Module):
    """Shared weights; `forward` computes one architecture and touches nothing else."""

    def __init__(self, config: MacroSupernetConfig, spec: ImageSpec, *, running_statistics: bool = False) -> None:
        """Build all branches.

        Args:
            config: Sizes.
            spec: Channels and classes of the data.
            running_statistics: Whether batch norm keeps running averages for evaluation, or always uses the batch.

        Raises:
            UsageError: `filters` is odd.
        """
        super().__init__()
        running, filters, layers = running_statistics, config.filters, config.layers
        self.layers, self.once = layers, Once()
        self.stem = nn.Sequential(conv(spec.channels, filters, 3), batch_norm(filters, running=running))
        self.branches = nn.ModuleList(
            nn.ModuleDict({name: search_branch(name, filters, running=running) for name in OPERATIONS})
            for _ in range(layers)
        )
        self.merges = nn.ModuleList(batch_norm(filters, running=running) for _ in range(layers - 1))
        self.reductions = nn.ModuleList(
            nn.ModuleList(FactorisedReduction(filters, filters, running=running) for _ in range(last + 2))
            for last in reduction_layers(layers)
        )
        self.head = Head(filters, spec.classes, config.dropout)

    def forward(self, images: Float[Tensor, "B C H W"], architecture: Architecture) -> Float[Tensor, "B classes"]:
        """Logits of one architecture."""
        return self.head(self.features(images, architecture))

    def features(self, images: Float[Tensor, "B C H W"], architecture: Architecture) -> Float[Tensor, "B F h w"]:
        """The last map of one architecture."""
        return run_wiring(
            architecture,
            self.once(self.stem, images),
            layers=self.layers,
            operate=lambda layer, name, x: self.once(cast(nn.ModuleDict, self.branches[layer])[name], x),
            merge=self._merge,
            reduce=lambda number, index, x: self.once(cast(nn.ModuleList, self.reductions[number])[index + 1], x),
        )

    def _merge(self, layer: int, out: Tensor, skipped: Sequence[Tensor], sources: Sequence[int]) -> Tensor:
        norm = self.merges[layer - 1]
        return self.once(norm, out, *skipped)


def search_branch(name: str, filters: int, *, running: bool) -> Chain:
    """One operation in search form: 1x1 convolution, batch norm, ReLU, then the operation, batch norm and ReLU.

    A pool has no batch norm and ReLU after it.
    """
    layers: list[nn.Module] = [conv(filters, filters), batch_norm(filters, running=running, relu=True)]
    layers += operation(name, filters, filters)
    if not name.endswith("pool"):
        layers.append(batch_norm(filters, running=running, epsilon=SEARCH_EPSILON, relu=True))
    return Chain(*layers)
