"""Search network of the NAS-Bench-201 space: both convolutions on each edge of each cell, of which an edge runs one at most."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from enas.architecture import Architecture
from enas.bounds import Count
from enas.data.images import ImageSpec
from enas.nn.blocks import Chain, batch_norm, conv
from enas.nn.convolution import convolution_unit
from enas.nn.once import Once
from enas.nn.rectify import RectifyOnce
from enas.spaces.nasbench201.steps import EDGES, OPERATIONS
from enas.spaces.nasbench201.wiring import Link, links_of, run_cell, run_stack


@dataclass(frozen=True)
class NasBench201SupernetConfig:
    """Size of the search network; the benchmark's own networks have 16 filters, 5 cells a stage and a stem of stride 1."""

    filters: Count = 16
    """Channels of the first stage; doubled at each of the two reductions."""
    cells: Count = 5
    """Cells in each of the three stages."""
    stem_stride: Literal[1, 2] = 1
    """Stride of the stem: 2 halves the resolution of the whole network, for about a quarter of the work."""


class Cell(nn.Module):
    """The convolutions of a cell, by their edge."""

    def __init__(self, filters: int, links: Sequence[Link], *, running: bool) -> None:
        """Build the convolutions among the links.

        Args:
            filters: Channels in and out.
            links: Everything that the cell may run.
            running: Whether batch norm keeps running averages.
        """
        super().__init__()
        self.convolutions = nn.ModuleDict(
            {
                _name(link): Chain(conv(filters, filters, int(link.op[-1])), batch_norm(filters, running=running))
                for link in links
                if link.has_weights
            }
        )

    def forward(self, x: Float[Tensor, "B C H W"], links: Sequence[Link]) -> Float[Tensor, "B C H W"]:
        """Run the cell with one operation on each edge."""

        def convolve(link: Link, x: Tensor, plus: Tensor | None, rectify: RectifyOnce) -> Tensor:
            return self.convolutions[_name(link)](x, plus, rectify=rectify)

        return run_cell(links, x, convolve)


class Reduction(nn.Module):
    """Half the resolution, twice the channels: two 3x3 convolutions beside an average pool of 2x2 with a 1x1 convolution."""

    def __init__(self, channels: int, *, running: bool) -> None:
        super().__init__()
        filters = 2 * channels
        self.first, self.second = conv(channels, filters, 3, stride=2), conv(filters, filters, 3)
        self.first_norm = batch_norm(filters, running=running, relu=True)
        self.second_norm = batch_norm(filters, running=running)
        self.shortcut = conv(channels, filters)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B F h w"]:
        """Reduce; an odd height or width is rounded up."""
        y = self.first_norm(self.first(F.relu(x)))
        shortcut = self.shortcut(F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False))
        return convolution_unit(y, self.second, self.second_norm, plus=shortcut)


class CellStack(nn.Module):
    """Stem, cells, reductions and classifier; in the supernet with all links, in a network with those of its architecture."""

    def __init__(
        self, filters: int, cells: int, spec: ImageSpec, links: Sequence[Link], *, running: bool, stem_stride: int = 1
    ) -> None:
        """Build everything.

        Args:
            filters: Channels of the first stage.
            cells: Cells in a stage.
            spec: Channels and classes of the data.
            links: What each cell may run.
            running: Whether batch norm keeps running averages.
            stem_stride: Stride of the stem.
        """
        super().__init__()
        self.number, self.once = cells, Once()
        self.stem = nn.Sequential(
            conv(spec.channels, filters, 3, stride=stem_stride), batch_norm(filters, running=running)
        )
        self.cells, self.reductions = nn.ModuleList(), nn.ModuleList()

        def add_cell(_: int, channels: int) -> int:
            self.cells.append(Cell(channels, links, running=running))
            return channels

        def add_reduction(_: int, channels: int) -> int:
            self.reductions.append(Reduction(channels, running=running))
            return 2 * channels

        last = run_stack(filters, cells, cell=add_cell, reduce=add_reduction)
        self.norm = batch_norm(last, running=running, relu=True)
        self.linear = nn.Linear(last, spec.classes)

    def forward(self, images: Float[Tensor, "B C H W"], links: Sequence[Link]) -> Float[Tensor, "B classes"]:
        """Logits of the network whose cells all have these links."""
        last = run_stack(
            self.once(self.stem, images),
            self.number,
            cell=lambda index, x: self.cells[index](x, links),
            reduce=lambda number, x: self.reductions[number](x),
        )
        return self.linear(self.norm(last).mean(dim=(2, 3)))


class Supernet(nn.Module):
    """Shared weights; `forward` computes one architecture and touches nothing else."""

    def __init__(self, config: NasBench201SupernetConfig, spec: ImageSpec, *, running_statistics: bool = False) -> None:
        """Build both convolutions of each edge.

        Args:
            config: Sizes.
            spec: Channels and classes of the data.
            running_statistics: Whether batch norm keeps running averages for evaluation, or always uses the batch.
        """
        super().__init__()
        every = [Link(target, source, op) for target, source in EDGES for op in OPERATIONS]
        self.stack = CellStack(
            config.filters, config.cells, spec, every, running=running_statistics, stem_stride=config.stem_stride
        )
        self.once = self.stack.once

    def forward(self, images: Float[Tensor, "B C H W"], architecture: Architecture) -> Float[Tensor, "B classes"]:
        """Logits of one architecture."""
        return self.stack(images, links_of(architecture))


def _name(link: Link) -> str:
    return f"{link.target}_{link.source}_{link.op}"
