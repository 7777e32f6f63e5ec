"""Three ways to choose what to look up: the controller, regularised evolution, and chance."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

import torch
from torch import Tensor

from enas.bounds import Count
from enas.config import ControllerConfig, SearchConfig
from enas.controller import Controller, sample_uniformly
from enas.decisions import Step, choices_of, columns, decisions
from enas.search.optimizers import controller_optimizer, step_controller
from enas.search.reinforce import Baseline, update
from enas.tabular.queries import PERCENT, Codes, FinishedError, Queries

PATIENCE: Final = 100
"""Updates of the controller in a row without a new architecture, after which it has settled and is ended."""
STILL: Final = 10_000
"""Children in a row without a new architecture, after which an evolution has settled and is ended."""


@dataclass(frozen=True)
class EvolutionConfig:
    """Regularised evolution, against which the controller is measured (Real et al. 2019, algorithm 1)."""

    population: Count = 20
    """Architectures that live at one time; the first are drawn uniformly, and each child replaces the oldest."""
    tournament: Count = 5
    """Architectures of these, drawn without doubles, of which the best one becomes the parent of the next child."""


def reinforce(
    queries: Queries, steps: Sequence[Step], controller_config: ControllerConfig, config: SearchConfig, seed: int
) -> None:
    """Train a fresh controller on looked-up accuracies until the budget is spent or it samples nothing new any more.

    How many updates there will be is not known, since known architectures are free: a schedule of the entropy weight follows
    the share of the budget that was spent before an update.

    Args:
        queries: Takes what is asked.
        steps: The questions of the space.
        controller_config: Size of the policy.
        config: Settings of the update.
        seed: Of initial weights and samples.
    """
    torch.manual_seed(seed)
    controller, generator = Controller(steps, controller_config), torch.Generator().manual_seed(seed)
    optimizer, baseline, idle = (
        controller_optimizer(controller.parameters(), config),
        Baseline(config.baseline_decay),
        0,
    )

    def step(loss: Tensor) -> None:
        step_controller(controller, optimizer, loss, config.controller_lr, config)

    while idle < PATIENCE:
        sample, before = controller(config.controller_samples, generator=generator), len(queries.asked)
        try:
            scores = [queries(tuple(row)) / PERCENT for row in sample.codes.tolist()]
        except FinishedError:
            return
        idle = idle + 1 if len(queries.asked) == before else 0
        update(controller, step, sample, scores, baseline, config, before / queries.budget)


def evolve(queries: Queries, steps: Sequence[Step], config: EvolutionConfig, seed: int) -> None:
    """Regularised evolution: mutate one answer of the best of a tournament; the oldest dies, however good it is.

    Args:
        queries: Takes what is asked.
        steps: The questions of the space.
        config: Sizes of population and tournament.
        seed: Of all random choices.
    """
    generator = torch.Generator().manual_seed(seed)
    options = [choices_of(question) for question in decisions(steps) for _ in range(columns(question))]
    population: list[Codes] = []
    idle, found = 0, 0
    for born in count():
        if born < config.population:
            child: Codes = tuple(sample_uniformly(steps, 1, generator)[0].tolist())
        else:
            fighters = torch.randperm(len(population), generator=generator)[: config.tournament].tolist()
            child = _mutated(max((population[i] for i in fighters), key=queries), options, generator)
        try:
            queries(child)
        except FinishedError:
            return
        idle, found = (idle + 1 if len(queries.asked) == found else 0), len(queries.asked)
        if idle == STILL:
            return
        population = [*population, child][-config.population :]


def _mutated(codes: Codes, options: Sequence[int], generator: torch.Generator) -> Codes:
    """The codes with one of them, drawn among those with a choice, replaced by another value."""
    free = [column for column, number in enumerate(options) if number > 1]
    column = free[int(torch.randint(len(free), (), generator=generator))]
    value = int(torch.randint(options[column] - 1, (), generator=generator))
    return (*codes[:column], value + (value >= codes[column]), *codes[column + 1 :])


def draw_randomly(queries: Queries, seed: int) -> None:
    """Ask for architectures in a random order: uniform draws, of which repeated ones are free."""
    names, generator = list(queries.values), torch.Generator().manual_seed(seed)
    for index in torch.randperm(len(names), generator=generator).tolist():
        try:
            queries(names[index])
        except FinishedError:
            return


def methods(
    steps: Sequence[Step], controller: ControllerConfig, search: SearchConfig, evolution: EvolutionConfig
) -> dict[str, Callable[[Queries, int], None]]:
    """The methods by name, each a function of the queries and a seed."""
    return {
        "reinforce": lambda queries, seed: reinforce(queries, steps, controller, search, seed),
        "evolution": lambda queries, seed: evolve(queries, steps, evolution, seed),
        "random": draw_randomly,
    }
