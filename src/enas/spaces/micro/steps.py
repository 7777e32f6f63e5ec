"""Questions of the micro space: two inputs and two operations for each node of a normal and a reduction cell.

Source: Pham et al. 2018, section 2.4, and the authors' micro controller, whose sampler runs once for each cell.
"""

from collections.abc import Mapping

from enas.decisions import Input, Op, Step, Vocabulary
from enas.errors import ArchitectureError

OPERATIONS = ("sep3x3", "sep5x5", "avg_pool", "max_pool", "identity")
"""In the order of the authors' codes 0 to 4."""
CELLS = ("normal", "reduction")
INPUTS = 2
"""Each cell reads the outputs of the two cells before it: 0 is the older, 1 the newer."""
SIDES = ("left", "right")
"""A node is the sum of two operations, each on an input of its own."""
VOCABULARY = Vocabulary(
    OPERATIONS, init_bias=(10.0, 10.0, 0.0, 0.0, 0.0), parameter_free=("avg_pool", "max_pool", "identity")
)
"""The bias lies so far out on the tanh that it stays as it is: a prior for the separable convolutions, for both cells."""
NORMAL_BIAS = (0.25, 0.25, -0.25, -0.25, -0.25)
"""A second prior for them, added after the tanh, for the normal cell only."""


def map_name(cell: str, index: int) -> str:
    """Name of one of a cell's inputs (0, 1) or nodes (2, 3, ...)."""
    return f"{cell}.input{index}" if index < INPUTS else f"{cell}.node{index}"


def question(cell: str, node: int, side: str, what: str) -> str:
    """Name of a question: `what` is "input" or "op"."""
    return f"{cell}.node{node}.{side}.{what}"


def steps(size: Mapping[str, int]) -> tuple[Step, ...]:
    """The questions for cells of some nodes, the normal cell first; the LSTM's state is carried over to the reduction cell.

    Args:
        size: "nodes", the number of nodes; "all_nodes", 1 when the output of a cell joins all its nodes, 0 when it joins
            what nothing else reads (which changes no question, but the network).

    Raises:
        ArchitectureError: the size is not {"nodes": 1 or more, "all_nodes": 0 or 1}.
    """
    if set(size) != {"nodes", "all_nodes"} or not 1 <= size["nodes"] <= 100 or size["all_nodes"] not in (0, 1):
        raise ArchitectureError(
            f"the size of a micro cell is 'nodes', 1 to 100, and 'all_nodes', 0 or 1, not {dict(size)}"
        )
    ticks = []
    for cell in CELLS:
        bias = NORMAL_BIAS if cell == "normal" else None
        ticks += [Step(remember=map_name(cell, index), blank=True) for index in range(INPUTS)]
        for node in range(INPUTS, INPUTS + size["nodes"]):
            earlier = tuple(map_name(cell, index) for index in range(node))
            ticks += [Step(Input(question(cell, node, side, "input"), earlier)) for side in SIDES]
            ticks += [Step(Op(question(cell, node, side, "op"), VOCABULARY, bias)) for side in SIDES]
            ticks.append(Step(remember=map_name(cell, node)))
    return tuple(ticks)
