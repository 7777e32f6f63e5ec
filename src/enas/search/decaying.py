"""SGD with Nesterov momentum of shared weights that all decay in every step, though an architecture uses few of them.

A step without gradient is the same for every weight, and the part of the gradient is added to it. So all weights and velocities
lie side by side in memory, where one pass serves thousands of tensors, and what the sampled ones need is added to theirs: the
numbers are those of `torch.optim.SGD` with a gradient of zeros for all others, but for rounding.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import Parameter


class DecayingSGD(torch.optim.SGD):
    """Weights without a gradient follow their momentum and decay, as if their gradient were zero."""

    def __init__(self, parameters: Sequence[Parameter], *, rate: float, momentum: float, weight_decay: float) -> None:
        """Lay the parameters side by side; they keep their numbers, and must stay where they are from now on.

        Args:
            parameters: Of one type, on one processor or GPU.
            rate: Learning rate.
            momentum: More than 0.
            weight_decay: Twice the factor of the sum of squares that is added to the loss.
        """
        options: dict[str, Any] = {"momentum": momentum, "nesterov": True, "weight_decay": weight_decay, "fused": True}
        super().__init__(parameters, rate, **options)
        self._parameters = list(parameters)
        self._weights = Parameter(torch.cat([_numbers(p) for p in self._parameters]))
        self._velocities = torch.zeros_like(self._weights.data)
        for parameter, place in zip(self._parameters, self._places(self._weights.data), strict=True):
            parameter.data = place
        self._hold_velocities()
        self._all = torch.optim.SGD([self._weights], rate, **options)
        self._all.state[self._weights]["momentum_buffer"] = self._velocities
        self._weights.grad = torch.zeros_like(self._velocities)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step of all weights.

        Raises:
            RuntimeError: the parameters were moved away, to another device for example.
        """
        assert closure is None
        storages = {x.untyped_storage().data_ptr() for x in (self._parameters[0], self._parameters[-1], self._weights)}
        if len(storages) > 1:
            raise RuntimeError("the parameters have moved since their optimiser was made")
        (group,) = self.param_groups
        for key in ("lr", "momentum", "weight_decay"):
            self._all.param_groups[0][key] = group[key]
        self._all.step()
        sampled: list[Tensor] = [parameter for parameter in self._parameters if parameter.grad is not None]
        if sampled:
            gradients = [cast(Tensor, parameter.grad) for parameter in sampled]
            torch._foreach_add_([self.state[p]["momentum_buffer"] for p in sampled], gradients)
            torch._foreach_add_(sampled, gradients, alpha=-group["lr"] * (1 + group["momentum"]))

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the velocities of a checkpoint."""
        super().load_state_dict(state_dict)
        for parameter, place in zip(self._parameters, self._places(self._velocities), strict=True):
            place.copy_(self.state[parameter]["momentum_buffer"])
        self._hold_velocities()

    def _hold_velocities(self) -> None:
        for parameter, place in zip(self._parameters, self._places(self._velocities), strict=True):
            self.state[parameter]["momentum_buffer"] = place

    def _places(self, flat: Tensor) -> list[Tensor]:
        """Each parameter's part of what lies side by side, in its own shape and layout."""
        pieces = flat.split([parameter.numel() for parameter in self._parameters])
        return [piece.as_strided(p.shape, p.stride()) for piece, p in zip(pieces, self._parameters, strict=True)]


def _numbers(parameter: Parameter) -> Tensor:
    """In the order in which they lie in memory, without gaps."""
    return parameter.data.as_strided((parameter.numel(),), (1,))


def lie_together(parameters: Sequence[Parameter]) -> bool:
    """Whether parameters can be laid side by side: of one type, on one processor or GPU, each without gaps."""
    kinds = {(p.dtype, p.device) for p in parameters}
    dense = all(p.is_contiguous() or p.is_contiguous(memory_format=torch.channels_last) for p in parameters)
    return dense and len(kinds) == 1 and next(iter(kinds))[1].type in ("cpu", "cuda")
