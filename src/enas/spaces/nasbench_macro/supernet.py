"""Search network of the NAS-Bench-Macro space: three blocks for each of eight layers, of which one a layer is run."""

from dataclasses import dataclass
from typing import Literal, cast

from jaxtyping import Float
from torch import Tensor, nn

from enas.architecture import Architecture
from enas.bounds import Count
from enas.data.images import ImageSpec
from enas.nn.blocks import batch_norm, conv
from enas.nn.once import Once
from enas.spaces.nasbench_macro.steps import BLOCKS
from enas.spaces.nasbench_macro.wiring import Head, block, places, run_wiring


@dataclass(frozen=True)
class NasBenchMacroSupernetConfig:
    """Size of the search network; the benchmark's own networks have 32 filters, 1,280 features and a stem of stride 1."""

    filters: Count = 32
    """Channels after the stem; doubled in each of the three stages."""
    features: Count = 1280
    """Channels before the classifier."""
    stem_stride: Literal[1, 2] = 1
    """Stride of the stem: 2 halves the resolution of the whole network, for about a quarter of the work."""


class Supernet(nn.Module):
    """Shared weights; `forward` computes one architecture and touches nothing else."""

    def __init__(
        self, config: NasBenchMacroSupernetConfig, spec: ImageSpec, *, running_statistics: bool = False
    ) -> None:
        """Build all blocks.

        Args:
            config: Sizes.
            spec: Channels and classes of the data.
            running_statistics: Whether batch norm keeps running averages for evaluation, or always uses the batch.
        """
        super().__init__()
        running, filters, self.once = running_statistics, config.filters, Once()
        self.stem = nn.Sequential(
            conv(spec.channels, filters, 3, stride=config.stem_stride), batch_norm(filters, running=running, relu=True)
        )
        self.blocks = nn.ModuleList(
            nn.ModuleDict({name: block(name, place, running=running) for name in BLOCKS}) for place in places(filters)
        )
        self.head = Head(places(filters)[-1].filters, config.features, spec.classes, running=running)

    def forward(self, images: Float[Tensor, "B C H W"], architecture: Architecture) -> Float[Tensor, "B classes"]:
        """Logits of one architecture."""
        last = run_wiring(
            architecture,
            self.once(self.stem, images),
            lambda layer, name, x: self.once(cast(nn.ModuleDict, self.blocks[layer])[name], x),
        )
        return self.head(last)
