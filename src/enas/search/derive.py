"""Deriving the final architecture, and measuring it against chance (Pham et al. 2018, section 2.2)."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from enas.architecture import Architecture
from enas.config import SearchConfig
from enas.controller import Controller, sample_uniformly
from enas.search.scoring import Decoder, score
from enas.tasks.task import Task


@dataclass(frozen=True)
class Candidate:
    """An architecture with its metric (accuracy, perplexity) under the shared weights."""

    origin: str
    """"controller" or "uniform"."""
    score: float
    architecture: Architecture


@dataclass(frozen=True)
class Derivation:
    """All candidates, the best first, and the comparison with chance."""

    candidates: tuple[Candidate, ...]
    searched_mean: float
    random_mean: float
    difference: float
    """Mean metric of sampled minus mean metric of uniformly drawn architectures."""
    standard_error: float
    """Of the difference, over the architectures drawn; nan for a single one."""
    examples: int
    """Validation examples on which each was scored."""

    @property
    def best(self) -> Candidate:
        """The best architecture that the controller sampled."""
        return next(candidate for candidate in self.candidates if candidate.origin == "controller")

    def to_json(self) -> dict[str, object]:
        """What `candidates.json` holds."""
        return {
            "examples": self.examples,
            "searched_mean": self.searched_mean,
            "random_mean": self.random_mean,
            "difference": self.difference,
            "standard_error": None if math.isnan(self.standard_error) else self.standard_error,
            "candidates": [
                {
                    "rank": rank,
                    "origin": candidate.origin,
                    "score": candidate.score,
                    "choices": {
                        key: list(value) if isinstance(value, tuple) else value
                        for key, value in candidate.architecture.choices.items()
                    },
                }
                for rank, candidate in enumerate(self.candidates, 1)
            ],
        }


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

    Args:
        controller: The trained policy.
        supernet: The shared weights.
        task: The data.
        decoder: Codes to architectures.
        config: How many architectures and examples.
        generator: Source of the samples.
        advance: Called after each scored architecture.
    """
    supernet.eval()
    n = config.derive_samples
    drawn = {
        "controller": controller(n, generator=generator).codes,
        "uniform": sample_uniformly(decoder.steps, n, generator),
    }
    batches = list(task.scoring_batches("valid", config.reward_batch_size, config.derive_examples))
    known: dict[tuple[int, ...], float] = {}
    candidates = []
    for origin, rows in drawn.items():
        for codes in rows:
            architecture = decoder(codes)
            key = tuple(codes.tolist())
            if key not in known:
                known[key] = score(supernet, architecture, batches, task)
            candidates.append(Candidate(origin, known[key], architecture))
            advance()
    searched = [candidate.score for candidate in candidates[:n]]
    random = [candidate.score for candidate in candidates[n:]]
    ranked = sorted(
        candidates, key=lambda candidate: -task.direction * candidate.score
    )  # stable: of equals, the controller's come first
    return Derivation(
        tuple(ranked),
        _mean(searched),
        _mean(random),
        _mean(searched) - _mean(random),
        math.sqrt((_variance(searched) + _variance(random)) / n),
        sum(len(batch) for batch in batches),
    )


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _variance(values: list[float]) -> float:
    if len(values) < 2:
        return math.nan
    mean = _mean(values)
    return sum((value - mean) ** 2 for value in values) / (len(values) - 1)
