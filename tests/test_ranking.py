"""Rank correlations against their definitions, worked out pair by pair."""

import itertools
import math
import random
import statistics

import pytest

from enas.ranking import kendall, precision_at_top, spearman


def tau_b(a: list[float], b: list[float]) -> float:
    """Kendall 1945: concordant minus discordant pairs, over the geometric mean of the pairs that each side orders."""
    concordant = ordered_a = ordered_b = 0
    for (a1, b1), (a2, b2) in itertools.combinations(zip(a, b, strict=True), 2):
        left, right = (a1 > a2) - (a1 < a2), (b1 > b2) - (b1 < b2)
        concordant += left * right
        ordered_a += left * left
        ordered_b += right * right
    return concordant / math.sqrt(ordered_a * ordered_b)


def ranks(values: list[float]) -> list[float]:
    """Of equals, the mean of their places."""
    return [sum(other < value for other in values) + (values.count(value) + 1) / 2 for value in values]


@pytest.mark.parametrize("seed", range(5))
def test_correlations_agree_with_their_definitions_also_with_ties(seed: int) -> None:
    draw = random.Random(seed)
    a, b = ([float(draw.randrange(6)) for _ in range(15)] for _ in range(2))
    assert kendall(a, b) == pytest.approx(tau_b(a, b))
    assert spearman(a, b) == pytest.approx(statistics.correlation(ranks(a), ranks(b)))


def test_extremes_and_undefined_cases() -> None:
    up, down = [1.0, 2.0, 3.0], [9.0, 4.0, 1.0]
    assert kendall(up, [2.0, 4.0, 100.0]) == pytest.approx(1.0)
    assert kendall(up, down) == spearman(up, down) == pytest.approx(-1.0)
    for nothing in (([1.0, 2.0], [1.0, 2.0]), (up, [5.0, 5.0, 5.0]), ([], [])):
        assert math.isnan(kendall(*nothing))
        assert math.isnan(spearman(*nothing))


def test_precision_at_top_by_hand() -> None:
    truth = [10.0, 9.0, 8.0, 7.0]
    assert precision_at_top([4.0, 3.0, 2.0, 1.0], truth, 2) == 1.0
    assert precision_at_top([1.0, 2.0, 3.0, 4.0], truth, 2) == 0.0
    assert precision_at_top([4.0, 1.0, 3.0, 2.0], truth, 2) == 0.5
    assert precision_at_top([4.0, 1.0, 3.0, 2.0], truth, 4) == 1.0


def test_ties_count_by_the_mean_over_all_orders_of_the_list() -> None:
    scores, truth = [3.0, 2.0, 2.0, 2.0, 1.0], [1.0, 5.0, 4.0, 4.0, 2.0]
    shares = []
    for order in itertools.permutations(range(5)):
        for other in itertools.permutations(range(5)):
            best = sorted(order, key=lambda i: -scores[i])[:2]
            true = sorted(other, key=lambda i: -truth[i])[:2]
            shares.append(len(set(best) & set(true)) / 2)
    assert precision_at_top(scores, truth, 2) == pytest.approx(statistics.fmean(shares))


@pytest.mark.parametrize("k", [0, 4])
def test_precision_needs_a_possible_number(k: int) -> None:
    with pytest.raises(ValueError, match="k must be between 1 and 3"):
        precision_at_top([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], k)
