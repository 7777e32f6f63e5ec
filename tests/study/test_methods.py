"""What plain random search may spend, and how it chooses."""

import pytest

from enas.architecture import Architecture
from enas.sources import draw_uniformly
from enas.spaces import load
from enas.spaces.macro.steps import OPERATIONS
from enas.study.methods import choose_randomly

MACRO = load("macro")
SIZE = {"layers": 1}


class Fixed:
    """Every training takes ten seconds; validation prefers what the truth does not."""

    space = MACRO

    def name(self, architecture: Architecture) -> str:
        return architecture.to_json()

    def value(self, architecture: Architecture) -> float:
        return float(OPERATIONS.index(str(architecture.choices["layer0.op"])))

    def validation(self, architecture: Architecture) -> float:
        return -self.value(architecture)

    def seconds(self, architecture: Architecture) -> float:
        return 10.0

    def mean_seconds(self) -> float:
        return 10.0


@pytest.mark.parametrize(("budget", "trainings"), [(0.0, 1), (9.0, 1), (20.0, 2), (39.0, 3), (200.0, 20)])
def test_plain_random_search_spends_the_seconds_of_a_search_and_chooses_by_validation(
    budget: float, trainings: int
) -> None:
    choice = choose_randomly(MACRO, SIZE, 4, Fixed(), trainings=None, seconds=budget)
    assert choice.scored == trainings
    assert choice.seconds == 10.0 * trainings
    drawn = draw_uniformly(MACRO, SIZE, trainings, seed=4)
    assert choice.value == min(Fixed().value(architecture) for architecture in drawn)
    asked = choose_randomly(MACRO, SIZE, 4, Fixed(), trainings=3, seconds=0.0)
    assert asked.scored == 3
