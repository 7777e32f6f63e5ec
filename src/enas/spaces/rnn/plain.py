"""The recurrent cell in plain operations, for export: the same numbers as `cell.run_cell` but for rounding, more slowly.

Letters of shapes: T places, B texts, H width.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from enas.spaces.rnn.wiring import Cell

ACTIVATE: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "identity": lambda x: x,
}


def run_plainly(
    cell: Cell,
    projected: Float[Tensor, "T B twoH"],
    hidden: Float[Tensor, "B H"],
    weights: Sequence[Float[Tensor, "H twoH"]],
    *,
    longest: float | None,
) -> Float[Tensor, "T B H"]:
    """The outputs of a cell at all places, without dropout; arguments as those of `cell.run_cell`."""
    outputs, before = [], hidden
    for word in projected.unbind(0):
        states: list[Tensor] = []
        for node, source in enumerate(cell.sources):
            read = before if source < 0 else states[source]
            product = read @ weights[node] + (word if source < 0 else 0.0)
            value, gate = product.chunk(2, dim=1)
            states.append(torch.lerp(read, ACTIVATE[cell.operations[node]](value), gate.sigmoid()))
        before = torch.stack([states[node] for node in cell.averaged]).mean(0)
        if longest is not None:
            before = before * (longest / torch.linalg.vector_norm(before, dim=1, keepdim=True)).clamp(max=1.0)
        outputs.append(before)
    return torch.stack(outputs)
