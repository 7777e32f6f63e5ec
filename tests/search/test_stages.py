"""Deriving in stages: who goes on, what it costs, and whether two halves of the batches agree."""

import statistics
from collections import Counter
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from enas.architecture import Architecture
from enas.config import SearchConfig
from enas.ranking import spearman
from enas.search.derive import scored_batches, stage_bounds

from .known import CONFIG, Known, good, run, truth


@pytest.mark.parametrize(
    ("batches", "stages", "bounds"),
    [
        (27, 1, [27]),
        (27, 3, [3, 9, 27]),
        (10, 3, [2, 4, 10]),
        (4, 3, [2, 4]),  # the first two would both see two batches
        (2, 5, [2]),
        (1, 2, [1]),
    ],
)
def test_each_stage_sees_three_times_the_batches_of_the_one_before(
    batches: int, stages: int, bounds: list[int]
) -> None:
    assert stage_bounds(batches, stages) == bounds


def test_the_cost_of_stages_by_hand() -> None:
    assert scored_batches(30, 27, 1) == 30 * 27
    assert scored_batches(30, 27, 3) == 30 * 3 + 10 * 6 + 4 * 18
    assert scored_batches(1, 27, 3) == 27


STAGED = SearchConfig(derive_samples=60, derive_stages=2, reward_batch_size=1)
"""Eight batches of one image: all architectures see three of them, a third of each origin's all eight."""


def test_only_the_best_third_goes_on_and_no_batch_is_scored_twice() -> None:
    supernet = Known()
    found, told = run(STAGED, supernet=supernet)
    assert told == 120
    calls = Counter(name for name, _ in supernet.calls)
    for candidate in found.candidates:
        assert calls[candidate.architecture.to_json()] == candidate.examples
    assert set(calls.values()) == {3, 8}
    assert len(calls) == 8, "all eight architectures are drawn by both"
    whole = {name for name, count in calls.items() if count == 8}
    assert 3 <= len(whole) <= 6, "three of each origin, which may be the same"
    seen = {name: [levels for other, levels in supernet.calls if other == name] for name in calls}
    longest = max(seen.values(), key=len)
    assert all(levels == longest[: len(levels)] for levels in seen.values())


def test_finalists_stand_first_and_the_figures_of_chance_are_those_of_the_first_stage() -> None:
    found, _ = run(STAGED)
    examples = [candidate.examples for candidate in found.candidates]
    assert examples == sorted(examples, reverse=True)
    assert found.examples == 3
    assert found.best.examples == 8
    assert good(found.best.architecture) == 3
    assert found.best.score == truth(found.best.architecture) == 1.0
    for count in (3, 8):
        scores = [candidate.score for candidate in found.candidates if candidate.examples == count]
        assert scores == sorted(scores, reverse=True)
    plain, _ = run(replace(STAGED, derive_stages=1, derive_examples=3))
    assert (plain.searched_mean, plain.random_mean, plain.standard_error) == pytest.approx(
        (found.searched_mean, found.random_mean, found.standard_error)
    )
    assert plain.agreement == found.agreement


def test_halves_that_know_the_truth_agree_and_a_single_batch_has_no_halves() -> None:
    found, _ = run(replace(STAGED, derive_stages=1))
    seen = [levels[0] for name, levels in _calls(replace(STAGED, derive_stages=1))]
    halves = [[sum(level < n + 0.5 for level in seen[start::2]) for n in range(4)] for start in (0, 1)]
    architectures = {candidate.architecture.to_json(): good(candidate.architecture) for candidate in found.candidates}
    expected = spearman(*([float(half[n]) for n in architectures.values()] for half in halves))
    assert found.agreement == {"controller": pytest.approx(expected), "uniform": pytest.approx(expected)}
    single, _ = run(replace(CONFIG, reward_batch_size=8))
    assert single.agreement == {"controller": None, "uniform": None}


def _calls(config: SearchConfig) -> list[tuple[str, list[float]]]:
    """What the first architecture saw, batch by batch."""
    supernet = Known()
    run(config, supernet=supernet)
    return [call for call in supernet.calls if call[0] == supernet.calls[0][0]]


def test_scores_that_are_noise_do_not_agree() -> None:
    class Noise(Known):
        generator = torch.Generator().manual_seed(0)

        def forward(self, inputs: Tensor, architecture: Architecture) -> Tensor:
            return torch.randn(len(inputs), 2, generator=self.generator)

    values = []
    for seed in range(20):
        found, _ = run(replace(STAGED, derive_stages=1), supernet=Noise(), seed=seed)
        values.append(found.agreement["uniform"])
    known = [value for value in values if value is not None]
    assert len(known) > 15
    assert abs(statistics.fmean(known)) < 0.4
