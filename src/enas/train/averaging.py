"""Averaged SGD with the non-monotone trigger (Merity, Keskar and Socher 2018, algorithm 1)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


def is_triggered(scores: Sequence[float], patience: int) -> bool:
    """Whether the last of all validation scores (more is better) is worse than the best of those that are older by more than
    `patience` validations.
    """  # noqa: D205  # one sentence
    older = scores[: len(scores) - 1 - patience]
    return bool(older) and scores[-1] < max(older)


class WeightAverage:
    """Mean of a network's weights over all steps since `start`; before that it is off."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.steps = 0
        """Steps in the mean."""
        self.mean: dict[str, Tensor] | None = None
        """By name; None: the average is off."""

    def start(self) -> None:
        """Begin with the weights after the next step."""
        self.steps, self.mean = 0, {name: torch.zeros_like(p) for name, p in self.network.named_parameters()}

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights as they are after a step."""
        if self.mean is None:
            return
        self.steps += 1
        for name, parameter in self.network.named_parameters():
            self.mean[name].lerp_(parameter, 1 / self.steps)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the network have the mean weights while the block runs, if there are any."""
        if self.mean is None or self.steps == 0:
            yield
            return
        parameters = dict(self.network.named_parameters())
        own = {name: parameter.data for name, parameter in parameters.items()}
        for name, parameter in parameters.items():
            parameter.data = self.mean[name]
        try:
            yield
        finally:
            for name, parameter in parameters.items():
                parameter.data = own[name]

    def state_dict(self) -> dict[str, Any]:
        """Plain types and tensors for a checkpoint."""
        return {"steps": self.steps, "mean": self.mean}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up what `state_dict` gave."""
        mean = state["mean"]
        device = next(self.network.parameters()).device
        self.mean = None if mean is None else {name: value.to(device) for name, value in mean.items()}
        self.steps = state["steps"]
