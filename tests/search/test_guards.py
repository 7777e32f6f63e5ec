"""Warnings of a search: when they come, and that they do not come else."""

import math
from dataclasses import replace

import pytest

from enas.architecture import Architecture, decode
from enas.config import SearchConfig
from enas.controller import Controller
from enas.data.images import ImageSpec
from enas.decisions import Op, choices_of, columns, decisions
from enas.search.guards import early_collapse, entropy_ceiling, noisy_ranking, parameter_free
from enas.spaces import load, names

CONFIG = SearchConfig(epochs=12, lr_first_cycle=12)


def test_the_ceiling_is_that_of_the_documented_sizes() -> None:
    """docs/metrics.md, section 6: 67.2 nats for 12 macro layers, 21.1 for 6."""
    for layers, expected in ((12, 67.2), (6, 21.1)):
        assert entropy_ceiling(load("macro").steps({"layers": layers})) == pytest.approx(expected, abs=0.05)


def test_no_policy_is_above_the_ceiling_and_an_even_one_reaches_it() -> None:
    steps = load("macro").steps({"layers": 4})
    even = replace(load("macro").presets["cpu"].controller, init_range=0.0)
    assert Controller(steps, even)(3).entropy.tolist() == pytest.approx([entropy_ceiling(steps)] * 3, rel=1e-5)


@pytest.mark.parametrize(
    ("entropy", "epoch", "warmup", "warned"),
    [
        (9.9, 1, 0, True),
        (9.9, 3, 0, True),
        (9.9, 4, 0, False),  # a quarter of the search is over
        (10.0, 1, 0, False),  # half of the ceiling
        (9.9, 6, 4, True),  # two epochs of eight after a warm-up of four
        (9.9, 7, 4, False),
    ],
)
def test_a_policy_that_settles_in_the_first_quarter_is_warned_of(
    entropy: float, epoch: int, warmup: int, warned: bool
) -> None:
    line = early_collapse(entropy, 20.0, epoch, replace(CONFIG, warmup_epochs=warmup))
    assert (line is not None) == warned
    if line is not None:
        assert f"entropy 9.9 of at most 20.0 nats after {epoch} of 12 epochs" in line
        assert "lower --controller-lr" in line


def test_a_noisy_ranking_is_warned_of_and_an_unknown_one_is_not() -> None:
    assert noisy_ranking(None) is None
    assert noisy_ranking(0.3) is None
    line = noisy_ranking(0.12)
    assert line is not None
    assert "agree by 0.12" in line
    assert "--derive-examples" in line


def micro(ops: tuple[str, ...]) -> Architecture:
    steps = load("micro").steps({"nodes": 2, "all_nodes": 0})
    questions = [decision for decision in decisions(steps) if isinstance(decision, Op)]
    codes = [0] * sum(columns(decision) for decision in decisions(steps))
    plain = decode(codes, steps, space="micro", size={"nodes": 2, "all_nodes": 0})
    chosen = {question.name: ops[index % len(ops)] for index, question in enumerate(questions)}
    return replace(plain, choices={**plain.choices, **chosen})


@pytest.mark.parametrize(
    ("ops", "said"),
    [
        (("identity",), "is parameter-free (8 of 8 operations are identity; 5 by chance)"),
        (("avg_pool", "max_pool"), "is parameter-free (8 of 8 operations are avg_pool, max_pool; 5 by chance)"),
        ((*["identity"] * 7, "sep3x3"), "is nearly parameter-free (7 of 8 operations are identity; 5 by chance)"),
        ((*["identity"] * 6, *["sep3x3"] * 2), None),
        (("sep3x3",), None),
        (("identity", "sep5x5"), None),
    ],
)
def test_an_architecture_with_hardly_a_trainable_operation_is_warned_of(ops: tuple[str, ...], said: str | None) -> None:
    line = parameter_free(micro(ops), load("micro").steps({"nodes": 2, "all_nodes": 0}))
    assert (line is None) if said is None else (line is not None and said in line)


def test_spaces_whose_operations_all_have_weights_never_warn() -> None:
    for name, size in (("macro", {"layers": 2}), ("rnn", {"nodes": 3, "tanh_first": 0})):
        steps = load(name).steps(size)
        for code in range(min(choices_of(decision) for decision in decisions(steps))):
            codes = [code if isinstance(d, Op) else 0 for d in decisions(steps) for _ in range(columns(d))]
            assert parameter_free(decode(codes, steps, space=name, size=size), steps) is None


def free_operations(name: str) -> tuple[str, ...]:
    space = load(name)
    asked = decisions(space.steps(space.size(space.presets["demo"].supernet)))
    return next(decision.vocabulary for decision in asked if isinstance(decision, Op)).parameter_free


@pytest.mark.parametrize("name", [name for name in names() if free_operations(name)])
def test_what_is_called_parameter_free_brings_no_weights(name: str) -> None:
    """Each operation alone in the whole network; what remains of a parameter-free one fits shapes between stages."""
    space = load(name)
    preset = space.presets["demo"]
    steps = space.steps(space.size(preset.supernet))
    vocabulary = next(decision.vocabulary for decision in decisions(steps) if isinstance(decision, Op))
    counts = {}
    for index, word in enumerate(vocabulary.options):
        codes = [index if isinstance(d, Op) else 0 for d in decisions(steps) for _ in range(columns(d))]
        chosen = decode(codes, steps, space=name, size=dict(space.size(preset.supernet)))
        network = space.network(preset.network, ImageSpec(channels=1, height=8, width=8, classes=3), chosen)
        counts[word] = sum(p.numel() for p in network.parameters())
    free = vocabulary.parameter_free
    assert len(free) > 0
    assert max(counts[word] for word in free) < min(counts[word] for word in counts.keys() - set(free))


def test_the_ceiling_counts_every_column() -> None:
    steps = load("micro").steps({"nodes": 2, "all_nodes": 0})
    assert entropy_ceiling(steps) == pytest.approx(sum(columns(d) * math.log(choices_of(d)) for d in decisions(steps)))
