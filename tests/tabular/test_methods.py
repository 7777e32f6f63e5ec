"""The three methods on made-up tables whose answers are known."""

import statistics
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import pytest

from enas.decisions import Op, Skips, Step, Vocabulary
from enas.search.reinforce import update
from enas.spaces import load
from enas.spaces.nasbench_macro.steps import SIZE
from enas.tabular.methods import EvolutionConfig, draw_randomly, evolve, methods, reinforce
from enas.tabular.queries import Codes, Queries

SPACE = load("nasbench-macro")
STEPS = SPACE.steps(SIZE)
PRESET = SPACE.presets["tabular"]
WEIGHTS = (5.0, 1.0, 4.0, 2.0, 3.0, 2.0, 1.0, 4.0)
BEST = (2, 0, 1, 2, 1, 0, 2, 1)
TABLE: dict[Codes, float] = {
    codes: 60.0 + sum(w * (code == best) for w, code, best in zip(WEIGHTS, codes, BEST, strict=True))
    for codes in product(range(3), repeat=8)
}
"""Each layer counts by itself, and has another best block."""


GOOD = sorted(TABLE.values(), reverse=True)[32]
"""Top 0.5 %."""


def queries_to_good(method: str, seed: int) -> int:
    queries = Queries(TABLE, 400, goal=GOOD)
    methods(STEPS, PRESET.controller, PRESET.search, EvolutionConfig())[method](queries, seed)
    return len(queries.asked)


def test_controller_and_evolution_find_good_ones_before_chance() -> None:
    """Chance needs 6562 / (g + 1) queries on average for g good ones."""
    good = sum(value >= GOOD for value in TABLE.values())
    chance = (len(TABLE) + 1) / (good + 1)
    for method in ("reinforce", "evolution"):
        assert statistics.median(queries_to_good(method, seed) for seed in range(5)) < 0.7 * chance, method
    mean = statistics.fmean(queries_to_good("random", seed) for seed in range(200))
    assert mean == pytest.approx(chance, rel=0.25)


@pytest.mark.parametrize("name", ["reinforce", "evolution", "random"])
def test_the_same_seed_asks_the_same(name: str) -> None:
    asked = []
    for seed in (0, 0, 1):
        queries = Queries(TABLE, 30)
        methods(STEPS, PRESET.controller, PRESET.search, EvolutionConfig())[name](queries, seed)
        asked.append(list(queries.asked))
    assert asked[0] == asked[1] != asked[2]
    assert all(len(codes) == 30 for codes in asked)


def test_chance_asks_for_everything_once() -> None:
    queries = Queries(TABLE, len(TABLE))
    draw_randomly(queries, 0)
    assert set(queries.asked) == set(TABLE)


@dataclass
class Recorder(Queries):
    """Also notes repeated questions."""

    log: list[Codes] = field(default_factory=list)

    def __call__(self, codes: Codes) -> float:
        self.log.append(codes)
        return super().__call__(codes)


def test_a_child_differs_from_the_best_of_the_tournament_in_one_answer_and_the_oldest_dies() -> None:
    """With a tournament of the whole population every cycle asks for all of its members, then for the child."""
    size = 5
    queries = Recorder(TABLE, 60)
    evolve(queries, STEPS, EvolutionConfig(population=size, tournament=size), seed=3)
    population, rest = queries.log[:size], queries.log[size:]
    cycles = len(rest) // (size + 1)
    assert cycles > 40
    for cycle in range(cycles):
        *fighters, child = rest[cycle * (size + 1) : (cycle + 1) * (size + 1)]
        assert sorted(fighters) == sorted(population)
        best = max(TABLE[member] for member in population)
        parents = [member for member in population if TABLE[member] == best]
        assert any(sum(a != b for a, b in zip(parent, child, strict=True)) == 1 for parent in parents)
        population = [*population[1:], child]


def test_answers_without_a_choice_and_subsets_are_mutated_rightly() -> None:
    steps = (
        Step(Op("one", Vocabulary(("a",))), remember="x"),
        Step(Skips("skips", ("x",)), remember="y"),
        Step(Op("two", Vocabulary(("a", "b")))),
    )
    table = {(0, skip, op): float(skip + op) for skip in range(2) for op in range(2)}
    queries = Queries(table, 4)
    evolve(queries, steps, EvolutionConfig(population=2, tournament=2), seed=0)
    assert max(queries.asked.values()) == 2


def test_the_entropy_weight_follows_the_queries_that_were_made(monkeypatch: pytest.MonkeyPatch) -> None:
    budget, shares, made = 60, [], [0]

    def noted(*arguments: Any) -> dict[str, float]:
        shares.append(arguments[-1])
        made.append(len(queries.asked))
        return update(*arguments)

    monkeypatch.setattr("enas.tabular.methods.update", noted)
    config = replace(PRESET.search, entropy_weight=0.2)
    asked = []
    for end in (None, 0.2, 0.0):
        queries = Queries(TABLE, budget)
        shares.clear()
        made[:] = [0]
        reinforce(queries, STEPS, PRESET.controller, replace(config, entropy_weight_end=end), 0)
        assert shares == [before / budget for before in made[:-1]]
        assert 0.5 < shares[-1] <= 1
        asked.append(list(queries.asked))
    assert asked[0] == asked[1] != asked[2]


def test_a_settled_policy_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a tanh constant and with a high learning rate the policy soon samples one architecture only."""
    monkeypatch.setattr("enas.tabular.methods.PATIENCE", 5)
    queries = Queries(TABLE, len(TABLE))
    controller = replace(PRESET.controller, tanh_constant=None)
    reinforce(queries, STEPS, controller, replace(PRESET.search, controller_lr=0.1), 0)
    assert len(queries.asked) < 500
