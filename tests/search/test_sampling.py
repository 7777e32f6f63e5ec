"""Architectures for the shared weights: uniform, fair, or of the policy; and settings that contradict each other."""

import re
from collections import Counter
from dataclasses import replace
from itertools import permutations

import pytest
import torch

from enas.config import SearchConfig
from enas.decisions import Input, Op, Skips, Step, Vocabulary
from enas.errors import UsageError
from enas.search.sampling import sample_fairly
from enas.search.setup import check_sampling
from enas.spaces import load

TWO, THREE = Vocabulary(("a", "b")), Vocabulary(("a", "b", "c"))
STEPS = (
    Step(Op("two", TWO), remember="x"),
    Step(Op("three", THREE), remember="y"),
    Step(Input("input", ("x", "y"))),
    Step(Skips("skips", ("x", "y"))),
)
CONFIG = SearchConfig(epochs=4)


def test_each_operation_comes_once_in_as_many_architectures_as_there_are() -> None:
    codes = sample_fairly(STEPS, 600, torch.Generator().manual_seed(0))
    assert codes.shape == (600, 5)
    for column, m in ((0, 2), (1, 3)):
        rounds = codes[:, column].view(-1, m).tolist()
        assert all(sorted(block) == list(range(m)) for block in rounds)
        seen = Counter(map(tuple, rounds))
        assert set(seen) == set(permutations(range(m)))
        share = len(rounds) / len(seen)
        assert all(abs(count - share) < 5 * share**0.5 for count in seen.values())


def test_operations_of_different_questions_are_independent() -> None:
    codes = sample_fairly(STEPS, 600, torch.Generator().manual_seed(1))
    pairs = Counter(zip(codes[:, 0].tolist(), codes[:, 1].tolist(), strict=True))
    assert len(pairs) == 6
    assert all(abs(count - 100) < 50 for count in pairs.values())


def test_inputs_and_skips_are_uniform() -> None:
    codes = sample_fairly(STEPS, 600, torch.Generator().manual_seed(2))
    assert all(abs(codes[:, column].sum().item() - 300) < 62 for column in (2, 3, 4))  # five standard deviations


def test_a_number_that_is_no_multiple_is_cut() -> None:
    whole = sample_fairly(STEPS, 6, torch.Generator().manual_seed(3))
    assert sample_fairly(STEPS[1:2], 4, torch.Generator().manual_seed(3)).shape == (4, 1)
    assert whole.shape == (6, 5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"warmup_sampling": "fair"}, "--warmup-sampling fair needs --warmup-epochs of at least 1"),
        ({"warmup_epochs": 4}, "--warmup-epochs 4 leaves none of the 4 epochs to the controller: lower it"),
        (
            {"fix_reward_batch": True, "share_reward_batch": False},
            "--fix-reward-batch gives all architectures one batch",
        ),
        ({"derive_from": "uniform"}, "--derive-from uniform makes no use of a controller: add --controller-steps 0"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        check_sampling(replace(CONFIG, **changes), STEPS)


def test_fair_sampling_needs_operations() -> None:
    only_skips = (Step(remember="x"), Step(Skips("skips", ("x",))))
    for changes in ({"weights_sampling": "fair"}, {"warmup_sampling": "fair", "warmup_epochs": 1}):
        with pytest.raises(UsageError, match="fair sampling is of operations, and this space asks for none"):
            check_sampling(replace(CONFIG, **changes), only_skips)
        check_sampling(replace(CONFIG, **changes), STEPS)


def test_all_presets_are_free_of_contradictions() -> None:
    for name in ("macro", "micro", "rnn", "nasbench-macro"):
        space = load(name)
        for preset in space.presets.values():
            check_sampling(preset.search, space.steps(space.size(preset.supernet)))
