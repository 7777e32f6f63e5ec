"""What an architecture is worth with the shared weights: its metric (accuracy, perplexity) on validation examples."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from jaxtyping import Int
from torch import Tensor, nn

from enas.architecture import Architecture, decode
from enas.decisions import Skips as SkipsDecision
from enas.decisions import Step, columns, decisions
from enas.nn.once import Once
from enas.tasks.task import Batch, Model, Task, add_figures


def bind(supernet: nn.Module, architecture: Architecture) -> Model:
    """The supernet as the model of one architecture."""
    return lambda *inputs: supernet(*inputs, architecture)


def sharing(supernet: nn.Module) -> AbstractContextManager[None]:
    """Within this, architectures scored on one batch share what they have in common, where the space's supernet can.

    The weights must stay as they are. Neighbours in lexicographic order of their codes share most.
    """
    once = getattr(supernet, "once", None)
    return once.sharing() if isinstance(once, Once) else nullcontext()


@torch.no_grad()
def score(supernet: nn.Module, architecture: Architecture, batches: Iterable[Batch], task: Task) -> float:
    """The task's metric for one architecture; the supernet must be in evaluation mode."""
    sums: dict[str, float] = {}
    carried, model = None, bind(supernet, architecture)
    for batch in batches:
        outcome = task.step(model, batch, carried)
        add_figures(sums, outcome.figures)
        carried = outcome.carried
    return task.metrics(sums)[task.metric]


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
