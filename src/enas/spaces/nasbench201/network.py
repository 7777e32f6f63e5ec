"""Stand-alone network of a NAS-Bench-201 cell: at its default size the one that the benchmark trained."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from enas.architecture import Architecture, encode
from enas.bounds import Count
from enas.data.images import ImageSpec
from enas.spaces.nasbench201.steps import steps
from enas.spaces.nasbench201.supernet import CellStack
from enas.spaces.nasbench201.wiring import links_of


@dataclass(frozen=True)
class NasBench201NetworkConfig:
    """Size of the network that is trained from scratch; the defaults are the benchmark's."""

    filters: Count = 16
    """Channels of the first stage; doubled at each of the two reductions."""
    cells: Count = 5
    """Cells in each of the three stages."""


class Network(nn.Module):
    """One architecture with weights of its own; `forward` takes images only."""

    def __init__(self, config: NasBench201NetworkConfig, spec: ImageSpec, architecture: Architecture) -> None:
        """Build what the architecture names, also where a "none" cuts it off, as the benchmark does.

        Raises:
            ArchitectureError: the architecture does not fit this space.
        """
        super().__init__()
        encode(architecture, steps(architecture.size))  # checks every choice
        self.links = links_of(architecture)
        self.stack = CellStack(config.filters, config.cells, spec, self.links, running=True)

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B classes"]:
        """Logits."""
        return self.stack(images, self.links)
