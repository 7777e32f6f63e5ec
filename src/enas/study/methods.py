"""The methods that are compared: how each spends the budget, and which architecture it chooses."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from enas import commands
from enas.architecture import Architecture
from enas.config import SearchConfig
from enas.files import read_lines
from enas.run import TIMING, Run
from enas.runtime import Runtime
from enas.search.derive import scored_batches
from enas.search.setup import SearchSettings
from enas.sources import draw_uniformly
from enas.space import Space
from enas.study.truth import Truth
from enas.tasks.task import Task


@dataclass(frozen=True)
class Choice:
    """What a method chose with one seed."""

    method: str
    seed: int
    architecture: Architecture
    value: float
    """True figure of the architecture."""
    seconds: float
    """Of the search, or of the trainings of plain random search."""
    scored: int
    """Architectures that it scored with shared weights, for rewards or to choose, repeats counted; or trained from scratch."""


def updates(config: SearchConfig) -> int:
    """Updates of the controller in a whole search."""
    return (config.epochs - config.warmup_epochs) * config.controller_steps


def scored_architectures(config: SearchConfig) -> int:
    """Architectures that a search scores for rewards and to derive, counted each time."""
    return updates(config) * config.controller_samples + config.derive_samples


def search_settings(settings: SearchSettings, method: str, seed: int, task: Task) -> SearchSettings:
    """The settings of a method's search.

    Random search with weight sharing (Li and Talwalkar 2019) makes the same steps of the shared weights, on uniform
    architectures. The examples on which ENAS scores for rewards are spent on choosing among more architectures.
    """
    config = replace(settings.search, seed=seed)
    if method == "shared-random":
        config = replace(
            config,
            weights_sampling="uniform" if config.weights_sampling == "policy" else config.weights_sampling,
            warmup_epochs=0,
            warmup_sampling="uniform",
            controller_steps=0,
            derive_from="uniform",
            derive_samples=equal_samples(config, task),
        )
    return replace(settings, search=config)


def equal_samples(config: SearchConfig, task: Task) -> int:
    """Architectures to derive from for no more scored examples than the rewards and the derivation of a search cost.

    Each reward counts, also where a search remembers one (`fix_reward_batch`, doubles in an update): that favours chance.
    """
    batches = list(task.scoring_batches("valid", config.reward_batch_size, config.derive_examples))
    per_batch = sum(len(batch) for batch in batches) / len(batches)

    def cost(samples: int) -> float:
        return per_batch * scored_batches(samples, len(batches), config.derive_stages)

    per_reward = len(task.random_batch("valid", config.reward_batch_size, torch.Generator().manual_seed(0)))
    budget = cost(config.derive_samples) + updates(config) * config.controller_samples * per_reward
    low, high = config.derive_samples, 2 * config.derive_samples
    while cost(high) <= budget:
        high *= 2
    while high - low > 1:  # low is within the budget, high is not
        middle = (low + high) // 2
        low, high = (middle, high) if cost(middle) <= budget else (low, middle)
    return low


def search(
    settings: SearchSettings,
    method: str,
    seed: int,
    truth: Truth,
    folder: Path,
    runtime: Runtime,
    task: Task,
    resume: bool,
) -> Choice:
    """Run a method's search, or read it where it is finished, and look at what its choice is worth.

    Raises:
        EnasError: settings or folder are unfit.
        Interrupted: the user asked to stop; all is saved.
    """
    own = search_settings(settings, method, seed, task)
    if not (resume and _is_done(folder, own)):
        commands.search(own, folder, runtime, resume=resume and folder.exists())
    architecture = Architecture.load(folder / "architecture.json")
    lines = read_lines(folder / TIMING)
    seconds = sum(line.get("time/epoch_seconds", 0.0) + line.get("time/derive_seconds", 0.0) for line in lines)
    value = truth.value(architecture)
    return Choice(method, seed, architecture, value, seconds, scored_architectures(own.search))


def _is_done(folder: Path, settings: SearchSettings) -> bool:
    if not (folder / "candidates.json").is_file():
        return False
    return SearchSettings.from_json(Run.open(folder).settings, str(folder)) == settings


def choose_randomly(
    space: Space, size: dict[str, int], seed: int, truth: Truth, *, trainings: int | None, seconds: float | None
) -> Choice:
    """Plain random search: train uniform architectures, and choose the best by validation.

    Args:
        space: Whose architectures.
        size: Of the space.
        seed: Of the draws.
        truth: Trains them or looks them up.
        trainings: How many; None: as many as fit into `seconds`, at least one.
        seconds: Budget of one search; None: there was none, and `trainings` is given.
    """
    direction: int = space.task.direction
    spent = 0.0
    tried: list[Architecture] = []
    draw = _endless(space, size, seed)
    while trainings is None or len(tried) < trainings:
        architecture = draw(len(tried))
        cost = truth.seconds(architecture)
        if trainings is None and tried and (seconds is None or cost <= 0 or spent + cost > seconds):
            break
        spent += cost
        tried.append(architecture)
    best = max(tried, key=lambda architecture: direction * truth.validation(architecture))
    return Choice("random", seed, best, truth.value(best), spent, len(tried))


def _endless(space: Space, size: dict[str, int], seed: int) -> Callable[[int], Architecture]:
    drawn: list[Architecture] = []

    def draw(index: int) -> Architecture:
        while index >= len(drawn):
            drawn[:] = draw_uniformly(space, size, 2 * len(drawn) + 8, seed)  # the same ones first
        return drawn[index]

    return draw
