"""The strings by which NAS-Bench-Macro's table names architectures: one digit a layer, such as "02012100"."""

from enas.architecture import Architecture, encode
from enas.errors import ArchitectureError
from enas.spaces.nasbench_macro.steps import BLOCKS, LAYERS, SIZE, question, steps

NAME = "nasbench-macro"


def write_string(architecture: Architecture) -> str:
    """The digits of an architecture.

    Raises:
        ArchitectureError: it is not one of this space.
    """
    return "".join(map(str, encode(architecture, steps(architecture.size))))


def read_string(text: str) -> Architecture:
    """The architecture of a string of digits.

    Raises:
        ArchitectureError: it is not 8 digits from 0 to 2.
    """
    digits = [str(index) for index in range(len(BLOCKS))]
    if len(text) != LAYERS or not set(text) <= set(digits):
        raise ArchitectureError(f"a NAS-Bench-Macro architecture is {LAYERS} digits from 0 to 2, not {text!r}")
    return Architecture(NAME, SIZE, {question(layer): BLOCKS[int(digit)] for layer, digit in enumerate(text)})
