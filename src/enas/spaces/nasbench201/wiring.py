"""How a cell is wired and cells are stacked: functions that supernet and network share, and the graph that is drawn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from enas.architecture import Architecture
from enas.nn.pool import average_pool
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
    """The links on which the cell's output depends: those on a way to the last node that no "none" cuts."""
    needed, found = {NODES - 1}, []
    for target in range(NODES - 1, 0, -1):
        into = [link for link in links if link.target == target and link.op != "none"]
        if target in needed:
            found += into
            needed |= {link.source for link in into}
    return tuple(link for link in links if link in found)


def run_cell(links: Sequence[Link], x: Maps, convolve: Callable[[Link, Maps], Maps]) -> Maps:
    """Compute the output of a cell: each node is the sum of what its links bring, zero where all of them are "none".

    What does not reach the output is not computed; the ReLU and the pool of a node are computed once for all its readers.

    Args:
        links: The cell.
        x: Its input.
        convolve: (link, rectified input) -> convolution and batch norm.
    """
    maps: list[Maps] = [x]
    rectified: dict[int, Maps] = {}
    pooled: dict[int, Maps] = {}

    def run(link: Link) -> Maps:
        source = link.source
        if link.op == "skip_connect":
            return maps[source]
        if link.op == "avg_pool_3x3":
            if source not in pooled:
                pooled[source] = average_pool(maps[source])
            return pooled[source]
        if source not in rectified:
            rectified[source] = F.relu(maps[source])
        return convolve(link, rectified[source])

    used = live(links)
    for node in range(1, NODES):
        terms = [run(link) for link in used if link.target == node]
        maps.append(add(terms[0], terms[1:]) if terms else torch.zeros_like(x))
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
