"""ReLU of maps that several operations read, where the package's kernels do not rectify what they read."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Map = Float[Tensor, "B C H W"]


class RectifyOnce:
    """ReLU of the newest maps, each computed once however many operations read it."""

    def __init__(self, kept: int) -> None:
        """Begin a forward pass; `kept` maps are remembered."""
        self._kept, self._known = kept, list[tuple[Tensor, Tensor]]()

    def __call__(self, x: Map) -> Map:
        """The rectified map."""
        for known, rectified in self._known:
            if known is x:
                return rectified
        self._known = [*self._known[1 - self._kept :], (x, F.relu(x))]
        return self._known[-1][1]
