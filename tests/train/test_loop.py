"""Training from scratch, on two brightnesses and a linear network whose every number can be worked out by hand."""

import io
import json
import math
import os
import signal
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from enas.architecture import Architecture
from enas.config import AugmentConfig, TrainConfig
from enas.data.images import ImageData, ImageSplit
from enas.errors import Interrupted, RunError, UsageError
from enas.run import Run
from enas.tasks.images import ImageTask
from enas.train.loop import BEST, LAST, Training, train
from enas.train.setup import TrainObjects
from enas.weights import load_weights

ARCHITECTURE = Architecture("macro", {"layers": 1}, {"layer0.op": "conv3x3"})
PLAIN = AugmentConfig(crop_padding=0, flip=False)
CONFIG = TrainConfig(
    epochs=4, batch_size=4, lr_max=0.1, lr_min=0.1, lr_first_cycle=4, momentum=0.0, weight_decay=0.0, seed=3
)


def split(labels: list[int], *, swapped: bool = False) -> ImageSplit:
    """2x2 images, black for class 0 and white for class 1; swapped: the other way round."""
    shown = torch.tensor(labels)
    images = (shown * 255).to(torch.uint8)[:, None, None, None].expand(-1, 2, 2, 1).contiguous()
    return ImageSplit(images, 1 - shown if swapped else shown)


def make_task(
    *, train: ImageSplit | None = None, test: ImageSplit | None = None, augment: AugmentConfig = PLAIN
) -> ImageTask:
    data = ImageData(
        name="two",
        classes=("black", "white"),
        train=split([0, 1] * 8) if train is None else train,
        valid=split([0, 1, 1, 0, 1]),
        test=test,
        mean=(0.5,),
        std=(0.5,),
        notes=(),
    )
    return ImageTask(data, augment, torch.device("cpu"))


class Linear(nn.Module):
    """Logits (-w b, w b) of an image of brightness b, -1 or 1: right exactly when w is positive. It notes what it sees."""

    def __init__(self, w: float) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(w))
        self.seen: list[list[float]] = []

    def forward(self, inputs: Tensor) -> Tensor:
        brightness = inputs.mean(dim=(1, 2, 3))
        if self.training:
            self.seen.append(brightness.tolist())
        return torch.stack([-self.w * brightness, self.w * brightness], dim=1)


class Following(Linear):
    """Also notes what it is told of the progress, and before how many batches."""

    def __init__(self, w: float) -> None:
        super().__init__(w)
        self.told: list[tuple[int, float]] = []

    def set_progress(self, fraction: float) -> None:
        self.told.append((len(self.seen), fraction))


def objects(network: nn.Module, config: TrainConfig, task: ImageTask | None = None) -> TrainObjects:
    return TrainObjects(ARCHITECTURE, task or make_task(), network, config)


def run_in(path: Path) -> Run:
    return Run.create(path, {"kind": "train"})


def do_train(made: TrainObjects, run: Run, *, resume: bool = False, lines: list[str] | None = None) -> dict[str, float]:
    said = [] if lines is None else lines
    result = train(made, run, console=Console(file=io.StringIO()), say=said.append, resume=resume)
    run.close()
    return dict(result)


def metrics(run: Run) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]


def kept(run: Run, name: str) -> float:
    network = Linear(-99.0)
    load_weights(run.path / name, network)
    return network.w.item()


def softplus(x: float) -> float:
    """Cross-entropy in nats where the wrong class leads by x."""
    return math.log1p(math.exp(x))


@pytest.mark.parametrize(
    ("epoch", "step", "every_step", "expected"),
    [
        (0, 0, False, 0.5),
        (0, 3, False, 0.5),
        (1, 2, False, 0.1 + 0.2 * (1 + math.cos(math.pi / 2))),
        (2, 0, False, 0.5),
        (3, 3, False, 0.1 + 0.2 * (1 + math.cos(math.pi / 4))),
        (0, 0, True, 0.5),
        (0, 3, True, 0.1 + 0.2 * (1 + math.cos(math.pi * 0.75 / 2))),
        (1, 2, True, 0.1 + 0.2 * (1 + math.cos(math.pi * 1.5 / 2))),
        (2, 0, True, 0.5),
        (3, 3, True, 0.1 + 0.2 * (1 + math.cos(math.pi * 1.75 / 4))),
    ],
)
def test_the_rate_follows_the_cosine_of_the_epoch_or_of_the_step(
    epoch: int, step: int, every_step: bool, expected: float, tmp_path: Path
) -> None:
    config = replace(CONFIG, lr_max=0.5, lr_min=0.1, lr_first_cycle=2, lr_cycle_growth=2, lr_every_step=every_step)
    state = Training(objects(Linear(1.0), config), run_in(tmp_path / "run"))
    assert state.steps_per_epoch() == 4
    state.epoch, state.step = epoch, step
    state.set_rate()
    assert [group["lr"] for group in state.optimizer.param_groups] == pytest.approx([expected])


def test_a_network_that_follows_progress_is_told_before_each_step(tmp_path: Path) -> None:
    network = Following(1.0)
    do_train(objects(network, replace(CONFIG, epochs=3)), run_in(tmp_path / "run"))
    assert network.told == [(step, pytest.approx((step + 1) / 12)) for step in range(12)]


@pytest.mark.parametrize("every_step", [False, True])
def test_weights_move_by_the_rate_of_each_step(every_step: bool, tmp_path: Path) -> None:
    """Plain gradient descent: d loss / d w is -2 sigmoid(-2 w) for a right label, whatever the batch."""
    config = replace(CONFIG, epochs=3, lr_max=0.5, lr_min=0.0, lr_first_cycle=3, lr_every_step=every_step)
    run = run_in(tmp_path / "run")
    do_train(objects(Linear(0.0), config), run)
    w = 0.0
    for epoch in range(3):
        for step in range(4):
            at = epoch + (step / 4 if every_step else 0)
            w += 0.25 * (1 + math.cos(math.pi * at / 3)) * 2 / (1 + math.exp(2 * w))
    assert kept(run, LAST) == pytest.approx(w, rel=1e-5)
    last = 2 + (3 / 4 if every_step else 0)
    assert metrics(run)[-1]["train/lr"] == pytest.approx(0.25 * (1 + math.cos(math.pi * last / 3)))


@pytest.mark.parametrize(("clip", "factor"), [(None, 1.0), (10.0, 1.0), (0.25, 0.25)])
def test_one_step_is_nesterov_with_decay_of_the_clipped_gradient(
    clip: float | None, factor: float, tmp_path: Path
) -> None:
    config = replace(CONFIG, epochs=1, steps_per_epoch=2, momentum=0.9, weight_decay=0.01, grad_clip=clip)
    network = Linear(0.0)
    do_train(objects(network, config), run_in(tmp_path / "run"))
    w, velocity = 0.0, 0.0
    for _ in range(2):
        gradient = -2 / (1 + math.exp(2 * w))
        gradient = gradient if factor == 1.0 else math.copysign(min(abs(gradient), factor), gradient)
        gradient += 0.01 * w
        velocity = 0.9 * velocity + gradient
        w -= 0.1 * (gradient + 0.9 * velocity)
    assert network.w.item() == pytest.approx(w, rel=1e-4)


@pytest.mark.parametrize(("optimizer", "moved"), [("adam", 0.1), ("rmsprop", 1.0), ("sgd", 0.1), ("momentum", 0.19)])
def test_the_optimiser_is_the_one_that_was_asked_for(optimizer: Any, moved: float, tmp_path: Path) -> None:
    """The first step from 0, where the gradient is -1: Adam goes the rate, RMSprop 1 / sqrt(0.01) times the rate."""
    network = Linear(0.0)
    config = replace(CONFIG, epochs=1, steps_per_epoch=1, momentum=0.9, optimizer=optimizer)
    do_train(objects(network, config), run_in(tmp_path / "run"))
    assert network.w.item() == pytest.approx(moved, rel=1e-4)


def test_the_best_weights_are_kept_beside_the_last(tmp_path: Path) -> None:
    """Training labels are the opposite of validation labels: accuracy falls from one to zero while w falls below zero."""
    task = make_task(train=split([0, 1] * 8, swapped=True), test=split([0, 1, 1]))
    network = Linear(0.7)
    run = run_in(tmp_path / "run")
    after: list[float] = []
    config = replace(CONFIG, epochs=5)
    result = train(
        objects(network, config, task),
        run,
        console=Console(file=io.StringIO()),
        say=lambda _: after.append(network.w.item()),
    )
    run.close()
    accuracy = [line["valid/accuracy"] for line in metrics(run)]
    assert accuracy == [1.0 if w > 0 else 0.0 for w in after]
    assert accuracy[0] == 1.0
    assert accuracy[-1] == 0.0
    assert kept(run, BEST) == after[0]
    assert kept(run, LAST) == after[-1]
    assert network.w.item() == after[0]
    assert result["valid/accuracy"] == 1.0
    assert result["test/accuracy"] == 1.0
    assert result["epochs"] == 5


def test_later_weights_are_kept_when_they_are_better(tmp_path: Path) -> None:
    network = Linear(-0.7)
    run = run_in(tmp_path / "run")
    after: list[float] = []
    train(
        objects(network, replace(CONFIG, epochs=5)),
        run,
        console=Console(file=io.StringIO()),
        say=lambda _: after.append(network.w.item()),
    )
    run.close()
    assert after[0] < 0 < after[-1]
    assert kept(run, BEST) == next(w for w in after if w > 0)
    assert kept(run, LAST) == after[-1]


def test_metrics_of_an_epoch_are_means_over_its_examples(tmp_path: Path) -> None:
    """Without learning, loss and accuracy are known; a batch of 10 leaves a smaller one of 3 that must count less."""
    task = make_task(train=ImageSplit(split([1] * 13).images, torch.tensor([1] * 9 + [0] * 4)))
    config = replace(CONFIG, epochs=2, batch_size=10, lr_max=0.0, lr_min=0.0)
    run = run_in(tmp_path / "run")
    lines: list[str] = []
    do_train(objects(Linear(0.5), config, task), run, lines=lines)
    loss = (9 * softplus(-1.0) + 4 * softplus(1.0)) / 13
    expected = {
        "train/loss": loss,
        "train/accuracy": 9 / 13,
        "train/lr": 0.0,
        "valid/loss": softplus(-1.0),
        "valid/accuracy": 1.0,
    }
    found = metrics(run)
    assert found[0] == pytest.approx({"step": 1, **expected}, rel=1e-5)
    assert found[1] == pytest.approx({"step": 2, **expected}, rel=1e-5)
    assert lines[0].startswith(f"epoch 1/2: loss {loss:.3f}, validation accuracy 1.0000, ")


def test_training_on_validation_examples_uses_all_of_them_and_keeps_the_last_weights(tmp_path: Path) -> None:
    task = make_task(train=split([0] * 7), test=split([0, 1, 1]))  # white images are in the validation split only
    network = Linear(0.3)
    run = run_in(tmp_path / "run")
    config = replace(CONFIG, epochs=3, train_on_valid=True)
    result = do_train(objects(network, config, task), run)
    assert len(network.seen) == 3 * 3
    for epoch in range(3):
        seen = Counter(round(value) for batch in network.seen[3 * epoch : 3 * epoch + 3] for value in batch)
        assert seen == {-1: 7 + 2, 1: 3}
    assert kept(run, BEST) == kept(run, LAST) == network.w.item()
    assert network.w.item() != pytest.approx(0.3)
    assert result.keys() == {"parameters", "epochs", "test/loss", "test/accuracy"}
    assert all(not name.startswith("valid/") for line in metrics(run) for name in line)


def test_without_that_setting_validation_examples_are_not_trained_on(tmp_path: Path) -> None:
    network = Linear(0.3)
    do_train(objects(network, CONFIG, make_task(train=split([0] * 7))), run_in(tmp_path / "run"))
    assert {round(value) for batch in network.seen for value in batch} == {-1}
    assert len(network.seen) == 2 * 4


def test_result_has_hand_numbers_and_is_written(tmp_path: Path) -> None:
    test = ImageSplit(split([0, 1, 1]).images, torch.tensor([0, 0, 1]))
    run = run_in(tmp_path / "run")
    config = replace(CONFIG, epochs=2, lr_max=0.0, lr_min=0.0)
    result = do_train(objects(Linear(0.5), config, make_task(test=test)), run)
    expected = {
        "parameters": 1,
        "epochs": 2,
        "valid/loss": softplus(-1.0),
        "valid/accuracy": 1.0,
        "test/loss": (2 * softplus(-1.0) + softplus(1.0)) / 3,
        "test/accuracy": 2 / 3,
    }
    assert result == pytest.approx(expected, rel=1e-5)
    assert json.loads((run.path / "result.json").read_text()) == result


def test_without_test_images_the_result_has_no_test_figures(tmp_path: Path) -> None:
    result = do_train(objects(Linear(0.5), replace(CONFIG, epochs=1)), run_in(tmp_path / "run"))
    assert result.keys() == {"parameters", "epochs", "valid/loss", "valid/accuracy"}


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


class Slow(Linear):
    """Each training step takes an hour of a clock that a test can read."""

    def __init__(self, w: float, clock: list[float]) -> None:
        super().__init__(w)
        self.clock = clock

    def forward(self, inputs: Tensor) -> Tensor:
        if self.training:
            self.clock[0] += 3600.0
        return super().forward(inputs)


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


def test_an_impossible_cosine_cycle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a cosine cycle needs at least one epoch"):
        do_train(objects(Linear(0.5), replace(CONFIG, lr_first_cycle=0)), run_in(tmp_path / "run"))


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


def test_a_loss_that_is_not_finite_ends_the_training(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="the loss became nan in epoch 1: train anew with a lower --lr-max"):
        do_train(objects(Linear(math.nan), CONFIG), run_in(tmp_path / "run"))


def test_weights_are_averaged_once_validation_stops_getting_better(tmp_path: Path) -> None:
    """Labels are swapped in training only: validation gets worse as the weight falls below zero."""
    swapped = make_task(train=split([0, 1] * 8, swapped=True))
    config = replace(CONFIG, epochs=6, lr_max=0.05, lr_min=0.05, average_trigger=1)
    run, lines = run_in(tmp_path / "run"), list[str]()
    do_train(objects(Linear(0.3), config, swapped), run, lines=lines)
    (at,) = (i for i, line in enumerate(lines) if "weights are averaged from here on" in line)
    accuracies = [line["valid/accuracy"] for line in metrics(run)]
    assert accuracies[at] < max(accuracies[: at - 1])
    own = run_in(tmp_path / "own")
    do_train(objects(Linear(0.3), replace(config, average_trigger=None), swapped), own)
    assert kept(run, LAST) > kept(own, LAST), "training lowers the weight, and the mean lags behind"
    assert metrics(run)[at] == metrics(own)[at]


def test_averaging_goes_on_after_an_interruption(tmp_path: Path) -> None:
    swapped = make_task(train=split([0, 1] * 8, swapped=True))
    config = replace(CONFIG, epochs=6, lr_max=0.05, lr_min=0.05, average_trigger=1)
    whole, parts = run_in(tmp_path / "whole"), run_in(tmp_path / "parts")
    do_train(objects(Linear(0.3), config, swapped), whole)
    do_train(objects(Linear(0.3), replace(config, epochs=5), swapped), parts)
    do_train(objects(Linear(9.0), config, swapped), parts, resume=True)
    assert kept(parts, LAST) == kept(whole, LAST)
    assert metrics(parts) == metrics(whole)
