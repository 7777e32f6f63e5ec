"""Deriving on a problem whose scores are known: what is sampled, scored, ranked and chosen."""

import json
import math
import statistics
from collections import Counter
from dataclasses import replace

import pytest

from enas.config import SearchConfig

from .known import CONFIG, QUESTIONS, Known, good, run, truth


def test_each_candidate_has_the_accuracy_that_is_known() -> None:
    found, told = run(CONFIG)
    assert found.examples == 8
    assert told == len(found.candidates) == 24
    assert {candidate.score for candidate in found.candidates} > {0.5, 0.75}
    for candidate in found.candidates:
        assert candidate.score == pytest.approx(truth(candidate.architecture))


def test_candidates_are_ranked_and_of_equals_those_of_the_controller_come_first() -> None:
    found, _ = run(CONFIG)
    scores = [candidate.score for candidate in found.candidates]
    assert scores == sorted(scores, reverse=True)
    for value in set(scores):
        origins = [candidate.origin for candidate in found.candidates if candidate.score == value]
        assert origins == sorted(origins)  # "controller" before "uniform"
    assert Counter(candidate.origin for candidate in found.candidates) == {"controller": 12, "uniform": 12}


@pytest.mark.parametrize("samples", [2, 12])
def test_means_difference_and_standard_error_have_their_closed_forms(samples: int) -> None:
    found, _ = run(SearchConfig(derive_samples=samples))
    searched, random = (
        [candidate.score for candidate in found.candidates if candidate.origin == origin]
        for origin in ("controller", "uniform")
    )
    assert found.searched_mean == pytest.approx(statistics.fmean(searched))
    assert found.random_mean == pytest.approx(statistics.fmean(random))
    assert found.difference == pytest.approx(statistics.fmean(searched) - statistics.fmean(random))
    error = math.sqrt(statistics.variance(searched) / samples + statistics.variance(random) / samples)
    assert found.standard_error == pytest.approx(error)
    assert found.standard_error > 0


def test_the_best_is_of_the_controller_even_when_chance_found_a_better_one() -> None:
    found, _ = run(CONFIG, bias=(50.0, -50.0))
    assert found.candidates[0].origin == "uniform"
    assert found.candidates[0].score > 0.25
    assert found.best.origin == "controller"
    assert found.best.score == 0.25
    assert found.best.architecture.choices == dict.fromkeys(QUESTIONS, "bad")
    assert found.searched_mean == 0.25
    assert found.difference < 0


def test_the_best_is_the_best_of_the_controller() -> None:
    found, _ = run(CONFIG)
    scores = [candidate.score for candidate in found.candidates if candidate.origin == "controller"]
    assert found.best.score == max(scores) > min(scores)


def test_the_random_baseline_is_uniform_whatever_the_controller_prefers() -> None:
    found, _ = run(SearchConfig(derive_samples=400), bias=(50.0, -50.0))
    drawn = Counter(
        tuple(candidate.architecture.choices.values())
        for candidate in found.candidates
        if candidate.origin == "uniform"
    )
    assert len(drawn) == 8
    assert all(count == pytest.approx(50, abs=27) for count in drawn.values())  # four standard deviations


def test_equal_architectures_are_scored_once_and_all_on_the_same_examples() -> None:
    supernet = Known()
    found, _ = run(CONFIG, supernet=supernet)
    distinct = {candidate.architecture.to_json() for candidate in found.candidates}
    assert 1 < len(distinct) < 24
    assert Counter(name for name, _ in supernet.calls) == dict.fromkeys(distinct, 3)  # batches of 3, 3 and 2
    seen = {name: [levels for other, levels in supernet.calls if other == name] for name in distinct}
    assert len({str(batches) for batches in seen.values()}) == 1


def test_scores_are_taken_in_evaluation_mode_without_gradients() -> None:
    supernet = Known().train()
    run(CONFIG, supernet=supernet)
    assert supernet.modes == {(False, False)}


def test_fewer_examples_are_used_when_asked_for() -> None:
    supernet = Known()
    found, _ = run(SearchConfig(derive_samples=3, derive_examples=5, reward_batch_size=4), supernet=supernet)
    assert found.examples == 5
    levels = [level for _, batch in supernet.calls[:2] for level in batch]
    assert len(levels) == 5
    for candidate in found.candidates:
        right = sum(level < good(candidate.architecture) + 0.5 for level in levels)
        assert candidate.score == pytest.approx(right / 5)


def test_the_generator_alone_decides_what_is_drawn() -> None:
    assert run(CONFIG)[0] == run(CONFIG)[0]
    assert run(CONFIG)[0] != run(CONFIG, seed=1)[0]


def test_json_lists_all_that_is_known_of_each_candidate() -> None:
    found, _ = run(CONFIG)
    data = json.loads(json.dumps(found.to_json()))
    assert data.keys() == {
        "examples", "searched_mean", "random_mean", "difference", "standard_error", "agreement", "candidates",
    }  # fmt: skip
    assert data["difference"] == found.difference
    assert [item["rank"] for item in data["candidates"]] == list(range(1, 25))
    for item, candidate in zip(data["candidates"], found.candidates, strict=True):
        assert item["origin"] == candidate.origin
        assert item["score"] == candidate.score
        assert item["examples"] == candidate.examples == 8
        assert item["choices"] == dict(candidate.architecture.choices)


def test_random_search_draws_uniform_architectures_only_and_takes_the_best() -> None:
    supernet = Known()
    found, told = run(replace(CONFIG, derive_from="uniform", controller_steps=0), supernet=supernet)
    assert told == 12
    assert {candidate.origin for candidate in found.candidates} == {"uniform"}
    assert found.best == found.candidates[0]
    assert found.searched_mean is None
    assert found.difference is None
    assert found.random_mean == pytest.approx(statistics.fmean(candidate.score for candidate in found.candidates))
    data = json.loads(json.dumps(found.to_json()))
    assert data["searched_mean"] is data["difference"] is data["standard_error"] is None
