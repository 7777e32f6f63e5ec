"""Automatic mixed precision: networks that compute in bfloat16 where that is safe, with weights and gradients in float32."""

from typing import Any, cast

import torch

from enas.config import Precision
from enas.errors import UsageError
from enas.tasks.task import Batch, Model, Outcome, Task
from enas.tasks.text import TextTask


class MixedTask:
    """A task whose networks compute in bfloat16, by PyTorch's automatic mixed precision; in all else the task itself."""

    def __init__(self, task: Task, device: torch.device) -> None:
        self.plain, self._kind = task, device.type

    def __getattr__(self, name: str) -> Any:
        """What the task has."""
        return getattr(self.plain, name)

    def step(self, model: Model, batch: Batch, carried: Any) -> Outcome:
        """The step of the task; the loss is in float32."""
        with torch.autocast(self._kind, torch.bfloat16):
            return self.plain.step(model, batch, carried)


def in_precision(task: Task, precision: Precision, device: torch.device) -> Task:
    """The task as it is, or one whose networks compute in mixed precision.

    Raises:
        UsageError: its networks cannot.
    """
    if precision == "float32":
        return task
    if isinstance(task, TextTask):
        raise UsageError(f"--precision {precision} is for networks of images: language models compute in float32 here")
    return cast(Task, MixedTask(task, device))  # what it lacks it asks of the task
