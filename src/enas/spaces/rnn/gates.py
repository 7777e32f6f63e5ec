"""What a group of nodes does with its products at one place, and the gradient of that, in place.

By one of the package's kernels where it can be had (`native`), else in PyTorch's own operations: more of them, and
slower where states are small (`docs/performance.md`). Results differ by rounding.

Letters of shapes: B texts, k nodes of the group, H width.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from enas.nn.native import serves
from enas.spaces.rnn import native

Products = Float[Tensor, "B 2 k H"]
"""[a, g] of each node, then [f(a), sigmoid(g)]."""
Run = tuple[str, int, int]
"""An activation, and its first and last node + 1."""
Slope = Callable[[Tensor, Tensor, Tensor], Any]
_ACTIVATE: dict[str, Callable[[Tensor], Any]] = {
    "tanh": Tensor.tanh_,
    "relu": Tensor.relu_,
    "sigmoid": Tensor.sigmoid_,
    "identity": lambda x: x,
}
"""In place."""


def _slope_of(kernel: Callable[..., Any], *extra: float) -> Slope:
    return lambda above, value, out: kernel(above, value, *extra, grad_input=out)


_ATEN = torch.ops.aten
_SLOPE: dict[str, Slope] = {
    "tanh": _slope_of(_ATEN.tanh_backward.grad_input),
    "relu": _slope_of(_ATEN.threshold_backward.grad_input, 0.0),
    "sigmoid": _slope_of(_ATEN.sigmoid_backward.grad_input),
    "identity": lambda above, value, out: out.copy_(above),
}
"""(gradient of the activation's value, the value, out): writes the gradient of what was activated."""


class Gates:
    """The gates and activations of a group of nodes with one predecessor."""

    def __init__(self, runs: Sequence[Run], like: Float[Tensor, "B H"]) -> None:
        """Choose the form.

        Args:
            runs: Which nodes have which activation.
            like: A state.
        """
        self._runs = runs
        names = [name for name, start, stop in runs for _ in range(start, stop)]
        self._native = serves(like)
        codes = [native.ACTIVATIONS.index(name) for name in names]
        self._codes = torch.tensor(codes, dtype=torch.int32, device=like.device)
        n = 0 if self._native else len(like)
        self._one, self._two = like.new_empty(2, n, len(names), like.shape[1])

    def run(self, products: Products, source: Float[Tensor, "B H"], states: Float[Tensor, "B k H"]) -> None:
        """Compute the states from the products, which become values and opened gates, and from the predecessor's state."""
        if self._native:
            native.gates(products, source, self._codes, states)
            return
        values, gates = products.unbind(1)
        for operation, start, stop in self._runs:
            _ACTIVATE[operation](values[:, start:stop])
        torch.lerp(source[:, None], values, gates.sigmoid_(), out=states)

    def run_back(
        self,
        gradients: Float[Tensor, "B k H"],
        products: Products,
        source: Float[Tensor, "B H"],
        slopes: Products,
        direct: Float[Tensor, "B H"],
        *,
        add: bool = False,
    ) -> None:
        """Write the gradients of the products into `slopes`, and what goes to the predecessor's state itself into `direct`.

        Args:
            gradients: Of the states.
            products: As `run` has left them.
            source: The predecessor's state.
            slopes: Are written.
            direct: Is written, or added to.
            add: Which of the two.
        """
        if self._native:
            native.gates_backward(gradients, products, source, self._codes, slopes, direct, add=add)
            return
        values, gates = products.unbind(1)
        one, two = self._one, self._two
        torch.sub(values, source[:, None], out=one).mul_(gradients)
        _SLOPE["sigmoid"](one, gates, slopes[:, 1])
        torch.mul(gradients, gates, out=two)
        for operation, start, stop in self._runs:
            piece = slice(start, stop)
            _SLOPE[operation](two[:, piece], values[:, piece], slopes[:, 0, piece])
        torch.sub(gradients, two, out=one)
        if add:
            direct.add_(one.sum(1))
        else:
            torch.sum(one, 1, out=direct)
