"""A training that is stopped, or out of time, and goes on: it gives the same as one in a go."""

import io
import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from enas.config import AugmentConfig
from enas.data.images import ImageSplit
from enas.errors import Interrupted
from enas.run import Run
from enas.train.loop import BEST, LAST, train

from .brightness import (
    CONFIG,
    Linear,
    Slow,
    do_train,
    kept,
    make_task,
    metrics,
    objects,
    run_in,
    split,
)


def test_no_time_at_all_still_leaves_weights_and_a_result(tmp_path: Path) -> None:
    network = Linear(0.5)
    run = run_in(tmp_path / "run")
    lines: list[str] = []
    result = do_train(objects(network, replace(CONFIG, max_hours=0.0)), run, lines=lines)
    assert lines == ["time is up after 0 of 4 epochs"]
    assert network.seen == []
    assert result["epochs"] == 0
    assert kept(run, BEST) == kept(run, LAST) == 0.5
    assert json.loads((run.path / "result.json").read_text()) == result


def test_when_time_is_up_in_an_epoch_the_result_is_that_of_the_epochs_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    network = Slow(0.5, clock)
    run = run_in(tmp_path / "run")
    lines: list[str] = []
    after: list[float] = []

    def say(line: str) -> None:
        lines.append(line)
        after.append(network.w.item())

    config = replace(CONFIG, max_hours=5.5)
    result = train(objects(network, config), run, console=Console(file=io.StringIO()), say=say)
    run.close()
    assert len(network.seen) == 6  # four steps of the first epoch, two of the second
    assert lines[-1] == "time is up after 1 of 4 epochs"
    assert len(lines) == 2
    assert result["epochs"] == 1
    assert kept(run, BEST) == kept(run, LAST) == after[0]
    assert [line["step"] for line in metrics(run)] == [1]
    assert list(run.path.glob("checkpoint-*.pt"))


def test_a_run_that_ran_out_of_time_can_be_given_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    run = run_in(tmp_path / "run")
    do_train(objects(Slow(0.5, clock), replace(CONFIG, max_hours=5.5)), run)
    lines: list[str] = []
    again = Slow(-9.0, clock)
    do_train(objects(again, replace(CONFIG, max_hours=5.5)), Run.open(run.path), resume=True, lines=lines)
    assert again.seen == []  # hours of the first part count
    assert lines == ["resumed after 1 of 4 epochs", "time is up after 1 of 4 epochs"]
    more = Slow(-9.0, clock)
    result = do_train(objects(more, CONFIG), Run.open(run.path), resume=True)
    assert len(more.seen) == 16 - 6
    assert result["epochs"] == 4
    assert [line["step"] for line in metrics(run)] == [1, 2, 3, 4]


class Stopping(nn.Module):
    """A linear network on pixels, with dropout; at one training step the user asks for a stop."""

    def __init__(self, at: int | None) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.layers = nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(4, 2))
        self.steps, self.at = 0, at

    def forward(self, inputs: Tensor) -> Tensor:
        if self.training:
            self.steps += 1
            if self.steps == self.at:
                os.kill(os.getpid(), signal.SIGINT)
        return self.layers(inputs)


@pytest.mark.parametrize(("at", "optimizer"), [(1, "momentum"), (6, "momentum"), (8, "adam"), (12, "rmsprop")])
def test_a_stopped_and_resumed_training_gives_the_same_as_one_in_a_go(at: int, optimizer: Any, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (16, 2, 2, 1), generator=generator).to(torch.uint8)
    train_split = ImageSplit(pixels, torch.arange(16) % 2)
    task = make_task(train=train_split, test=split([0, 1]), augment=AugmentConfig(crop_padding=1, flip=True))
    config = replace(CONFIG, epochs=3, momentum=0.9, optimizer=optimizer)
    whole, cut = run_in(tmp_path / "whole"), run_in(tmp_path / "cut")
    expected = do_train(objects(Stopping(None), config, task), whole)
    with pytest.raises(Interrupted, match=r"all is saved in .*cut: the same command with --resume goes on"):
        do_train(objects(Stopping(at), config, task), cut)
    cut.close()
    network = Stopping(None)
    torch.manual_seed(999)
    assert do_train(objects(network, config, task), Run.open(cut.path), resume=True) == expected
    assert network.steps == 12 - at
    for name in ("metrics.jsonl", "result.json", BEST, LAST):
        assert (cut.path / name).read_bytes() == (whole.path / name).read_bytes()


def test_resuming_a_run_without_a_checkpoint_starts_it(tmp_path: Path) -> None:
    lines: list[str] = []
    result = do_train(objects(Linear(0.5), CONFIG), run_in(tmp_path / "run"), resume=True, lines=lines)
    assert result["epochs"] == 4
    assert lines[0].startswith("epoch 1/4: ")


def test_a_training_that_ran_out_of_time_gives_with_more_time_what_one_in_a_go_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    pixels = torch.randint(256, (16, 2, 2, 1), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    task = make_task(train=ImageSplit(pixels, torch.arange(16) % 2), augment=AugmentConfig(crop_padding=1))
    config = replace(CONFIG, epochs=2)
    whole, cut = run_in(tmp_path / "whole"), run_in(tmp_path / "cut")
    do_train(objects(Slow(0.5, [0.0]), config, task), whole)
    do_train(objects(Slow(0.5, clock), replace(config, max_hours=1.5), task), cut)
    do_train(objects(Slow(0.5, clock), config, task), Run.open(cut.path), resume=True)
    assert (cut.path / "metrics.jsonl").read_bytes() == (whole.path / "metrics.jsonl").read_bytes()


def test_averaging_goes_on_after_an_interruption(tmp_path: Path) -> None:
    swapped = make_task(train=split([0, 1] * 8, swapped=True))
    config = replace(CONFIG, epochs=6, lr_max=0.05, lr_min=0.05, average_trigger=1)
    whole, parts = run_in(tmp_path / "whole"), run_in(tmp_path / "parts")
    do_train(objects(Linear(0.3), config, swapped), whole)
    do_train(objects(Linear(0.3), replace(config, epochs=5), swapped), parts)
    do_train(objects(Linear(9.0), config, swapped), parts, resume=True)
    assert kept(parts, LAST) == kept(whole, LAST)
    assert metrics(parts) == metrics(whole)
