"""The authors' numbers for micro cells: `fixed_arc` of their script, and what their search prints.

The normal cell, then the reduction cell. For each node: left input, left operation, right input, right operation.
"""

from enas.architecture import Architecture
from enas.errors import ArchitectureError
from enas.notation import Notation, are_numbers, read_numbers, write_numbers
from enas.spaces.micro.steps import CELLS, INPUTS, OPERATIONS, SIDES, map_name, question

_PER_NODE = 2 * len(SIDES)


def read_arc(text: str, where: str = "arc") -> Architecture:
    """The two cells that the authors' numbers describe.

    Raises:
        ArchitectureError: their count fits no two cells of equal size, or one of them is out of range.
    """
    codes = read_numbers(text, where)
    nodes, rest = divmod(len(codes), _PER_NODE * len(CELLS))
    if rest or not 1 <= nodes <= 100:
        raise ArchitectureError(
            f"{where}: {len(codes)} numbers fit no micro cells; a node has 4 in each of the two cells (5 nodes: 40)"
        )
    choices: dict[str, str | tuple[str, ...]] = {}
    at = iter(codes)
    for cell in CELLS:
        for node in range(INPUTS, INPUTS + nodes):
            answers: dict[str, str] = {}
            for side in SIDES:
                place = f"{where}: {cell} cell, node {node}, {side}"
                answers[f"{side}.input"] = map_name(cell, _below(next(at), node, f"{place} input"))
                answers[f"{side}.op"] = OPERATIONS[_below(next(at), len(OPERATIONS), f"{place} operation")]
            for what in ("input", "op"):  # in the order of the questions
                choices |= {question(cell, node, side, what): answers[f"{side}.{what}"] for side in SIDES}
    return Architecture("micro", {"nodes": nodes, "all_nodes": 0}, choices)


def write_arc(architecture: Architecture) -> str:
    """The authors' numbers, one cell a line.

    Raises:
        ArchitectureError: the cells join all their nodes, which the numbers cannot say.
    """
    if architecture.size["all_nodes"]:
        raise ArchitectureError("the authors' numbers mean cells that join their loose ends, and these join all nodes")
    rows = []
    for cell in CELLS:
        row: list[int] = []
        for node in range(INPUTS, INPUTS + architecture.size["nodes"]):
            earlier = [map_name(cell, index) for index in range(node)]
            for side in SIDES:
                source = architecture.choices[question(cell, node, side, "input")]
                operation = architecture.choices[question(cell, node, side, "op")]
                row += [earlier.index(str(source)), OPERATIONS.index(str(operation))]
        rows.append(row)
    return write_numbers(rows)


def _below(code: int, limit: int, place: str) -> int:
    if code >= limit:
        raise ArchitectureError(f"{place}: {code} is out of range, expected 0 to {limit - 1}")
    return code


NOTATIONS = (
    Notation(
        "arc", "numbers of the authors' scripts, normal cell first, 20 for each", are_numbers, read_arc, write_arc
    ),
)
