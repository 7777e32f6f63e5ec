"""Questions of the NAS-Bench-201 space: one of five operations for each of the six edges of a cell (Dong and Yang 2020)."""

from collections.abc import Mapping

from enas.decisions import Op, Step, Vocabulary
from enas.errors import ArchitectureError

NODES = 4
"""Nodes of the cell: 0 is its input, 3 its output."""
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
"""In the benchmark's order."""
VOCABULARY = Vocabulary(OPERATIONS, parameter_free=("none", "skip_connect", "avg_pool_3x3"))
SIZE = {"nodes": NODES}
EDGES = tuple((target, source) for target in range(1, NODES) for source in range(target))
"""Pairs of node and node that it reads, in the order of the benchmark's strings."""


def question(target: int, source: int) -> str:
    """Name of the question for the operation of an edge."""
    return f"node{target}.from{source}.op"


def steps(size: Mapping[str, int]) -> tuple[Step, ...]:
    """The questions, one an edge.

    Raises:
        ArchitectureError: the size is not {"nodes": 4}, the only one that the benchmark has.
    """
    if dict(size) != SIZE:
        raise ArchitectureError(f"the size of a NAS-Bench-201 cell is 'nodes', {NODES}, not {dict(size)}")
    return tuple(Step(Op(question(target, source), VOCABULARY)) for target, source in EDGES)
