"""Deriving on a problem whose scores are known: the share of "good" answers decides how many images are told right."""

import json
import math
import statistics
from collections import Counter
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from enas.architecture import Architecture
from enas.config import AugmentConfig, ControllerConfig, SearchConfig
from enas.controller import Controller
from enas.data.images import ImageData, ImageSplit
from enas.decisions import Op, Step, Vocabulary
from enas.ranking import spearman
from enas.search.derive import Derivation, derive, scored_batches, stage_bounds
from enas.search.scoring import Decoder
from enas.tasks.images import ImageTask

QUESTIONS = ("a", "b", "c")
SIZE = {"questions": 3}


def steps(bias: tuple[float, float] | None = None) -> tuple[Step, ...]:
    """Three questions; a bias of (50, -50) makes the policy always say "bad"."""
    return tuple(Step(Op(name, Vocabulary(("bad", "good")), bias)) for name in QUESTIONS)


class Known(nn.Module):
    """Right about an image when its brightness, in quarters, is below the number of good answers plus one."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.calls: list[tuple[str, list[float]]] = []
        self.modes: set[tuple[bool, bool]] = set()

    def forward(self, inputs: Tensor, architecture: Architecture) -> Tensor:
        level = inputs.mean(dim=(1, 2, 3))
        self.calls.append((architecture.to_json(), level.tolist()))
        self.modes.add((self.training, torch.is_grad_enabled()))
        right = level < good(architecture) + 0.5
        return self.weight * torch.stack([right.float(), 1 - right.float()], dim=1)


def good(architecture: Architecture) -> int:
    return list(architecture.choices.values()).count("good")


def truth(architecture: Architecture, examples: int = 8) -> float:
    """Of 8 images two have each of the levels 0, 1, 2 and 3; all are of class 0."""
    return 2 * (good(architecture) + 1) / examples


def make_task() -> ImageTask:
    levels = torch.tensor([0, 1, 2, 3] * 2, dtype=torch.uint8)
    split = ImageSplit(levels[:, None, None, None].expand(-1, 2, 2, 1).contiguous(), torch.zeros(8, dtype=torch.long))
    data = ImageData("levels", ("x", "y"), split, split, None, (0.0,), (1 / 255,), ())
    return ImageTask(data, AugmentConfig(), torch.device("cpu"))


def run(
    config: SearchConfig, *, bias: tuple[float, float] | None = None, seed: int = 0, supernet: Known | None = None
) -> tuple[Derivation, int]:
    """The derivation, and how often progress was told."""
    torch.manual_seed(0)
    asked = steps(bias)
    told: list[int] = []
    found = derive(
        Controller(asked, ControllerConfig(hidden=8)),
        supernet or Known(),
        make_task(),
        Decoder("toy", asked, SIZE),
        config,
        generator=torch.Generator().manual_seed(seed),
        advance=lambda: told.append(1),
    )
    return found, len(told)


CONFIG = SearchConfig(derive_samples=12, reward_batch_size=3)


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
