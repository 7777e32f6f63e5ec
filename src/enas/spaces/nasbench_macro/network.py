"""Stand-alone network of a NAS-Bench-Macro architecture: at its default size the one that the benchmark trained."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from enas.architecture import Architecture, encode
from enas.bounds import Count
from enas.data.images import ImageSpec
from enas.nn.blocks import batch_norm, conv
from enas.spaces.nasbench_macro.steps import steps
from enas.spaces.nasbench_macro.wiring import Head, block, block_of, places, run_wiring


@dataclass(frozen=True)
class NasBenchMacroNetworkConfig:
    """Size of the network that is trained from scratch; the defaults are the benchmark's."""

    filters: Count = 32
    """Channels after the stem; doubled in each of the three stages."""
    features: Count = 1280
    """Channels before the classifier."""


class Network(nn.Module):
    """One architecture with weights of its own; `forward` takes images only."""

    def __init__(self, config: NasBenchMacroNetworkConfig, spec: ImageSpec, architecture: Architecture) -> None:
        """Build the blocks that the architecture uses.

        Raises:
            ArchitectureError: the architecture does not fit this space.
        """
        super().__init__()
        encode(architecture, steps(architecture.size))  # checks every choice
        self.architecture = architecture
        self.stem = nn.Sequential(
            conv(spec.channels, config.filters, 3), batch_norm(config.filters, running=True, relu=True)
        )
        self.blocks = nn.ModuleList(
            block(block_of(architecture, layer), place, running=True)
            for layer, place in enumerate(places(config.filters))
        )
        self.head = Head(places(config.filters)[-1].filters, config.features, spec.classes, running=True)

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B classes"]:
        """Logits."""
        return self.head(run_wiring(self.architecture, self.stem(images), lambda layer, _, x: self.blocks[layer](x)))
