"""Questions of the NAS-Bench-Macro space: one of three blocks for each of eight layers (Su et al. 2021)."""

from collections.abc import Mapping

from enas.decisions import Op, Step, Vocabulary
from enas.errors import ArchitectureError

STAGES = (2, 3, 3)
"""Layers of each stage; the first layer of a stage halves the resolution and doubles the channels."""
LAYERS = sum(STAGES)
BLOCKS = ("identity", "ir_3x3_t3", "ir_5x5_t6")
"""In the order of the table's digits 0, 1, 2: nothing, and inverted residuals with kernel 3 and expansion 3, 5 and 6."""
VOCABULARY = Vocabulary(BLOCKS, parameter_free=("identity",))
SIZE = {"layers": LAYERS}


def layer_name(index: int) -> str:
    """Name of a layer."""
    return f"layer{index}"


def question(index: int) -> str:
    """Name of the question for a layer's block."""
    return f"{layer_name(index)}.op"


def steps(size: Mapping[str, int]) -> tuple[Step, ...]:
    """The questions, one a layer.

    Raises:
        ArchitectureError: the size is not {"layers": 8}, the only one that the benchmark has.
    """
    if dict(size) != SIZE:
        raise ArchitectureError(f"the size of a NAS-Bench-Macro network is 'layers', {LAYERS}, not {dict(size)}")
    return tuple(Step(Op(question(layer), VOCABULARY)) for layer in range(LAYERS))
