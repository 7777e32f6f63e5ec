"""Scores of sampled architectures: which validation batch they are taken on, and what is scored only once."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from enas.config import SearchConfig
from enas.search.loop import train_controller, train_weights
from enas.search.rewards import measure
from enas.search.state import Search

from .problems import QUICK, Toy, do_search, run_in, toy, toy_task
from .recorder import CONFIG, phase, recorded


def rewarded(config: SearchConfig, tmp_path: Path, codes: Tensor) -> tuple[list[float], list[tuple[str, list[int]]]]:
    supernet = Toy().eval()
    state = Search(toy(config, supernet=supernet, task=toy_task(valid=400)), run_in(tmp_path / "run"))
    return measure(state, codes), supernet.scored


CODES = torch.tensor([[0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]])


def test_all_architectures_of_an_update_share_the_reward_batch_and_equal_ones_are_scored_once(tmp_path: Path) -> None:
    scores, scored = rewarded(replace(QUICK, reward_batch_size=30), tmp_path, CODES)
    levels = scored[0][1]
    assert len(levels) == 30
    assert [seen for _, seen in scored] == [levels] * 3
    assert len({name for name, _ in scored}) == 3
    limits = [2, 5, 2, 8]
    assert scores == pytest.approx([sum(level < limit for level in levels) / 30 for limit in limits])


def test_each_architecture_has_its_own_reward_batch_when_asked_for(tmp_path: Path) -> None:
    config = replace(QUICK, reward_batch_size=30, share_reward_batch=False)
    scores, scored = rewarded(config, tmp_path, CODES)
    batches = [seen for _, seen in scored]
    assert len(batches) == 4
    assert len({str(batch) for batch in batches}) == 4
    for value, limit, levels in zip(scores, [2, 5, 2, 8], batches, strict=True):
        assert value == pytest.approx(sum(level < limit for level in levels) / 30)


def test_two_updates_have_different_reward_batches(tmp_path: Path) -> None:
    supernet = Toy()
    config = replace(QUICK, controller_steps=2, reward_batch_size=30, evaluation_samples=1)
    do_search(toy(config, supernet=supernet, task=toy_task(valid=400)), run_in(tmp_path / "run"))
    during_search = [str(levels) for _, levels in supernet.scored if len(levels) == 30]
    assert len(set(during_search)) >= 3  # two updates and the evaluation after the epoch


def scored_in_epoch(fixed: bool, path: Path) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
    objects = recorded(replace(CONFIG, fix_reward_batch=fixed, controller_steps=8))
    state = Search(objects, run_in(path))
    parts = []
    for _ in range(2):
        phase(train_weights, state)
        objects.supernet.scored.clear()
        phase(train_controller, state)
        parts.append(list(objects.supernet.scored))
        state.position.epoch, state.position.phase, state.position.step = 1, "weights", 0
    return parts[0], parts[1]


def test_a_fixed_reward_batch_lasts_an_epoch_and_nothing_is_scored_twice_on_it(tmp_path: Path) -> None:
    first, second = scored_in_epoch(True, tmp_path / "fixed")
    for part in (first, second):
        assert len({images for _, images in part}) == 1
        assert len({name for name, _ in part}) == len(part)
    assert first[0][1] != second[0][1]
    loose, _ = scored_in_epoch(False, tmp_path / "loose")
    assert len({images for _, images in loose}) > 1
