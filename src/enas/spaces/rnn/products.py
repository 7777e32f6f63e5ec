"""What recurrent nodes multiply: the states of a batch with the weights of a group of nodes, the same weights at every place.

With the package's kernels (`native`) weights are laid out once a window for a product that reads them at the speed of
the memory; else they are PyTorch's own products. Results differ by rounding.

Letters of shapes: B texts, k nodes of the group, H width.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from enas.nn.native import serves
from enas.spaces.rnn import native


class Products:
    """Products of states with the weights of nodes that have one predecessor."""

    def __init__(self, weights: Sequence[Float[Tensor, "H twoH"]], *, turned: bool = False) -> None:
        """Prepare the weights.

        Args:
            weights: Of each node, [a, g] side by side.
            turned: Whether gradients of what `weights` made are multiplied: with the transpose.
        """
        halves = [weight.chunk(2, dim=1) for weight in weights]
        sides = [half[side] for side in (0, 1) for half in halves]
        self._panels: native.Panels | None = None
        self._joined: Tensor | None = None
        if serves(*weights) and all(weight.is_contiguous() for weight in weights):
            self._panels = native.lay_out(sides, turned=turned)
        else:
            joined = weights[0] if len(weights) == 1 else torch.cat(sides, dim=1)
            # A product with a turned copy costs a quarter less than one with the turned weights.
            self._joined = joined.t().contiguous() if turned else joined

    def run(self, x: Float[Tensor, "B C"], out: Float[Tensor, "B F"], plus: Float[Tensor, "B F"] | None = None) -> None:
        """Write [a of all nodes, g of all nodes] into `out`, or with `turned` the gradient of the state.

        Args:
            x: States, or with `turned` gradients of the products.
            out: Is written.
            plus: What is added; it may be `out`.
        """
        if self._panels is not None:
            native.multiply(x, self._panels, out, plus)
            return
        assert self._joined is not None
        if plus is out:
            out.addmm_(x, self._joined)
        elif plus is None:
            torch.mm(x, self._joined, out=out)
        else:
            torch.addmm(plus, x, self._joined, out=out)
