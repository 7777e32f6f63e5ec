"""What an architecture is worth with the shared weights: its accuracy on validation examples."""

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Int
from torch import Tensor, nn

from enas.architecture import Architecture, decode
from enas.decisions import Skips as SkipsDecision
from enas.decisions import Step, columns, decisions
from enas.tasks.images import Batch, ImageTask


@torch.no_grad()
def score(supernet: nn.Module, architecture: Architecture, batches: Iterable[Batch], task: ImageTask) -> float:
    """Accuracy in [0, 1] of one architecture; the supernet must be in evaluation mode."""
    right, seen = 0, 0
    for batch in batches:
        right += int(task.correct(supernet(batch.inputs, architecture), batch))
        seen += len(batch.labels)
    return right / seen


class Decoder:
    """Turns rows of codes into architectures of one space and size."""

    def __init__(self, space: str, steps: Sequence[Step], size: dict[str, int]) -> None:
        self.space, self.steps, self.size = space, tuple(steps), size
        self._skip_columns: list[int] = []
        at = 0
        for decision in decisions(steps):
            if isinstance(decision, SkipsDecision):
                self._skip_columns.extend(range(at, at + columns(decision)))
            at += columns(decision)

    def __call__(self, codes: Int[Tensor, " L"]) -> Architecture:
        """The architecture that a row of codes stands for."""
        return decode(codes.tolist(), self.steps, space=self.space, size=self.size)

    def skip_rate(self, codes: Int[Tensor, "n L"]) -> float | None:
        """Share of possible skips that are chosen; None where the space has no skips."""
        return codes[:, self._skip_columns].double().mean().item() if self._skip_columns else None
