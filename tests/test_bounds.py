"""Limits of settings."""

from dataclasses import dataclass

import pytest

from enas.bounds import Bounds, Count, Decay, Positive, Share, check
from enas.errors import UsageError


@dataclass(frozen=True)
class Oven:
    """Settings with limits of each kind."""

    trays_per_load: Count = 1
    heat: Positive | None = None
    door: Share = 1.0
    leak: Decay = 0.0
    name: str = ""


@pytest.mark.parametrize("good", [Oven(), Oven(7, 1e-9, 0.0, 0.99), Oven(door=1)])
def test_values_inside_are_accepted(good: Oven) -> None:
    check(good)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (Oven(trays_per_load=0), "--trays-per-load must be at least 1, got 0"),
        (Oven(heat=0.0), "--heat must be more than 0 or none, got 0.0"),
        (Oven(door=1.5), "--door must be at most 1, got 1.5"),
        (Oven(door=-0.5), "--door must be at least 0, got -0.5"),
        (Oven(leak=1.0), "--leak must be less than 1, got 1.0"),
    ],
)
def test_values_outside_are_refused_by_the_name_of_their_flag(bad: Oven, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        check(bad)
    assert str(caught.value) == message


def test_no_limit_on_a_side_accepts_all_there() -> None:
    assert Bounds().complaint(-1e9) is None
    assert Bounds(low=0).complaint(1e9) is None
    assert Bounds(high=0).complaint(-1e9) is None
