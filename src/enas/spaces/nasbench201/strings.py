"""The strings by which NAS-Bench-201 names cells: |op~0|+|op~0|op~1|+|op~0|op~1|op~2|, node after node."""

from enas.architecture import Architecture, encode
from enas.errors import ArchitectureError
from enas.spaces.nasbench201.steps import EDGES, NODES, OPERATIONS, SIZE, question, steps

NAME = "nasbench201"
FORM = "|op~0|+|op~0|op~1|+|op~0|op~1|op~2|"


def write_string(architecture: Architecture) -> str:
    """The benchmark's string of an architecture.

    Raises:
        ArchitectureError: it is not one of this space.
    """
    codes = dict(zip(EDGES, encode(architecture, steps(architecture.size)), strict=True))
    return "+".join(
        "|" + "".join(f"{OPERATIONS[codes[target, source]]}~{source}|" for source in range(target))
        for target in range(1, NODES)
    )


def read_string(text: str) -> Architecture:
    """The architecture of a string of the benchmark.

    Raises:
        ArchitectureError: it does not have that form, or names an unknown operation.
    """
    nodes = text.split("+")
    if len(nodes) != NODES - 1 or not all(len(node) > 1 and node[0] == node[-1] == "|" for node in nodes):
        raise _wrong(text)
    inputs = [node[1:-1].split("|") for node in nodes]
    words = [tuple(word.split("~")) for sides in inputs for word in sides]
    if [len(sides) for sides in inputs] != [1, 2, 3] or [word[1:] for word in words] != [(str(s),) for _, s in EDGES]:
        raise _wrong(text)
    for op, _ in words:
        if op not in OPERATIONS:
            raise ArchitectureError(f"{op!r} is no operation of NAS-Bench-201: known are {', '.join(OPERATIONS)}")
    return Architecture(NAME, SIZE, {question(*edge): op for edge, (op, _) in zip(EDGES, words, strict=True)})


def _wrong(text: str) -> ArchitectureError:
    return ArchitectureError(f"a NAS-Bench-201 architecture has the form {FORM}, not {text!r}")
