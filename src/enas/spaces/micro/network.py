"""Stand-alone network of a micro architecture, to be trained from scratch.

Two forms: "final" is what the authors train (reduction cells stride over their inputs, ends are concatenated, drop-path),
"search" is the supernet's own form with the sampled branches only. Source: the authors' code, micro child with a fixed
architecture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from enas.architecture import Architecture, encode
from enas.bounds import Count, Decay, NotNegative
from enas.data.images import ImageSpec
from enas.nn.blocks import FactorisedReduction, Pool, batch_norm, conv
from enas.nn.cells import Classifiers, Separable, drop_path_mask, drop_paths, fit, pointwise
from enas.nn.rectify import RectifyOnce
from enas.spaces.micro.steps import INPUTS, steps
from enas.spaces.micro.supernet import Contents, SearchStack
from enas.spaces.micro.wiring import Cell, Run, Shape, Side, cell_name, cell_of, filters_at, run_cell, run_stack
from enas.tasks.images import WithAuxiliary


@dataclass(frozen=True)
class MicroNetworkConfig:
    """Size and form of the network that is trained from scratch."""

    layers: Count = 15
    """Normal cells; two reduction cells are added, after a third and after two thirds of them."""
    filters: Count = 36
    """Channels of a node before the first reduction; doubled at each reduction."""
    form: Literal["final", "search"] = "final"
    """Cells of the network: those of the authors' final network, or those of the search network."""
    dropout: Decay = 0.2
    """Probability of dropping a feature before the classifier."""
    drop_path: Decay = 0.4
    """Probability of dropping an operation's output in the last cell at the end of training, less before; final form only."""
    auxiliary_weight: NotNegative = 0.4
    """Weight in the loss of a second classifier after two thirds of the network; 0: there is none."""


class Network(nn.Module):
    """One architecture with weights of its own; `forward` takes images only, so that it can be exported as it is."""

    def __init__(self, config: MicroNetworkConfig, spec: ImageSpec, architecture: Architecture) -> None:
        """Build the blocks that the architecture uses.

        Raises:
            ArchitectureError: the architecture does not fit the micro space.
        """
        super().__init__()
        encode(architecture, steps(architecture.size))  # checks every choice
        self.cells = {name: cell_of(architecture, name) for name in ("normal", "reduction")}
        self.drop_path, self.progress = config.drop_path, 1.0
        self.stack: SearchStack | FinalStack
        if config.form == "search":
            contents = {name: chosen(cell) for name, cell in self.cells.items()}
            self.stack = SearchStack(config.layers, config.filters, spec, contents, running=True)
        else:
            self.stack = FinalStack(config.layers, config.filters, spec, self.cells)
        self.classifiers = Classifiers(
            self.stack.channels,
            spec.classes,
            dropout=config.dropout,
            auxiliary_weight=config.auxiliary_weight,
            running=True,
        )

    def set_progress(self, fraction: float) -> None:
        """Set the strength of drop-path by the share of training that is over; a network that is not told has all of it."""
        self.progress = fraction

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B classes"] | WithAuxiliary:
        """Logits; in training with those of the auxiliary classifier."""
        if isinstance(self.stack, SearchStack):
            return self.classifiers(*self.stack(images, self.cells["normal"], self.cells["reduction"]))
        return self.classifiers(*self.stack(images, self.drop_path * min(self.progress, 1.0) if self.training else 0.0))


def chosen(cell: Cell) -> Contents:
    """The contents of a search cell that runs one architecture only."""
    places = (
        (node, number, side) for node, sides in enumerate(cell.nodes, INPUTS) for number, side in enumerate(sides)
    )
    return Contents(tuple(place for place in places if place[2].op.startswith("sep")), cell.ends)


class FinalStack(nn.Module):
    """Stem and cells in final form."""

    def __init__(self, layers: int, filters: int, spec: ImageSpec, cells: dict[str, Cell]) -> None:
        """Build the cells.

        Args:
            layers: Normal cells.
            filters: Channels of a node before the first reduction.
            spec: Channels of the data.
            cells: The "normal" and the "reduction" cell of the architecture.
        """
        super().__init__()
        self.layers = layers
        self.stem = nn.Sequential(conv(spec.channels, 3 * filters, 3), batch_norm(3 * filters, running=True))
        self.cells = nn.ModuleList()

        def add_cell(index: int, older: Shape, newer: Shape) -> Shape:
            name, width = cell_name(index, layers), filters_at(index, layers, filters)
            stride = 2 if name == "reduction" else 1
            self.cells.append(FinalCell(cells[name], width, older, newer, stride=stride))
            return Shape(len(cells[name].ends) * width, newer.halvings + stride - 1)

        last, _ = run_stack(Shape(3 * filters, 0), layers=layers, reduce=None, cell=add_cell)
        self.channels = last.channels

    def forward(
        self, images: Float[Tensor, "B C H W"], drop_path: float
    ) -> tuple[Float[Tensor, "B F h w"], Float[Tensor, "B D k l"]]:
        """The last map, and the one for the auxiliary classifier.

        Args:
            images: Normalised images.
            drop_path: Probability of dropping an operation's output in the last cell; it falls in proportion to the depth.
        """
        return run_stack(
            self.stem(images),
            layers=self.layers,
            reduce=None,
            cell=lambda index, older, newer: self.cells[index](
                older, newer, 1 - drop_path * (index + 1) / len(self.cells)
            ),
        )


class FinalCell(nn.Module):
    """A cell in final form: ends side by side, and in a reduction cell stride 2 for operations on its inputs."""

    def __init__(self, cell: Cell, filters: int, older: Shape, newer: Shape, *, stride: int) -> None:
        """Build the operations of the cell.

        Args:
            cell: What to wire.
            filters: Channels of each node.
            older: Input 0 of the cell; it may have twice the resolution of input 1.
            newer: Input 1.
            stride: 2 in a reduction cell, else 1.
        """
        super().__init__()
        self.cell = cell
        self.older = fit(older.channels, filters, halve=older.halvings < newer.halvings, running=True)
        self.newer = nn.Sequential(
            fit(newer.channels, filters, halve=False, running=True), pointwise(filters, filters, running=True)
        )
        self.operations = nn.ModuleList(
            nn.ModuleList(final_operation(side.op, filters, stride if side.source < INPUTS else 1) for side in sides)
            for sides in cell.nodes
        )
        self.ends = nn.ModuleDict(
            {
                str(end): FactorisedReduction(filters, filters, running=True)
                for end in cell.ends
                if end < INPUTS and stride == 2
            }
        )

    def forward(
        self, older: Float[Tensor, "B C H W"], newer: Float[Tensor, "B D h w"], keep: float
    ) -> Float[Tensor, "B F k l"]:
        """Run the cell.

        Args:
            older: Input 0.
            newer: Input 1.
            keep: Probability that the output of a separable convolution or pool is kept, for each example by itself.
        """
        rectify = RectifyOnce(INPUTS + len(self.cell.nodes))

        def operate(node: int, number: int, side: Side, x: Tensor, plus: Tensor | None) -> Tensor:
            operation = self.operations[node - INPUTS][number]  # type: ignore[index]
            if side.op.startswith("sep"):
                return cast(Tensor, operation(x, plus, rectify=rectify))
            return cast(Tensor, operation(x) if plus is None else operation(x) + plus)

        def combine(sides: tuple[Side, Side], run: Run) -> Tensor:
            left, right = run(0), run(1)
            masks = [drop_path_mask(left, keep) if side.op != "identity" else None for side in sides]
            return drop_paths(left, right, (masks[0], masks[1]))

        return run_cell(
            self.cell,
            self.older(older),
            self.newer(newer),
            operate=operate,
            join=self._join,
            combine=combine if keep < 1 else None,
        )

    def _join(self, ends: Sequence[int], maps: Sequence[Tensor]) -> Tensor:
        fitted = [
            self.ends[str(end)](value) if str(end) in self.ends else value
            for end, value in zip(ends, maps, strict=True)
        ]
        return torch.cat(fitted, dim=1)


def final_operation(op: str, filters: int, stride: int) -> nn.Module:
    """One operation in final form; at stride 2 the identity is a reduction."""
    if op.startswith("sep"):
        return Separable(filters, int(op[-1]), running=True, stride=stride)
    if op.endswith("pool"):
        return Pool(op, stride=stride)
    return nn.Identity() if stride == 1 else FactorisedReduction(filters, filters, running=True)
