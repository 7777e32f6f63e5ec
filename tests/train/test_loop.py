"""Training from scratch, on two brightnesses and a linear network: rates, steps, which weights are kept, the result."""

import io
import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from enas.data.images import ImageSplit
from enas.errors import RunError, UsageError
from enas.train.loop import BEST, LAST, Training, train

from .brightness import (
    CONFIG,
    Linear,
    do_train,
    kept,
    make_task,
    metrics,
    objects,
    run_in,
    split,
)


class Following(Linear):
    """Also notes what it is told of the progress, and before how many batches."""

    def __init__(self, w: float) -> None:
        super().__init__(w)
        self.told: list[tuple[int, float]] = []

    def set_progress(self, fraction: float) -> None:
        self.told.append((len(self.seen), fraction))


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


def test_an_impossible_cosine_cycle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a cosine cycle needs at least one epoch"):
        do_train(objects(Linear(0.5), replace(CONFIG, lr_first_cycle=0)), run_in(tmp_path / "run"))


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
