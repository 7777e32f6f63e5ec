"""How others write a recurrent cell: the authors' numbers, of which there are two kinds, and `dag.json` (`dag.py`).

First code: the activation of node 0, then predecessor and activation of each further node (an odd count). Corrected language
model: the same without node 0, which is tanh (an even count); it swaps the numbers of the last two activations.
"""

from enas.architecture import Architecture, decode, encode
from enas.errors import ArchitectureError
from enas.notation import Notation, are_numbers, read_numbers, write_numbers
from enas.spaces.rnn.dag import is_dag, read_dag, write_dag
from enas.spaces.rnn.steps import is_lstm, steps

_SWAPPED = (0, 1, 3, 2)
"""Our number of an activation <-> that of the corrected language model: tanh, ReLU, sigmoid, identity."""


def read_arc(text: str, where: str = "arc") -> Architecture:
    """The cell that the authors' numbers describe; an odd count is of the first code, an even one of the corrected model.

    Raises:
        ArchitectureError: there are too few numbers, or one of them is out of range.
    """
    codes = read_numbers(text, where)
    corrected = len(codes) % 2 == 0
    size = {"nodes": len(codes) // 2 + 1, "tanh_first": int(corrected)}
    try:
        return decode(_swap(codes) if corrected else codes, steps(size), space="rnn", size=size)
    except ArchitectureError as error:
        raise ArchitectureError(f"{where}: {error}") from error


def write_arc(architecture: Architecture) -> str:
    """The authors' numbers on one line, in the kind that the cell's size says.

    Raises:
        ArchitectureError: it is the LSTM.
    """
    if is_lstm(architecture.size):
        raise ArchitectureError("the authors' numbers can say a cell of the space rnn only, not the LSTM")
    codes = list(encode(architecture, steps(architecture.size)))
    return write_numbers([_swap(codes) if architecture.size["tanh_first"] else codes])


def _swap(codes: list[int]) -> list[int]:
    """Predecessors stay, activations (every second number) change between the two numberings."""
    return [_SWAPPED[code] if at % 2 and code < len(_SWAPPED) else code for at, code in enumerate(codes)]


NOTATIONS = (
    Notation("dag", "dag.json of ENAS-pytorch", is_dag, read_dag, write_dag),
    Notation("arc", "numbers of the authors' scripts, as in '0 0 0 1 1'", are_numbers, read_arc, write_arc),
)
