"""Scoring a trained network on a part of the data."""

import torch
from torch import nn

from enas.tasks.task import Part, Task, add_figures


@torch.no_grad()
def test(network: nn.Module, task: Task, part: Part, batch_size: int) -> dict[str, float]:
    """Loss in nats and the task's metric over a whole part of the data.

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
    return {f"{part}/{name}": value for name, value in task.metrics(sums).items()}
