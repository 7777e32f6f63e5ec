"""Averaged weights, and when averaging begins."""

import pytest
import torch
from torch import nn

from enas.train.averaging import WeightAverage, is_triggered


@pytest.mark.parametrize(
    ("scores", "patience", "expected"),
    [
        ([-9.0], 0, False),
        ([-9.0, -8.0], 0, False),
        ([-9.0, -8.0, -8.5], 0, True),
        ([-9.0, -8.0, -8.5], 1, False),
        ([-8.0, -9.0, -8.5], 1, True),
        ([-8.0, -7.0, -7.5, -7.2], 2, False),
        ([-7.0, -8.0, -7.5, -7.2], 2, True),
        ([-7.0, -7.0, -7.0, -7.0], 2, False),
        ([], 1, False),
    ],
)
def test_the_trigger_compares_with_the_best_of_those_long_ago(
    scores: list[float], patience: int, expected: bool
) -> None:
    assert is_triggered(scores, patience) is expected


def test_the_mean_of_all_steps_since_the_start_and_the_own_weights_afterwards() -> None:
    layer = nn.Linear(1, 1, bias=False)
    average = WeightAverage(layer)
    average.update()
    with average.in_place():
        pass
    assert average.steps == 0
    average.start()
    with average.in_place():
        assert layer.weight.item() != 0
    for value in (1.0, 2.0, 6.0):
        nn.init.constant_(layer.weight, value)
        average.update()
    with average.in_place():
        assert layer.weight.item() == pytest.approx(3.0)
    assert layer.weight.item() == 6.0
    other = WeightAverage(layer)
    other.load_state_dict(average.state_dict())
    nn.init.constant_(layer.weight, 7.0)
    other.update()
    with other.in_place():
        assert layer.weight.item() == pytest.approx(4.0)
    fresh = WeightAverage(layer)
    fresh.load_state_dict(WeightAverage(layer).state_dict())
    assert fresh.mean is None
    assert torch.equal(layer.weight, torch.tensor([[7.0]]))
