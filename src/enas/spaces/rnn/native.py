"""The package's kernels for recurrent cells: products with weights that are laid out for them, and gates.

They get bare addresses, so callers ask `enas.nn.native.serves` first (`docs/performance.md`).

Letters of shapes: B texts, k nodes, H width.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from enas.nn.native import call

VECTOR: Final = 16
"""Numbers in the widest vector of a processor."""
ACTIVATIONS: Final = ("tanh", "relu", "sigmoid", "identity")
"""Of recurrent nodes, as `kernels/gates.c` numbers them."""


class Panels(NamedTuple):
    """Matrices laid out for `multiply`."""

    numbers: Float[Tensor, " N"]
    depth: int
    """Rows of what they make together."""
    columns: int
    parts: int
    """Workers for which they are divided."""


def lay_out(matrices: Sequence[Float[Tensor, "R W"]], *, turned: bool) -> Panels:
    """Lay out matrices of one shape and stride, with contiguous rows: side by side, or turned and one above the other."""
    (rows, width), step, parts = matrices[0].shape, matrices[0].stride(0), torch.get_num_threads()
    depth, columns = (width * len(matrices), rows) if turned else (rows, width * len(matrices))
    numbers = matrices[0].new_empty(depth * -(-columns // VECTOR) * VECTOR)
    call("lay_out", matrices, len(matrices), rows, width, step, turned, parts, numbers)
    return Panels(numbers, depth, columns, parts)


def multiply(
    x: Float[Tensor, "B C"], panels: Panels, out: Float[Tensor, "B F"], plus: Float[Tensor, "B F"] | None
) -> None:
    """Write the product of x with a matrix into `out`, plus something, which may be `out`, or not; rows are contiguous."""
    step = 0 if plus is None else plus.stride(0)
    sizes = panels.depth, panels.columns, panels.parts
    call("multiply", x, x.stride(0), len(x), panels.numbers, *sizes, plus, step, out, out.stride(0))


def gates(products: Tensor, source: Tensor, activations: Tensor, states: Tensor) -> None:
    """Values, opened gates and states of a group of recurrent nodes at one place; see `enas.spaces.rnn.gates`.

    Args:
        products: [B, 2, k, H], contiguous; they become values and opened gates.
        source: [B, H], rows contiguous.
        activations: Of each node, its place in `ACTIVATIONS`; int32.
        states: [B, k, H], rows contiguous, are written.
    """
    texts, _, nodes, width = products.shape
    call("gates", products, source, source.stride(0), activations, texts, nodes, width, states, states.stride(0))


def gates_backward(
    gradients: Tensor,
    products: Tensor,
    source: Tensor,
    activations: Tensor,
    slopes: Tensor,
    direct: Tensor,
    *,
    add: bool,
) -> None:
    """Write the gradients of the products into `slopes`, and write or add those of the source itself into `direct`."""
    texts, _, nodes, width = products.shape
    call(
        "gates_backward", gradients, products, source, source.stride(0), activations, texts, nodes, width, slopes,
        direct, direct.stride(0), add,
    )  # fmt: skip
