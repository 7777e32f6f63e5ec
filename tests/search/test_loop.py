"""A whole search: what the policy learns, which figures are logged, what is drawn and derived."""

import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from enas.architecture import Architecture
from enas.data.images import ImageSplit
from enas.draw import draw
from enas.errors import RunError
from enas.run import Run
from enas.search.loop import derive_from
from enas.space import Graph
from enas.tasks.images import ImageTask

from .problems import (
    PLAIN,
    QUICK,
    Toy,
    do_search,
    expected_accuracy,
    good,
    jsonl,
    quiet,
    run_in,
    toy,
    toy_graph,
    toy_task,
    values,
)


def test_the_policy_learns_what_is_rewarded(tmp_path: Path) -> None:
    """Chance is 5/8; the best is 1."""
    config = replace(
        QUICK,
        epochs=3,
        controller_steps=20,
        controller_samples=10,
        controller_lr=0.01,
        baseline_decay=0.9,
        derive_samples=20,
    )
    objects = toy(config)
    before = expected_accuracy(objects.controller)
    assert before == pytest.approx(5 / 8, abs=0.02)
    run = run_in(tmp_path / "run")
    found = do_search(objects, run)
    assert expected_accuracy(objects.controller) > 0.9
    assert found.best.score == 1.0
    assert found.difference > 2 * found.standard_error > 0
    lines = jsonl(run, "metrics.jsonl")
    assert lines[0]["controller/reward"] < lines[2]["controller/reward"] - 0.1


def test_the_policy_unlearns_what_is_punished(tmp_path: Path) -> None:
    """The same problem with all labels swapped: good answers are now wrong ones."""
    task = toy_task()
    valid = ImageSplit(task.data.valid.images, 1 - task.data.valid.labels)
    swapped = ImageTask(replace(task.data, valid=valid), PLAIN, torch.device("cpu"))
    config = replace(
        QUICK, controller_steps=100, controller_samples=10, controller_lr=0.02, baseline_decay=0.9, reward_batch_size=8
    )
    objects = toy(config, task=swapped)
    do_search(objects, run_in(tmp_path / "run"))
    assert expected_accuracy(objects.controller) < 0.35


def test_figures_of_a_certain_policy_have_their_closed_forms(tmp_path: Path) -> None:
    """The policy always says "good": each reward is 1, so the baseline after n rewards is 1 - decay^n, across epochs."""
    config = replace(
        QUICK, epochs=2, controller_steps=3, controller_lr=0.0, baseline_decay=0.9, entropy_weight=0.5, skip_weight=0.0
    )
    objects = toy(config, bias=(-60.0, 60.0), init_range=0.0)
    run = run_in(tmp_path / "run")
    lines: list[str] = []
    do_search(objects, run, lines=lines)
    entropy = 2 * math.log(2)  # of the two skips, undecided; the operations have none
    reward = 1 + 0.5 * entropy
    penalty = math.log(0.5 / 0.4) + math.log(0.5 / 0.6)  # twice one half of each
    lead = math.log1p(math.exp(-2.0))
    for epoch, line in enumerate(jsonl(run, "metrics.jsonl")):
        advantages = [reward * 0.9**n for n in range(12 * epoch + 1, 12 * epoch + 13)]
        mean = sum(advantages) / 12
        rate = line.pop("controller/skip_rate")
        assert 0 < rate < 1
        assert line == pytest.approx(
            {
                "step": epoch + 1,
                "train/loss": lead,
                "train/accuracy": 1.0,
                "train/lr": 0.0,
                "controller/loss": entropy * mean,
                "controller/reward": reward,
                "controller/advantage": mean,
                "controller/entropy": entropy,
                "controller/skip_penalty": penalty,
                "controller/baseline": reward * (1 - 0.9 ** (12 * epoch + 12)),
                "valid/sampled_accuracy": 1.0,
                "valid/best_accuracy": 1.0,
            },
            rel=1e-4,
        )
    best = jsonl(run, "architectures.jsonl")
    assert [line["score"] for line in best] == [1.0, 1.0]
    assert [line["architecture"]["choices"]["first"] for line in best] == ["good", "good"]
    assert [line.split(":")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    assert f"loss {lead:.3f}, supernet accuracy of sampled architectures 1.000, best 1.000" in lines[0]


def test_training_figures_are_means_over_examples_of_batches_of_different_sizes(tmp_path: Path) -> None:
    """The policy always says "bad": levels 0 and 1 of 8 are right, of 16 images in batches of 6, 6 and 4."""
    run = run_in(tmp_path / "run")
    do_search(toy(replace(QUICK, batch_size=6), bias=(60.0, -60.0)), run)
    (line,) = jsonl(run, "metrics.jsonl")
    assert line["train/accuracy"] == pytest.approx(2 / 8)
    right, wrong = math.log1p(math.exp(-2.0)), math.log1p(math.exp(2.0))
    assert line["train/loss"] == pytest.approx((2 * right + 6 * wrong) / 8, rel=1e-5)


def test_evaluation_logs_mean_and_best_of_what_was_sampled(tmp_path: Path) -> None:
    run = run_in(tmp_path / "run")
    supernet = Toy()
    config = replace(QUICK, controller_steps=0, evaluation_samples=6)
    do_search(toy(config, supernet=supernet), run)
    (line,) = jsonl(run, "metrics.jsonl")
    (best,) = jsonl(run, "architectures.jsonl")
    assert line["valid/best_accuracy"] == best["score"] >= line["valid/sampled_accuracy"]
    assert line["valid/sampled_accuracy"] * 6 * 8 == pytest.approx(round(line["valid/sampled_accuracy"] * 6 * 8))
    found = Architecture.from_json(json.dumps(best["architecture"]))
    assert best["score"] == (2 + 3 * good(found)) / 8


def test_the_best_of_the_epoch_is_drawn(tmp_path: Path) -> None:
    objects, run = toy(replace(QUICK, epochs=2)), run_in(tmp_path / "run")
    do_search(objects, run)
    last = jsonl(run, "architectures.jsonl")[-1]["architecture"]
    draw(toy_graph(Architecture.from_json(json.dumps(last))), tmp_path / "same.svg")
    assert (run.path / "best.svg").read_bytes() == (tmp_path / "same.svg").read_bytes()
    events = EventAccumulator(str(run.path / "tensorboard")).Reload()
    assert [event.step for event in events.Images("best_architecture")] == [1, 2]


def test_a_drawing_that_fails_does_not_end_the_search(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    objects = toy(QUICK)
    objects = replace(objects, space=replace(objects.space, wiring=lambda _: Graph("empty", (), ())))
    run = run_in(tmp_path / "run")
    do_search(objects, run)
    assert "no picture of epoch 1: cannot draw 'empty': it has no nodes" in caplog.text
    assert not (run.path / "best.svg").exists()
    assert (run.path / "architecture.json").is_file()


def test_without_controller_steps_the_policy_stays_and_the_weights_are_trained(tmp_path: Path) -> None:
    objects = toy(replace(QUICK, epochs=2, controller_steps=0, lr_max=0.1, lr_min=0.1))
    policy = values(objects.controller)
    run = run_in(tmp_path / "run")
    do_search(objects, run)
    assert all(torch.equal(policy[name], value) for name, value in values(objects.controller).items())
    assert next(objects.supernet.parameters()).item() != 1.0
    lines = jsonl(run, "metrics.jsonl")
    assert [line["step"] for line in lines] == [1, 2]
    assert {name for name in lines[0] if name.startswith("controller/")} == {"controller/baseline"}
    assert lines[1]["controller/baseline"] == 0.0


def test_the_result_is_written_and_is_what_was_returned(tmp_path: Path) -> None:
    run = run_in(tmp_path / "run")
    found = do_search(toy(replace(QUICK, derive_samples=5)), run)
    assert json.loads((run.path / "candidates.json").read_text()) == json.loads(json.dumps(found.to_json()))
    assert Architecture.load(run.path / "architecture.json") == found.best.architecture


def test_deriving_again_from_a_run_gives_the_same(tmp_path: Path) -> None:
    config = replace(QUICK, controller_steps=20, controller_lr=0.02, derive_samples=5)
    run = run_in(tmp_path / "run")
    found = do_search(toy(config), run)
    fresh = toy(config)
    logged = (run.path / "metrics.jsonl").read_bytes()
    assert derive_from(fresh, Run.open(run.path), console=quiet()) == found
    assert expected_accuracy(fresh.controller) > expected_accuracy(toy(config).controller)
    more = derive_from(toy(replace(config, derive_samples=9)), Run.open(run.path), console=quiet())
    assert len(more.candidates) == 18
    assert (run.path / "metrics.jsonl").read_bytes() == logged


def test_a_run_without_a_checkpoint_cannot_be_derived_from(tmp_path: Path) -> None:
    run = run_in(tmp_path / "run")
    with pytest.raises(RunError, match="run has no checkpoint to derive from: run its search first"):
        derive_from(toy(QUICK), run, console=quiet())


def test_two_seeds_search_differently(tmp_path: Path) -> None:
    trained = []
    for seed in (0, 1):
        supernet = Toy()
        do_search(toy(replace(QUICK, batch_size=1, seed=seed), supernet=supernet), run_in(tmp_path / str(seed)))
        trained.append(Counter(chosen.to_json() for chosen in supernet.trained))
    assert trained[0] != trained[1]
