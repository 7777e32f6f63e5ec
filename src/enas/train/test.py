"""Scoring a trained network on a part of the data."""

from collections.abc import Callable

import torch
from rich.console import Console
from torch import nn

from enas.progress import Progress
from enas.tasks.task import Part, Task, add_figures


@torch.no_grad()
def evaluate(
    network: nn.Module, task: Task, part: Part, batch_size: int, advance: Callable[[int], object] = lambda _: None
) -> dict[str, float]:
    """Loss in nats and the task's metric over a whole part of the data.

    Args:
        network: Put in evaluation mode.
        task: The data.
        part: Of the data.
        batch_size: Examples, or texts side by side, at once.
        advance: Called after each batch with its number of examples.

    Raises:
        DataError: the data has no such part.
    """
    network.eval()
    sums: dict[str, float] = {}
    carried = None
    for batch in task.scoring_batches(part, batch_size):
        outcome = task.step(network, batch, carried)
        add_figures(sums, outcome.figures)
        carried = outcome.carried
        advance(len(batch))
    return {f"{part}/{name}": value for name, value in task.metrics(sums).items()}


def final_test(network: nn.Module, task: Task, part: Part, console: Console) -> dict[str, float]:
    """`evaluate` in the way in which final figures are taken, with progress shown.

    Raises:
        DataError: the data has no such part.
    """
    with Progress(part, task.examples(part), console=console) as bar:
        return evaluate(network, task, part, task.final_size, bar.advance)
