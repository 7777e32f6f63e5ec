from dataclasses import replace

import pytest

from enas.config import TrainConfig
from enas.errors import UsageError
from enas.schedules import cosine_with_restarts, exponential, learning_rate, unfinished
from enas.spaces import load, names


def rate(epoch: float) -> float:
    return cosine_with_restarts(epoch, high=0.05, low=0.0005, first=10, growth=2)


@pytest.mark.parametrize("epoch", [0.0, 10.0, 30.0, 70.0, 150.0])
def test_published_restarts(epoch: float) -> None:
    assert rate(epoch) == pytest.approx(0.05)


def test_half_way_is_the_middle_and_the_end_is_low() -> None:
    assert rate(5.0) == pytest.approx((0.05 + 0.0005) / 2)
    assert rate(20.0) == pytest.approx((0.05 + 0.0005) / 2)
    assert rate(309.999) == pytest.approx(0.0005, abs=1e-8)
    assert all(rate(float(e)) > rate(e + 1.0) for e in range(30, 69))


def test_a_cycle_without_epochs_is_refused() -> None:
    with pytest.raises(UsageError, match="at least one epoch"):
        cosine_with_restarts(0.0, high=1.0, low=0.0, first=0, growth=2)


def test_the_exponential_rate_waits_then_falls_by_a_factor_for_each_epoch_down_to_its_floor() -> None:
    rates = [exponential(epoch, high=20.0, low=1.0, factor=0.5, start=2) for epoch in (0.0, 2.0, 3.0, 3.5, 5.0, 100.0)]
    assert rates == pytest.approx([20.0, 20.0, 10.0, 10.0 * 0.5**0.5, 2.5, 1.0])


def test_the_configuration_chooses_the_schedule() -> None:
    config = TrainConfig(lr_max=2.0, lr_min=0.0, lr_first_cycle=4, lr_decay=0.9, lr_decay_start=1)
    assert learning_rate(2.0, config) == cosine_with_restarts(2.0, high=2.0, low=0.0, first=4, growth=2)
    assert learning_rate(2.0, replace(config, lr_schedule="exponential")) == pytest.approx(1.8)


@pytest.mark.parametrize("growth", [1, 2])
def test_a_run_that_ends_long_before_its_cycle_gets_a_note(growth: int) -> None:
    config = TrainConfig(lr_max=0.1, lr_min=0.0, lr_first_cycle=15, lr_cycle_growth=growth)
    ends = "note: the learning rate ends at 0.096 (a cycle of 15 epochs, a run of 2)"
    assert unfinished(config, 2) == f"{ends}: --lr-first-cycle 2 lets it fall to the end"
    assert unfinished(config, 15) is None
    assert unfinished(config, 14) is None, "near enough"
    later = unfinished(config, 16)
    assert later is not None
    assert f"(a cycle of {15 * growth} epochs that begins after 15, a run of 16)" in later
    assert unfinished(config, 15 * (1 + growth)) is None
    assert unfinished(replace(config, lr_schedule="exponential"), 2) is None


def test_no_preset_ends_in_an_unfinished_cycle() -> None:
    for name in names():
        for preset in load(name).presets.values():
            assert unfinished(preset.search, preset.search.epochs) is None
            assert unfinished(preset.train, preset.train.epochs) is None
