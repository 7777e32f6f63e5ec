"""Scoring a whole part of the data against hand numbers."""

import math

import pytest
import torch
from torch import Tensor, nn

from enas.config import AugmentConfig
from enas.data.images import ImageData, ImageSplit
from enas.errors import DataError
from enas.tasks.images import ImageTask
from enas.train.test import evaluate as score_part


class Brightness(nn.Module):
    """The log of the odds of class 1 is the brightness of the image; in training there would be dropout of everything."""

    def forward(self, inputs: Tensor) -> Tensor:
        value = nn.functional.dropout(inputs.mean(dim=(1, 2, 3)), 1.0, self.training)
        return torch.stack([torch.zeros_like(value), value], dim=1)


def make_task() -> ImageTask:
    levels = torch.tensor([0, 51, 102, 153, 255], dtype=torch.uint8)  # normalised: -1, -0.6, -0.2, 0.2, 1
    valid = ImageSplit(levels[:, None, None, None].expand(-1, 3, 3, 1).contiguous(), torch.tensor([0, 1, 0, 1, 1]))
    data = ImageData("levels", ("no", "yes"), valid, valid, None, (0.5,), (0.5,), ())
    return ImageTask(data, AugmentConfig(), torch.device("cpu"))


@pytest.mark.parametrize("batch_size", [1, 2, 5, 100])
def test_figures_are_means_over_examples_whatever_the_batches(batch_size: int) -> None:
    network = Brightness().train()
    found = score_part(network, make_task(), "valid", batch_size)
    margins = [1.0, -0.6, 0.2, 0.2, 1.0]  # by which the right class leads
    loss = sum(math.log1p(math.exp(-margin)) for margin in margins) / 5
    assert found == pytest.approx({"valid/loss": loss, "valid/accuracy": 4 / 5}, rel=1e-5)


def test_progress_is_told_in_examples() -> None:
    told: list[int] = []
    score_part(Brightness(), make_task(), "valid", 2, told.append)
    assert told == [2, 2, 1]


def test_a_part_that_is_not_there_is_refused() -> None:
    with pytest.raises(DataError, match="levels has no test images"):
        score_part(Brightness(), make_task(), "test", 10)
