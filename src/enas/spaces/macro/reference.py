"""The authors' numbers for a macro network: `fixed_arc` of their script, and what their search prints.

For each layer its operation, then one bit for each map that it may read besides the layer before: the stem, layer 0, and so on.
These are the controller's integers in its own order.
"""

from itertools import accumulate, pairwise

from enas.architecture import Architecture, decode, encode
from enas.errors import ArchitectureError
from enas.notation import Notation, are_numbers, read_numbers, write_numbers
from enas.spaces.macro.steps import steps


def read_arc(text: str, where: str = "arc") -> Architecture:
    """The network that the authors' numbers describe.

    Raises:
        ArchitectureError: their count fits no number of layers, or one of them is out of range.
    """
    codes = read_numbers(text, where)
    layers = next((n for n in range(1, 1001) if n * (n + 1) // 2 >= len(codes)), 0)
    if layers * (layers + 1) // 2 != len(codes):
        raise ArchitectureError(
            f"{where}: {len(codes)} numbers fit no macro network; layer l has its operation and l bits (12 layers: 78)"
        )
    size = {"layers": layers}
    try:
        return decode(codes, steps(size), space="macro", size=size)
    except ArchitectureError as error:
        raise ArchitectureError(f"{where}: {error}") from error


def write_arc(architecture: Architecture) -> str:
    """The authors' numbers, one layer a line."""
    codes = encode(architecture, steps(architecture.size))
    ends = accumulate(range(architecture.size["layers"] + 1))
    return write_numbers([list(codes[start:end]) for start, end in pairwise(ends)])


NOTATIONS = (Notation("arc", "numbers of the authors' scripts, as in '0 3 0 0 1 0'", are_numbers, read_arc, write_arc),)
