"""How cells are wired and stacked: functions that supernet and network share, and the graph that is drawn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar, cast

from jaxtyping import Float
from torch import Tensor

from enas.architecture import Architecture
from enas.space import Edge, Graph, Node
from enas.spaces.micro.steps import CELLS, INPUTS, SIDES, map_name, question

Maps = Float[Tensor, "B _ _ _"]  # channels and size differ from stage to stage
Stacked = TypeVar("Stacked")
Run = Callable[..., Maps]
"""(0 left or 1 right[, a map]) -> output of that side's operation, plus the map."""
INPUT_LABELS = ("0: before last", "1: last")
"""What a drawing calls a cell's inputs: outputs of the two cells before it."""


@dataclass(frozen=True)
class Side:
    """One of the two operations that a node adds up."""

    source: int
    """The map it reads: 0 the older input, 1 the newer, 2, 3, ... a node."""
    op: str


@dataclass(frozen=True)
class Cell:
    """One of the two cells of an architecture."""

    nodes: tuple[tuple[Side, Side], ...]
    """Node 2, 3, ..."""
    ends: tuple[int, ...]
    """The maps that the output joins."""


@dataclass(frozen=True)
class Shape:
    """What a cell's builder must know of a map."""

    channels: int
    halvings: int
    """How often the image was halved to get there."""


def cell_of(architecture: Architecture, name: str) -> Cell:
    """The cell "normal" or "reduction" of an architecture."""
    known = {map_name(name, index): index for index in range(INPUTS + architecture.size["nodes"])}

    def answer(node: int, side: str, what: str) -> str:
        return cast(str, architecture.choices[question(name, node, side, what)])

    def side(node: int, which: str) -> Side:
        return Side(known[answer(node, which, "input")], answer(node, which, "op"))

    numbers = range(INPUTS, INPUTS + architecture.size["nodes"])
    nodes = tuple((side(node, SIDES[0]), side(node, SIDES[1])) for node in numbers)
    read = {side.source for sides in nodes for side in sides}
    loose = tuple(index for index in range(INPUTS + len(nodes)) if index not in read)
    return Cell(nodes, tuple(numbers) if architecture.size["all_nodes"] else loose)


def run_cell(
    cell: Cell,
    older: Maps,
    newer: Maps,
    *,
    operate: Callable[[int, int, Side, Maps, Maps | None], Maps],
    join: Callable[[Sequence[int], Sequence[Maps]], Maps],
    combine: Callable[[tuple[Side, Side], Run], Maps] | None = None,
) -> Maps:
    """Compute the output of a cell; pools that several nodes have alike are computed once.

    Args:
        cell: What to wire.
        older: Input 0, fitted.
        newer: Input 1, fitted.
        operate: (node, 0 left or 1 right, the side, its input, a map or None) -> output of the operation, plus the map.
        join: (numbers of the ends, their maps) -> output of the cell.
        combine: (both sides, what runs one of them) -> the node; None: their sum.
    """
    maps = [older, newer]
    pooled: dict[Side, Maps] = {}

    def run(node: int, sides: tuple[Side, Side], number: int, plus: Maps | None = None) -> Maps:
        side = sides[number]
        x = maps[side.source]
        if not side.op.endswith("pool"):
            return operate(node, number, side, x, plus)
        if side not in pooled:
            pooled[side] = operate(node, number, side, x, None)
        return pooled[side] if plus is None else pooled[side] + plus

    for node, sides in enumerate(cell.nodes, INPUTS):
        maps.append((combine or _add)(sides, partial(run, node, sides)))
    return join(cell.ends, [maps[end] for end in cell.ends])


def _add(sides: tuple[Side, Side], run: Run) -> Maps:
    """The sum of both sides: a separable convolution comes last, which adds the other side in passing."""
    last = 0 if sides[0].op.startswith("sep") and not sides[1].op.startswith("sep") else 1
    return run(last, run(1 - last))


def reduction_cells(layers: int) -> tuple[int, int]:
    """Places of the two reduction cells among all layers + 2 cells: 2 and 5 for 6 layers, 5 and 11 for 15."""
    third = layers // 3
    return third, 2 * third + 1


def auxiliary_cell(layers: int) -> int:
    """The cell whose output the auxiliary classifier reads: the one after the second reduction."""
    return reduction_cells(layers)[1] + 1


def run_stack(
    stem: Stacked,
    *,
    layers: int,
    reduce: Callable[[int, Stacked], Stacked] | None,
    cell: Callable[[int, Stacked, Stacked], Stacked],
) -> tuple[Stacked, Stacked]:
    """Stack layers + 2 cells, each on the two outputs before it; works on maps and on their shapes alike.

    Args:
        stem: Both inputs of the first cell.
        layers: Number of normal cells.
        reduce: (0 or 1, the newer map) -> that map at half the resolution, which then is the newer input of the reduction cell,
            while the full one is the older: the search form. None: reduction cells halve by themselves: the final form.
        cell: (number of the cell, older input, newer input) -> its output.

    Returns:
        The last output, and the one that the auxiliary classifier reads.
    """
    older = newer = tapped = stem
    for index in range(layers + 2):
        if reduce is not None and index in reduction_cells(layers):
            older, newer = newer, reduce(reduction_cells(layers).index(index), newer)
        older, newer = newer, cell(index, older, newer)
        if index == auxiliary_cell(layers):
            tapped = newer
    return newer, tapped


def cell_name(index: int, layers: int) -> str:
    """Which of the two cells stands at a place of the stack."""
    return "reduction" if index in reduction_cells(layers) else "normal"


def filters_at(index: int, layers: int, filters: int) -> int:
    """Filters of the cell at a place of the stack: doubled from each reduction cell on."""
    return filters * 2 ** sum(index >= place for place in reduction_cells(layers))


def wiring(architecture: Architecture) -> Graph:
    """The graph that `enas draw` shows: both cells, operations on the edges; inputs that nothing reads are left out."""
    nodes: list[Node] = []
    edges: list[Edge] = []
    for name in CELLS:
        cell, heading, output = cell_of(architecture, name), f"{name.capitalize()} cell", f"{name}.output"
        read = {side.source for sides in cell.nodes for side in sides} | set(cell.ends)
        inputs = [index for index in range(INPUTS) if index in read]
        nodes += [Node(map_name(name, index), INPUT_LABELS[index], "input", heading) for index in inputs]
        for node, sides in enumerate(cell.nodes, INPUTS):
            nodes.append(Node(map_name(name, node), f"+ {node}", "sum", heading))
            edges += [
                Edge(map_name(name, side.source), map_name(name, node), label=side.op.replace("_", " "))
                for side in sides
            ]
        nodes.append(Node(output, "concat", "concat", heading))
        edges += [Edge(map_name(name, end), output) for end in cell.ends]
    return Graph(f"Micro architecture, {architecture.size['nodes']} nodes a cell", tuple(nodes), tuple(edges))
