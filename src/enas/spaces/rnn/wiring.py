"""How a recurrent cell is wired: the plan that supernet and network share, and the graph that is drawn."""

from dataclasses import dataclass
from typing import Literal, cast

from enas.architecture import Architecture
from enas.space import Edge, Graph, Node
from enas.spaces.rnn.steps import is_lstm, node_name

Average = Literal["loose_ends", "all"]
LABELS = {"tanh": "tanh", "relu": "ReLU", "identity": "identity", "sigmoid": "sigmoid"}


@dataclass(frozen=True)
class Cell:
    """A cell as numbers: what each node does, from where, and which nodes make the output."""

    operations: tuple[str, ...]
    """Activation of each node."""
    sources: tuple[int, ...]
    """Predecessor of each node; -1 for node 0, which reads the word and the state before."""
    averaged: tuple[int, ...]
    """Nodes whose mean is the output and the next state."""


def cell_of(architecture: Architecture, average: Average = "loose_ends") -> Cell:
    """The plan of an architecture.

    Args:
        architecture: One of this space, not the LSTM.
        average: Whether the output is the mean of the nodes that no other node reads, or of all but node 0.
    """
    nodes, choices = architecture.size["nodes"], architecture.choices
    operations = tuple(cast(str, choices.get(f"{node_name(i)}.op", "tanh")) for i in range(nodes))
    inputs = (cast(str, choices[f"{node_name(i)}.input"]) for i in range(1, nodes))
    sources = (-1, *(int(name.removeprefix("node")) for name in inputs))
    ends = range(1, nodes) if average == "all" else [i for i in range(nodes) if i not in sources]
    return Cell(operations, sources, tuple(ends))


def wiring(architecture: Architecture) -> Graph:
    """The graph that `enas draw` shows: nodes with their numbers from left to right, loose ends into their mean."""
    if is_lstm(architecture.size):
        ends = (Node("x", "x[t]", "input"), Node("h", "h[t-1]", "input"))
        nodes = (*ends, Node("lstm", "LSTM", "node"), Node("out", "h[t]", "output"))
        return Graph("LSTM", nodes, (Edge("x", "lstm"), Edge("h", "lstm"), Edge("lstm", "out")))
    cell = cell_of(architecture)
    boxes = [Node("x", "x[t]", "input"), Node("h", "h[t-1]", "input")]
    edges = [Edge("x", node_name(0)), Edge("h", node_name(0))]
    for i, (operation, source) in enumerate(zip(cell.operations, cell.sources, strict=True)):
        boxes.append(Node(node_name(i), f"{i}: {LABELS[operation]}", LABELS[operation]))
        if source >= 0:
            edges.append(Edge(node_name(source), node_name(i)))
    boxes += [Node("mean", "mean", "mean"), Node("out", "h[t]", "output")]
    edges += [*(Edge(node_name(i), "mean") for i in cell.averaged), Edge("mean", "out")]
    return Graph(f"Recurrent cell, {len(cell.operations)} nodes", tuple(boxes), tuple(edges))
