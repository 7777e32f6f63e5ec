"""Questions of the macro space: an operation and a set of skip connections for each layer (Pham et al. 2018, section 2.3)."""

from collections.abc import Mapping

from enas.decisions import Op, Skips, Step, Vocabulary
from enas.errors import ArchitectureError

OPERATIONS = ("conv3x3", "sep3x3", "conv5x5", "sep5x5", "avg_pool", "max_pool")
"""In the order of the authors' codes 0 to 5."""
STEM = "stem"
VOCABULARY = Vocabulary(OPERATIONS)


def layer_name(index: int) -> str:
    """Name of a layer's output; -1 is the stem."""
    return STEM if index < 0 else f"layer{index}"


def steps(size: Mapping[str, int]) -> tuple[Step, ...]:
    """The questions for a network of `layers` layers.

    Layer l reads layer l - 1 always, and any of the maps before that when it says so. The first tick leaves the stem's anchor,
    so that every candidate is judged by its own anchor (docs/details.md, 2).

    Raises:
        ArchitectureError: the size is not {"layers": 1 or more}.
    """
    if set(size) != {"layers"} or not 1 <= size["layers"] <= 1000:
        raise ArchitectureError(f"the size of a macro network is 'layers', 1 to 1000, not {dict(size)}")
    ticks = [Step(remember=STEM)]
    for layer in range(size["layers"]):
        ticks.append(Step(Op(f"layer{layer}.op", VOCABULARY)))
        candidates = tuple(layer_name(index) for index in range(-1, layer - 1))
        question = Skips(f"layer{layer}.skips", candidates) if candidates else None
        ticks.append(Step(question, remember=layer_name(layer)))
    return tuple(ticks)
