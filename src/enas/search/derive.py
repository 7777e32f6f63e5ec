"""Deriving the final architecture, and measuring it against chance (Pham et al. 2018, section 2.2)."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise
from typing import Any, Final

import torch
from jaxtyping import Int
from torch import Tensor, nn

from enas.architecture import Architecture
from enas.config import SearchConfig
from enas.controller import Controller, sample_uniformly
from enas.ranking import spearman
from enas.search.scoring import Decoder, bind, sharing
from enas.tasks.task import Batch, Task, add_figures

KEEP: Final = 3
"""One in so many goes on to the next stage, for so many times more examples."""
Key = tuple[int, ...]


@dataclass(frozen=True)
class Candidate:
    """An architecture with its metric (accuracy, perplexity) under the shared weights."""

    origin: str
    """"controller" or "uniform"."""
    score: float
    architecture: Architecture
    examples: int
    """Validation examples on which it was scored."""


@dataclass(frozen=True)
class Derivation:
    """All candidates, the best first, and the comparison with chance."""

    candidates: tuple[Candidate, ...]
    """Those of later stages before those of earlier ones."""
    origin: str
    """Origin of those that may become the final architecture."""
    searched_mean: float | None
    """`Task.average` over the architectures that the controller sampled; None: it sampled none."""
    random_mean: float
    difference: float | None
    """Mean of sampled minus mean of uniformly drawn architectures."""
    standard_error: float
    """Of the difference, over the architectures drawn; nan for a single one."""
    examples: int
    """Validation examples on which all were scored, for these figures; with stages, those of the first."""
    agreement: dict[str, float | None]
    """For each origin, Spearman's rank correlation of the scores on two halves of these examples (every other batch), over its
    distinct architectures; None: fewer than three, all with one score, or a single batch."""

    @property
    def best(self) -> Candidate:
        """The best architecture that may become the final one."""
        return next(candidate for candidate in self.candidates if candidate.origin == self.origin)

    def to_json(self) -> dict[str, object]:
        """What `candidates.json` holds."""
        return {
            "examples": self.examples,
            "searched_mean": self.searched_mean,
            "random_mean": self.random_mean,
            "difference": self.difference,
            "standard_error": None if math.isnan(self.standard_error) else self.standard_error,
            "agreement": self.agreement,
            "candidates": [
                {
                    "rank": rank,
                    "origin": candidate.origin,
                    "score": candidate.score,
                    "examples": candidate.examples,
                    "choices": {
                        key: list(value) if isinstance(value, tuple) else value
                        for key, value in candidate.architecture.choices.items()
                    },
                }
                for rank, candidate in enumerate(self.candidates, 1)
            ],
        }


@dataclass
class _Trial:
    """An architecture being scored, batch by batch, stage by stage."""

    architecture: Architecture
    halves: tuple[dict[str, float], dict[str, float]] = field(default_factory=lambda: ({}, {}))
    """Sums over every other batch."""
    batches: int = 0
    carried: Any = None
    scores: list[float] = field(default_factory=list)
    """The metric after each stage."""
    half_scores: tuple[float, float] | None = None
    """The metric on each half of the first stage; None: it is a single batch."""

    def go_on(self, supernet: nn.Module, batches: Sequence[Batch], task: Task) -> None:
        """Score on the batches of the next stage."""
        model = bind(supernet, self.architecture)
        for batch in batches:
            outcome = task.step(model, batch, self.carried)
            add_figures(self.halves[self.batches % 2], outcome.figures)
            self.batches, self.carried = self.batches + 1, outcome.carried
        total = dict(self.halves[0])
        add_figures(total, self.halves[1])
        if not self.scores and self.batches > 1:
            first, second = (task.metrics(half)[task.metric] for half in self.halves)
            self.half_scores = (first, second)
        self.scores.append(task.metrics(total)[task.metric])


@torch.no_grad()
def derive(
    controller: Controller,
    supernet: nn.Module,
    task: Task,
    decoder: Decoder,
    config: SearchConfig,
    *,
    generator: torch.Generator,
    advance: Callable[[], object] = lambda: None,
) -> Derivation:
    """Sample architectures, draw as many uniformly, and rank all by the metric on the same validation examples.

    With `derive_stages` above 1 the best third of each origin, of its distinct architectures, goes on to the next stage.

    Args:
        controller: The trained policy.
        supernet: The shared weights.
        task: The data.
        decoder: Codes to architectures.
        config: How many architectures, examples and stages.
        generator: Source of the samples.
        advance: Called after each architecture scored in the first stage.
    """
    supernet.eval()
    n = config.derive_samples
    drawn: dict[str, Int[Tensor, "n L"]] = {}
    if config.derive_from == "policy":
        drawn["controller"] = controller(n, generator=generator).codes
    drawn["uniform"] = sample_uniformly(decoder.steps, n, generator)
    keys = {origin: [tuple(row.tolist()) for row in rows] for origin, rows in drawn.items()}
    trials = {key: _Trial(decoder(torch.tensor(key))) for key in dict.fromkeys(chain(*keys.values()))}
    batches = list(task.scoring_batches("valid", config.reward_batch_size, config.derive_examples))
    bounds = stage_bounds(len(batches), config.derive_stages)
    with sharing(supernet):
        for key in sorted(chain(*keys.values())):
            if not trials[key].scores:
                trials[key].go_on(supernet, batches[: bounds[0]], task)
            advance()
    standing = {origin: list(dict.fromkeys(rows)) for origin, rows in keys.items()}
    for stage, (begin, end) in enumerate(pairwise(bounds), 1):
        for origin, rows in standing.items():
            rows.sort(key=lambda key: -task.direction * trials[key].scores[stage - 1])
            standing[origin] = rows[: -(-len(rows) // KEEP)]
        for key in dict.fromkeys(chain(*standing.values())):
            trials[key].go_on(supernet, batches[begin:end], task)
    return _rank(keys, trials, batches, bounds, task)


def stage_bounds(batches: int, stages: int) -> list[int]:
    """Batches that have been seen at the end of each stage: each is three times the one before, and the last is all.

    The first has two batches where there are two, so that its halves can be compared. Stages without new batches drop out.
    """
    wanted = [-(-batches // KEEP ** (stages - 1 - stage)) for stage in range(stages)]
    return sorted({max(min(2, batches), bound) for bound in wanted})


def scored_batches(samples: int, batches: int, stages: int) -> int:
    """Batches that are scored in all to choose among distinct architectures: the cost of a derivation.

    Args:
        samples: Architectures of one origin.
        batches: Of the validation examples.
        stages: As in `stage_bounds`.
    """
    bounds, cost = stage_bounds(batches, stages), 0
    for begin, end in pairwise([0, *bounds]):
        cost += samples * (end - begin)
        samples = -(-samples // KEEP)
    return cost


def _rank(
    keys: dict[str, list[Key]], trials: dict[Key, _Trial], batches: Sequence[Batch], bounds: Sequence[int], task: Task
) -> Derivation:
    seen = [sum(len(batch) for batch in batches[:count]) for count in range(len(batches) + 1)]
    candidates = [
        Candidate(origin, trials[key].scores[-1], trials[key].architecture, seen[trials[key].batches])
        for origin, rows in keys.items()
        for key in rows
    ]
    # Stable: of equals, the controller's come first.
    ranked = sorted(candidates, key=lambda candidate: (-candidate.examples, -task.direction * candidate.score))
    first = {origin: [trials[key].scores[0] for key in rows] for origin, rows in keys.items()}
    random, searched = first["uniform"], first.get("controller")
    random_mean = task.average(random)
    searched_mean = None if searched is None else task.average(searched)
    return Derivation(
        tuple(ranked),
        next(iter(keys)),
        searched_mean,
        random_mean,
        None if searched_mean is None else searched_mean - random_mean,
        math.nan if searched is None else math.hypot(_standard_error(searched, task), _standard_error(random, task)),
        seen[bounds[0]],
        {origin: _agreement([trials[key] for key in dict.fromkeys(rows)]) for origin, rows in keys.items()},
    )


def _agreement(trials: Sequence[_Trial]) -> float | None:
    halves = [trial.half_scores for trial in trials if trial.half_scores is not None]
    value = spearman([half[0] for half in halves], [half[1] for half in halves])
    return None if math.isnan(value) else value


def _standard_error(values: Sequence[float], task: Task) -> float:
    """Of the task's average, by the jackknife (for an arithmetic mean, its standard error); nan for a single value."""
    n = len(values)
    if n < 2:
        return math.nan
    without_one = [task.average([*values[:i], *values[i + 1 :]]) for i in range(n)]
    return math.sqrt((n - 1) * statistics.pvariance(without_one))
