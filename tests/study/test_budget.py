"""The budget of random search is that of a search, whatever an example is, and in whatever order methods are named."""

from dataclasses import replace
from pathlib import Path

import torch

from enas.config import DataConfig
from enas.search.derive import scored_batches
from enas.search.setup import SearchSettings
from enas.spaces import load
from enas.study.methods import equal_samples, updates


def test_rewards_on_text_are_counted_in_words_as_derivation_is(tmp_path: Path) -> None:
    space = load("rnn")
    settings = SearchSettings.from_preset(space, "demo", DataConfig())
    task = space.task.load(settings.data, settings.augment, cache=tmp_path, device=torch.device("cpu"))
    config = replace(settings.search, derive_stages=1)
    windows = list(task.scoring_batches("valid", config.reward_batch_size, config.derive_examples))
    words = sum(len(window) for window in windows)
    reward = config.reward_batch_size * 35  # the embedded text is long enough for whole windows of 35 words
    assert len(task.random_batch("valid", config.reward_batch_size, torch.Generator().manual_seed(0))) == reward
    budget = config.derive_samples * words + updates(config) * config.controller_samples * reward
    samples = equal_samples(config, task)
    assert samples * words <= budget < (samples + 1) * words
    assert scored_batches(samples, len(windows), 1) == samples * len(windows)
