"""Search network of the micro space: cells with weights for every operation on every map that a node may read.

Source: the authors' code, micro child in search form; parameter counts agree with its graph (tests/spaces/micro). Cells share
no weights; within a cell each side of each node has its own for every operation and every map it may read.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from enas.architecture import Architecture
from enas.bounds import Count, Decay, NotNegative
from enas.data.images import ImageSpec
from enas.nn.blocks import FactorisedReduction, Pool, batch_norm, conv, he_normal
from enas.nn.cells import Classifiers, Separable, fit
from enas.nn.once import Once
from enas.nn.pointwise import pointwise_unit
from enas.nn.rectify import RectifyOnce
from enas.spaces.micro.steps import INPUTS, OPERATIONS, SIDES
from enas.spaces.micro.wiring import (
    Cell,
    Shape,
    Side,
    cell_name,
    cell_of,
    filters_at,
    reduction_cells,
    run_cell,
    run_stack,
)
from enas.tasks.images import WithAuxiliary


@dataclass(frozen=True)
class MicroSupernetConfig:
    """Size of the search network."""

    layers: Count = 6
    """Normal cells; two reduction cells are added, after a third and after two thirds of them."""
    filters: Count = 20
    """Channels before the first reduction; doubled at each reduction."""
    nodes: Count = 5
    """Nodes of a cell, each the sum of two operations."""
    all_nodes: bool = False
    """Whether a cell's output joins all its nodes (as in DARTS), or the nodes and inputs that nothing else reads."""
    dropout: Decay = 0.1
    """Probability of dropping a feature before the classifier."""
    auxiliary_weight: NotNegative = 0.4
    """Weight in the loss of a second classifier after two thirds of the network; 0: there is none."""


@dataclass(frozen=True)
class Contents:
    """What a search cell has weights for."""

    branches: tuple[tuple[int, int, Side], ...]
    """Separable convolutions: node, 0 left or 1 right, and what stands there."""
    ends: tuple[int, ...]
    """Maps that the output may join."""


def whole(nodes: int, *, all_nodes: bool) -> Contents:
    """The contents of a supernet's cell: all that can be sampled."""
    separable = [op for op in OPERATIONS if op.startswith("sep")]
    branches = tuple(
        (node, number, Side(source, op))
        for node in range(INPUTS, INPUTS + nodes)
        for number in range(len(SIDES))
        for source in range(node)
        for op in separable
    )
    return Contents(branches, tuple(range(INPUTS if all_nodes else 0, INPUTS + nodes)))


class Supernet(nn.Module):
    """Shared weights; `forward` computes one architecture and touches nothing else."""

    def __init__(self, config: MicroSupernetConfig, spec: ImageSpec, *, running_statistics: bool = False) -> None:
        """Build all branches.

        Args:
            config: Sizes.
            spec: Channels and classes of the data.
            running_statistics: Whether batch norm keeps running averages for evaluation, or always uses the batch.
        """
        super().__init__()
        contents = whole(config.nodes, all_nodes=config.all_nodes)
        self.stack = SearchStack(
            config.layers, config.filters, spec, {"normal": contents, "reduction": contents}, running=running_statistics
        )
        self.once = self.stack.once
        self.classifiers = Classifiers(
            self.stack.channels,
            spec.classes,
            dropout=config.dropout,
            auxiliary_weight=config.auxiliary_weight,
            running=running_statistics,
        )

    def forward(
        self, images: Float[Tensor, "B C H W"], architecture: Architecture
    ) -> Float[Tensor, "B classes"] | WithAuxiliary:
        """Logits of one architecture; in training with those of the auxiliary classifier."""
        return self.classifiers(
            *self.stack(images, cell_of(architecture, "normal"), cell_of(architecture, "reduction"))
        )


class SearchStack(nn.Module):
    """Stem and cells in search form, for a supernet or for the one architecture of a network."""

    def __init__(
        self, layers: int, filters: int, spec: ImageSpec, contents: dict[str, Contents], *, running: bool
    ) -> None:
        """Build the cells.

        Args:
            layers: Normal cells.
            filters: Channels before the first reduction.
            spec: Channels of the data.
            contents: What the "normal" and what the "reduction" cells have weights for.
            running: Whether batch norm keeps running averages.
        """
        super().__init__()
        self.layers, self.once = layers, Once()
        self.stem = nn.Sequential(conv(spec.channels, 3 * filters, 3), batch_norm(3 * filters, running=running))
        self.cells, self.reductions = nn.ModuleList(), nn.ModuleList()

        def add_reduction(number: int, x: Shape) -> Shape:
            width = filters_at(reduction_cells(layers)[number], layers, filters)
            self.reductions.append(FactorisedReduction(x.channels, width, running=running))
            return Shape(width, x.halvings + 1)

        def add_cell(index: int, older: Shape, newer: Shape) -> Shape:
            width = filters_at(index, layers, filters)
            inside = contents[cell_name(index, layers)]
            self.cells.append(SearchCell(width, older, newer, inside, running=running))
            return Shape(width, newer.halvings)

        last, _ = run_stack(Shape(3 * filters, 0), layers=layers, reduce=add_reduction, cell=add_cell)
        self.channels = last.channels

    def forward(
        self, images: Float[Tensor, "B C H W"], normal: Cell, reduction: Cell
    ) -> tuple[Float[Tensor, "B F h w"], Float[Tensor, "B F h w"]]:
        """The last map, and the one for the auxiliary classifier."""
        chosen = {"normal": normal, "reduction": reduction}
        rectify = RectifyOnce(INPUTS + max(len(normal.nodes), len(reduction.nodes)) + 1)
        return run_stack(
            self.once(self.stem, images),
            layers=self.layers,
            reduce=lambda number, x: self.reductions[number](x),
            cell=lambda index, older, newer: self.cells[index](
                older, newer, chosen[cell_name(index, self.layers)], rectify
            ),
        )


class SearchCell(nn.Module):
    """A cell in search form: stride 1, and an output of as many channels as its nodes have."""

    def __init__(self, filters: int, older: Shape, newer: Shape, contents: Contents, *, running: bool) -> None:
        """Build what the cell may run.

        Args:
            filters: Channels of each node.
            older: Input 0 of the cell; it may have twice the resolution of input 1.
            newer: Input 1.
            contents: What it has weights for.
            running: Whether batch norm keeps running averages.
        """
        super().__init__()
        self.older = fit(older.channels, filters, halve=older.halvings < newer.halvings, running=running)
        self.newer = fit(newer.channels, filters, halve=False, running=running)
        self.branches = nn.ModuleDict(
            {
                branch_name(*place): Separable(filters, int(place[2].op[-1]), running=running)
                for place in contents.branches
            }
        )
        self.pools = nn.ModuleDict({op: Pool(op) for op in OPERATIONS if op.endswith("pool")})
        # One block of a 1x1 convolution for each map that may be joined; those of the maps that are joined make its weight.
        self.joins = nn.ParameterDict({str(end): torch.empty(filters, filters, 1, 1) for end in contents.ends})
        for block in self.joins.values():
            he_normal(block, len(contents.ends) * filters)
        self.norm = batch_norm(filters, running=running)

    def forward(
        self,
        older: Float[Tensor, "B C H W"],
        newer: Float[Tensor, "B D h w"],
        cell: Cell,
        rectify: RectifyOnce | None = None,
    ) -> Float[Tensor, "B F h w"]:
        """Run the cell of an architecture; `rectify` serves all cells of the stack."""
        rectify = rectify or RectifyOnce(INPUTS + len(cell.nodes))

        def operate(node: int, number: int, side: Side, x: Tensor, plus: Tensor | None) -> Tensor:
            if side.op.startswith("sep"):
                return self.branches[branch_name(node, number, side)](x, plus, rectify=rectify)
            y = x if side.op == "identity" else self.pools[side.op](x)
            return y if plus is None else y + plus

        def join(ends: Sequence[int], maps: Sequence[Tensor]) -> Tensor:
            # The sum of the blocks' convolutions is that of the maps side by side, without copying maps and gradients.
            return pointwise_unit(maps, [self.joins[str(end)] for end in ends], self.norm, rectify=rectify)

        fitted = [
            x if isinstance(fitting, nn.Identity) else fitting(x, rectify=rectify)
            for fitting, x in ((self.older, older), (self.newer, newer))
        ]
        return run_cell(cell, *fitted, operate=operate, join=join)


def branch_name(node: int, number: int, side: Side) -> str:
    """Name of a separable convolution among the weights of a cell."""
    return f"node{node}_{SIDES[number]}_map{side.source}_{side.op}"
