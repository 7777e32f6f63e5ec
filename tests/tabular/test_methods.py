"""The three methods on made-up tables whose answers are known."""

from dataclasses import replace
from itertools import pairwise, product

import pytest

from enas.decisions import Op, Skips, Step, Vocabulary
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


def queries_to_best(method: str, seed: int, budget: int = 6561) -> int:
    queries = Queries(TABLE, budget, goal=max(TABLE.values()))
    methods(STEPS, PRESET.controller, PRESET.search, EvolutionConfig())[method](queries, seed)
    assert max(queries.asked, key=lambda codes: queries.asked[codes]) == BEST
    return len(queries.asked)


def test_controller_and_evolution_find_the_best_long_before_chance() -> None:
    """Chance needs 3,281 of the 6,561 on average."""
    assert max(queries_to_best("reinforce", seed, 1000) for seed in range(3)) < 1000
    assert max(queries_to_best("evolution", seed, 1000) for seed in range(3)) < 1000
    assert 2000 < sum(queries_to_best("random", seed) for seed in range(20)) / 20 < 4500


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


class Recorder(Queries):
    """Also notes repeated questions."""

    def __call__(self, codes: Codes) -> float:
        self.log.append(codes)
        return super().__call__(codes)


def test_a_child_differs_from_a_living_parent_in_one_answer() -> None:
    """With a tournament of the whole population the parent is the best of the living, and the oldest dies."""
    size = 5
    queries = Recorder(TABLE, 60)
    queries.log = []
    evolve(queries, STEPS, EvolutionConfig(population=size, tournament=size), seed=3)
    population, born = [], 0
    for codes, following in pairwise(queries.log):
        if len(population) < size:
            population.append(codes)
            born += 1
            continue
        # The tournament asks again for the accuracies of its fighters: those are free and not children.
        if codes in population:
            continue
        parent = max(population, key=lambda member: TABLE[member])
        assert sum(a != b for a, b in zip(parent, codes, strict=True)) == 1, (codes, following)
        population = [*population[1:], codes]
        born += 1
    assert born > 40


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


def test_a_settled_policy_is_ended() -> None:
    """A table whose accuracies are all alike but one: the policy settles on it long before it has seen everything."""
    table = {codes: 50.0 + 40.0 * (codes[0] == 2) + 9.0 * (codes == (2,) * 8) for codes in TABLE}
    config = replace(PRESET.search, controller_lr=0.1)
    queries = Queries(table, len(table))
    reinforce(queries, STEPS, PRESET.controller, config, 0)
    assert len(queries.asked) < 3000
