"""How a cell is wired and cells are stacked: functions that supernet and network share, and the graph that is drawn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

import torch
from jaxtyping import Float
from torch import Tensor

from enas.architecture import Architecture
from enas.nn.pool import average_pool
from enas.nn.rectify import RectifyOnce
from enas.nn.sums import add
from enas.space import Edge, Graph, Node
from enas.spaces.nasbench201.steps import EDGES, NODES, question

Maps = Float[Tensor, "B C H W"]
Stacked = TypeVar("Stacked")
STAGES = 3


@dataclass(frozen=True)
class Link:
    """An edge of a cell with its operation."""

    target: int
    source: int
    op: str

    @property
    def has_weights(self) -> bool:
        """Whether it is a convolution."""
        return self.op.startswith("nor_conv")


def links_of(architecture: Architecture) -> tuple[Link, ...]:
    """The edges of an architecture's cell."""
    return tuple(Link(*edge, cast(str, architecture.choices[question(*edge)])) for edge in EDGES)


def live(links: Sequence[Link]) -> tuple[Link, ...]:
    """The links on which the cell's output depends: those on a way that no "none" cuts to the last node.

    A way begins at the cell's input, or at a node without input, which is zero, with a convolution: the batch norm after that
    makes something of nothing.
    """
    carrying, fed = list[Link](), {0}
    for target in range(1, NODES):
        into = [link for link in links if link.target == target and link.op != "none"]
        into = [link for link in into if link.has_weights or link.source in fed]
        carrying += into
        fed |= {target} if into else set()
    needed = {NODES - 1}
    for link in sorted(carrying, key=lambda link: -link.target):
        if link.target in needed:
            needed.add(link.source)
    return tuple(link for link in links if link in carrying and link.target in needed)


def run_cell(links: Sequence[Link], x: Maps, convolve: Callable[[Link, Maps, Maps | None, RectifyOnce], Maps]) -> Maps:
    """Compute the output of a cell: each node is the sum of what its links bring, zero where all of them are "none".

    What does not reach the output is not computed; the pool of a node is computed once for all its readers.

    Args:
        links: The cell.
        x: Its input.
        convolve: (link, its input, a map or None, ReLU) -> ReLU, convolution and batch norm, plus the map.
    """
    maps, rectify, pooled = [x], RectifyOnce(NODES), dict[int, Maps]()

    def simple(link: Link) -> Maps:
        if link.op == "skip_connect":
            return maps[link.source]
        if link.source not in pooled:
            pooled[link.source] = average_pool(maps[link.source])
        return pooled[link.source]

    used = live(links)
    read = {link.source for link in used} | {NODES - 1}
    for node in range(1, NODES):
        if node not in read:
            maps.append(x)  # holds the place of a map that nobody reads
            continue
        into = [link for link in used if link.target == node]
        terms = [simple(link) for link in into if not link.has_weights]
        total = add(terms[0], terms[1:]) if terms else None
        for link in into:
            if link.has_weights:
                total = convolve(link, maps[link.source], total, rectify)
        maps.append(torch.zeros_like(x) if total is None else total)
    return maps[-1]


def run_stack(
    stem: Stacked, cells: int, *, cell: Callable[[int, Stacked], Stacked], reduce: Callable[[int, Stacked], Stacked]
) -> Stacked:
    """Three stages of cells with a reduction between two stages; works on maps and on their channels alike.

    Args:
        stem: Input of the first cell.
        cells: Number of cells in a stage.
        cell: (number of the cell, input) -> output.
        reduce: (0 or 1, input) -> a map of half the resolution and twice the channels.
    """
    x = stem
    for stage in range(STAGES):
        if stage > 0:
            x = reduce(stage - 1, x)
        for index in range(cells):
            x = cell(stage * cells + index, x)
    return x


def wiring(architecture: Architecture) -> Graph:
    """The graph that `enas draw` shows: the cell, with operations on its edges."""
    labels = ["input", *(f"+ {node}" for node in range(1, NODES - 1)), "output"]
    kinds = ["input", *["sum"] * (NODES - 2), "output"]
    nodes = [Node(f"node{index}", label, kind) for index, (label, kind) in enumerate(zip(labels, kinds, strict=True))]
    edges = [
        Edge(f"node{link.source}", f"node{link.target}", label=link.op.replace("_", " "))
        for link in links_of(architecture)
    ]
    return Graph("NAS-Bench-201 cell", tuple(nodes), tuple(edges))
