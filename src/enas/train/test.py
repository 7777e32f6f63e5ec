"""Scoring a trained network on a part of the data."""

import torch
from torch import nn

from enas.tasks.images import ImageTask, Part


@torch.no_grad()
def test(network: nn.Module, task: ImageTask, part: Part, batch_size: int) -> dict[str, int | float]:
    """Loss in nats and accuracy in [0, 1] over a whole part of the data.

    Raises:
        DataError: the data has no such part.
    """
    network.eval()
    loss, right, seen = 0.0, 0, 0
    for batch in task.scoring_batches(part, batch_size):
        logits = network(batch.inputs)
        loss += task.loss(logits, batch).item() * len(batch.labels)
        right += int(task.correct(logits, batch))
        seen += len(batch.labels)
    return {f"{part}/loss": loss / seen, f"{part}/accuracy": right / seen}
