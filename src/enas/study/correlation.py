"""How well scores with shared weights rank architectures: rank correlation with the truth over the epochs of a search."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from enas.files import read_lines
from enas.ranking import kendall, precision_at_top, spearman
from enas.run import PROBES
from enas.search.scoring import Decoder
from enas.study.truth import TableTruth, Truth

TOP_SHARE = 10
"""Precision is of the best one in so many."""


@dataclass(frozen=True)
class Correlation:
    """Agreement of scores and truth after one epoch, for the architectures of one origin."""

    method: str
    seed: int
    origin: str
    """"uniform" or "policy"."""
    epoch: int
    kendall: float
    """tau-b; nan where nothing is ordered (fewer than three distinct architectures, or all alike)."""
    spearman: float
    top: int
    """Of so many with the best scores ..."""
    precision: float
    """... this share is among as many with the best truth."""
    points: tuple[tuple[str, float, float], ...]
    """String, score and truth of each distinct architecture."""


def correlate(method: str, seed: int, folder: Path, truth: Truth, decoder: Decoder) -> list[Correlation]:
    """Read the probes of a search and compare them with the truth.

    The uniform probes are compared after every epoch. Those of the policy change from epoch to epoch: where each would have to
    be trained, only those of the last epoch are.

    Raises:
        EnasError: the log is damaged, or there is no truth for an architecture.
    """
    found: list[Correlation] = []
    lines = read_lines(folder / PROBES)
    for line in lines:
        last = line is lines[-1]
        for origin in ("uniform", "policy"):
            if origin in line and (last or origin == "uniform" or isinstance(truth, TableTruth)):
                found.append(_one(method, seed, origin, line, truth, decoder))
    return found


def _one(method: str, seed: int, origin: str, line: dict[str, Any], truth: Truth, decoder: Decoder) -> Correlation:
    scored = dict(zip(map(tuple, line[origin]["codes"]), line[origin]["scores"], strict=True))  # each architecture once
    architectures = [decoder(torch.tensor(codes)) for codes in scored]
    values = [truth.value(architecture) for architecture in architectures]
    names = [truth.name(architecture) for architecture in architectures]
    scores = list(scored.values())
    direction: int = truth.space.task.direction
    top = max(1, len(scores) // TOP_SHARE)
    return Correlation(
        method,
        seed,
        origin,
        line["step"],
        kendall(scores, values),
        spearman(scores, values),
        top,
        precision_at_top(_turned(scores, direction), _turned(values, direction), top),
        tuple(zip(names, scores, values, strict=True)),
    )


def _turned(values: Sequence[float], direction: int) -> list[float]:
    return [direction * value for value in values]
