"""A search that is stopped, or out of time, and goes on: it gives the same as one in a go."""

import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from enas.architecture import Architecture
from enas.config import AugmentConfig
from enas.errors import Interrupted
from enas.run import Run
from enas.search.setup import SearchObjects

from .problems import (
    QUICK,
    WEIGHTS,
    Toy,
    do_search,
    jsonl,
    macro,
    macro_task,
    run_in,
    toy,
)


def test_no_time_at_all_still_leaves_an_architecture(tmp_path: Path) -> None:
    supernet = Toy()
    run = run_in(tmp_path / "run")
    lines: list[str] = []
    do_search(toy(replace(QUICK, epochs=3, max_hours=0.0), supernet=supernet), run, lines=lines)
    assert lines == ["time is up after 0 of 3 epochs: deriving from what was found so far"]
    assert supernet.trained == []
    assert (run.path / "architecture.json").is_file()


@pytest.mark.parametrize(
    ("hours", "epochs"),
    [(3.5, 0), (4.5, 1), (5.5, 1), (7.5, 1)],  # in a controller phase, between epochs, among the weights, and again
)
def test_when_time_is_up_the_search_ends_in_good_order_and_can_be_given_more(
    hours: float, epochs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An epoch runs the supernet five times, an hour each: two steps, two controller steps, one evaluation."""
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    config = replace(QUICK, epochs=3, steps_per_epoch=2, controller_samples=1, evaluation_samples=1, controller_steps=2)
    run = run_in(tmp_path / "run")
    lines: list[str] = []
    first = Toy(clock)
    do_search(toy(replace(config, max_hours=hours), supernet=first), run, lines=lines)
    assert lines[-1] == f"time is up after {epochs} of 3 epochs: deriving from what was found so far"
    logged = jsonl(run, "metrics.jsonl") if epochs else []
    assert [line["step"] for line in logged] == [*range(1, epochs + 1)]
    assert (run.path / "metrics.jsonl").exists() == (epochs > 0)
    assert (run.path / "architecture.json").is_file()
    rest = Toy(clock)
    do_search(toy(config, supernet=rest), Run.open(run.path), resume=True, lines=lines)
    assert len(first.trained) + len(rest.trained) == 6
    assert [line["step"] for line in jsonl(run, "metrics.jsonl")] == [1, 2, 3]


class Stopping(nn.Module):
    """A supernet during one of whose computations the user asks for a stop."""

    def __init__(self, inner: nn.Module, at: int | None) -> None:
        super().__init__()
        self.inner, self.at, self.calls = inner, at, 0

    def forward(self, inputs: Tensor, architecture: Architecture) -> Tensor:
        self.calls += 1
        if self.calls == self.at:
            os.kill(os.getpid(), signal.SIGINT)
        return self.inner(inputs, architecture)


@pytest.mark.parametrize("at", [1, 3, 5, 12, 14, 17])
def test_a_stopped_and_resumed_search_gives_the_same_as_one_in_a_go(at: int, tmp_path: Path) -> None:
    config = replace(WEIGHTS, epochs=3, controller_steps=2, controller_samples=3, entropy_weight=1e-3)
    task = macro_task(AugmentConfig(crop_padding=1, flip=True))

    def objects(at: int | None) -> SearchObjects:
        made = macro(config, task=task)
        return replace(made, supernet=Stopping(made.supernet, at))

    whole, cut = run_in(tmp_path / "whole"), run_in(tmp_path / "cut")
    expected = do_search(objects(None), whole)
    with pytest.raises(Interrupted, match=r"all is saved in .*cut: the same command with --resume goes on"):
        do_search(objects(at), cut)
    cut.close()
    lines: list[str] = []
    again = objects(None)
    torch.manual_seed(999)
    assert do_search(again, Run.open(cut.path), resume=True, lines=lines) == expected
    assert lines[0].startswith("resumed after ")
    for name in ("metrics.jsonl", "architectures.jsonl", "candidates.json", "architecture.json"):
        assert (cut.path / name).read_bytes() == (whole.path / name).read_bytes()


class Ticking(nn.Module):
    """A supernet whose every step takes an hour of a clock that a test holds."""

    def __init__(self, inner: nn.Module, clock: list[float]) -> None:
        super().__init__()
        self.inner, self.clock = inner, clock

    def forward(self, inputs: Tensor, architecture: Architecture) -> Tensor:
        self.clock[0] += 3600.0
        return self.inner(inputs, architecture)


@pytest.mark.parametrize(
    ("hours", "changes"),
    [(1.5, {}), (3.5, {"controller_steps": 2, "entropy_weight": 0.1, "entropy_weight_end": 0.0})],
)  # among the weights; after the first of two updates of an epoch, under way in the schedule
def test_a_search_that_ran_out_of_time_gives_with_more_time_what_one_in_a_go_gives(
    hours: float, changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    task = macro_task(AugmentConfig(crop_padding=1, flip=True))
    config = replace(WEIGHTS, epochs=2, **changes)

    def objects(hours: float | None = None) -> SearchObjects:
        made = macro(replace(config, max_hours=hours), task=task)
        return replace(made, supernet=Ticking(made.supernet, clock))

    whole, cut = run_in(tmp_path / "whole"), run_in(tmp_path / "cut")
    do_search(objects(), whole)
    clock[0] = 0.0
    do_search(objects(hours), cut)
    do_search(objects(), Run.open(cut.path), resume=True)
    assert (cut.path / "metrics.jsonl").read_bytes() == (whole.path / "metrics.jsonl").read_bytes()
