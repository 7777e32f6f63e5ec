"""Options of a search, each against what it must do: which architectures are trained and how, and what is scored."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from enas.architecture import Architecture
from enas.config import ControllerConfig
from enas.controller import Controller, sample_uniformly
from enas.errors import Interrupted
from enas.run import Run
from enas.search.loop import accumulate, step_weights, train_controller, train_weights
from enas.search.rewards import measure
from enas.search.sampling import training_codes
from enas.search.state import Search
from enas.spaces.macro.steps import OPERATIONS

from .problems import run_in
from .recorder import CONFIG, LAYERS, do_search, lines_of, make, phase, recorded, written

# The same seed, and interruptions.

OPTIONS: dict[str, dict[str, Any]] = {
    "uniform": {"weights_sampling": "uniform"},
    "warm-up": {"warmup_epochs": 1, "warmup_sampling": "fair"},
    "fair, two a step": {"weights_sampling": "fair", "architectures_per_step": 2},
    "average": {"scoring_average": 0.7},
    "fixed batch": {"fix_reward_batch": True},
    "stages": {"derive_stages": 2, "derive_samples": 6},
    "random": {"weights_sampling": "uniform", "controller_steps": 0, "derive_from": "uniform"},
    "probes": {"probe_samples": 3, "probe_examples": 10},
    "entropy schedule": {"entropy_weight": 0.1, "entropy_weight_end": 0.0},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_the_same_seed_and_an_interruption_give_the_same_bytes(name: str, tmp_path: Path) -> None:
    config = replace(CONFIG, epochs=2, **OPTIONS[name])
    whole, cut = run_in(tmp_path / "whole"), run_in(tmp_path / "cut")
    do_search(recorded(config), whole)
    stop = (4, 8)[list(OPTIONS).index(name) % 2]  # among the first steps or scores, or after them
    with pytest.raises(Interrupted):
        do_search(recorded(config, stop), cut)
    cut.close()
    again = recorded(config)
    torch.manual_seed(999)
    do_search(again, Run.open(cut.path), resume=True)
    assert written(cut) == written(whole)
    assert ("probes.jsonl" in written(whole)) == (name == "probes")


# Sampling.


def test_the_policy_is_asked_as_before_when_nothing_else_is_set(tmp_path: Path) -> None:
    state = Search(make(CONFIG), run_in(tmp_path / "run"))
    state.position.order_seed = 7
    with torch.no_grad():
        expected = state.objects.controller(3, generator=torch.Generator().manual_seed(8)).codes
    assert torch.equal(training_codes(state), expected[:, None])


@pytest.mark.parametrize("several", [1, 3])
def test_uniform_architectures_do_not_depend_on_the_policy(several: int, tmp_path: Path) -> None:
    config = replace(CONFIG, weights_sampling="uniform", architectures_per_step=several)
    state = Search(make(config), run_in(tmp_path / "run"))
    state.position.order_seed = 7
    expected = sample_uniformly(state.objects.decoder.steps, 3 * several, torch.Generator().manual_seed(8))
    assert torch.equal(training_codes(state), expected.view(3, several, -1))


def test_with_as_many_architectures_as_operations_each_step_trains_each_operation_once(tmp_path: Path) -> None:
    config = replace(CONFIG, epochs=1, weights_sampling="fair", architectures_per_step=len(OPERATIONS))
    objects = recorded(config)
    do_search(objects, run_in(tmp_path / "run"))
    trained = objects.supernet.trained
    assert len(trained) == 3 * 6
    for step in range(3):
        for layer in range(LAYERS):
            names = [chosen.choices[f"layer{layer}.op"] for chosen in trained[6 * step : 6 * step + 6]]
            assert sorted(map(str, names)) == sorted(OPERATIONS)


def test_in_a_warm_up_the_controller_stays_and_what_is_trained_is_fair(tmp_path: Path) -> None:
    config = replace(CONFIG, warmup_epochs=2, warmup_sampling="fair", steps_per_epoch=6)
    objects = recorded(config)
    start = [p.detach().clone() for p in objects.controller.parameters()]
    state = Search(objects, run_in(tmp_path / "run"))
    for epoch in range(3):
        state.position.epoch, state.position.phase, state.position.step = epoch, "weights", 0
        phase(train_weights, state)
        phase(train_controller, state)
        same = all(torch.equal(a, b) for a, b in zip(start, objects.controller.parameters(), strict=True))
        assert same == (epoch < 2)
    for epoch in range(2):
        names = [str(chosen.choices["layer0.op"]) for chosen in objects.supernet.trained[6 * epoch : 6 * epoch + 6]]
        assert sorted(names) == sorted(OPERATIONS)


def test_a_warm_up_epoch_logs_no_figures_of_the_controller(tmp_path: Path) -> None:
    run = run_in(tmp_path / "run")
    _, lines = do_search(make(replace(CONFIG, warmup_epochs=1)), run)
    first, second, _ = lines_of(run, "metrics.jsonl")
    assert {name for name in first if name.startswith("controller/")} == {"controller/baseline"}
    assert first["controller/baseline"] == 0.0
    assert "controller/entropy" in second
    assert "entropy" not in lines[0]
    assert "entropy" in lines[1]


# The schedule of the entropy weight.


def test_the_entropy_weight_goes_from_the_first_update_after_the_warm_up_to_the_last(tmp_path: Path) -> None:
    config = replace(CONFIG, warmup_epochs=1, controller_lr=0.0, entropy_weight=0.1, entropy_weight_end=0.4)
    run, other = run_in(tmp_path / "run"), run_in(tmp_path / "other")
    do_search(make(config), run)
    do_search(make(replace(config, entropy_weight=0.0, entropy_weight_end=None)), other)
    (warm, *rest), (_, *plain) = lines_of(run, "metrics.jsonl"), lines_of(other, "metrics.jsonl")
    name = "controller/entropy_weight"
    assert not any(name in line for line in (warm, *plain))
    assert [line[name] for line in rest] == pytest.approx([(0.1 + 0.2) / 2, (0.3 + 0.4) / 2])
    for line, without in zip(rest, plain, strict=True):  # a policy that rests samples and scores the same
        bonus = line["controller/reward"] - without["controller/reward"]
        assert bonus == pytest.approx(line[name] * line["controller/entropy"], rel=1e-3)


@pytest.mark.parametrize("steps", [1, 3])
def test_the_progress_of_the_controller_goes_from_0_to_1(steps: int, tmp_path: Path) -> None:
    state = Search(make(replace(CONFIG, epochs=4, warmup_epochs=2, controller_steps=steps)), run_in(tmp_path / "run"))
    found = []
    for state.position.epoch in (2, 3):
        for state.position.step in range(steps):
            found.append(state.controller_progress())
    assert found == [i / (2 * steps - 1) for i in range(2 * steps)]


def test_a_single_update_of_the_controller_is_the_first(tmp_path: Path) -> None:
    state = Search(make(replace(CONFIG, epochs=1, controller_steps=1)), run_in(tmp_path / "run"))
    assert state.controller_progress() == 0.0


# Several architectures a step.


def gradients(module: nn.Module) -> dict[str, Tensor]:
    return {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}


def test_the_gradient_of_a_step_is_the_mean_over_its_architectures(tmp_path: Path) -> None:
    state = Search(make(CONFIG, dropout=0.0), run_in(tmp_path / "run"))
    supernet, task = state.objects.supernet.train(), state.objects.task
    batch = task.random_batch("train", 24, torch.Generator().manual_seed(0))
    codes = torch.tensor([[0, 1, 1], [0, 3, 0], [4, 5, 1]])
    alone = []
    for row in codes:
        (outcome,) = accumulate(state, batch, row[None])
        assert outcome.figures["seen"] == 24
        alone.append(gradients(supernet))
    assert len(accumulate(state, batch, codes)) == 3
    together = gradients(supernet)
    assert set(together) == set().union(*alone)
    assert {sum(name in single for single in alone) for name in together} == {1, 2, 3}
    for name, gradient in together.items():
        mean = torch.stack([single[name] for single in alone if name in single]).sum(0) / 3
        assert torch.allclose(gradient, mean, rtol=1e-4, atol=1e-6), name


def test_a_step_with_one_overflowing_architecture_is_left_out(tmp_path: Path) -> None:
    class Overflows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3))

        def forward(self, inputs: Tensor, architecture: Architecture) -> Tensor:
            factor = float("inf") if self.training and architecture.choices["layer0.op"] == "conv3x3" else 1.0
            return (self.weight * factor).expand(len(inputs), 3)

    state = Search(make(replace(CONFIG, architectures_per_step=2), Overflows()), run_in(tmp_path / "run"))
    state.objects.supernet.train()
    batch = state.objects.task.random_batch("train", 8, torch.Generator())
    bad, fine = OPERATIONS.index("conv3x3"), OPERATIONS.index("sep3x3")
    outcomes = accumulate(state, batch, torch.tensor([[fine, 0, 0], [bad, 0, 0], [fine, 0, 0]]))
    assert [bool(outcome.loss.isfinite()) for outcome in outcomes] == [True, False]
    weight = state.objects.supernet.weight.detach().clone()
    phase(train_weights, state)
    position = state.position
    assert 0 < position.sums["skipped"] <= 3
    assert torch.equal(state.objects.supernet.weight, weight) == (position.sums["skipped"] == 3)
    assert state.objects.supernet.weight.isfinite().all()


def test_figures_count_every_architecture_of_a_step(tmp_path: Path) -> None:
    objects = recorded(replace(CONFIG, epochs=1, architectures_per_step=2))
    state = Search(objects, run_in(tmp_path / "run"))
    phase(train_weights, state)
    assert state.position.sums["seen"] == 2 * 24
    assert len(objects.supernet.trained) == 6


# Averaged weights.


def test_the_average_follows_its_recursion_and_is_what_is_scored(tmp_path: Path) -> None:
    state = Search(make(replace(CONFIG, scoring_average=0.75)), run_in(tmp_path / "run"))
    supernet = state.objects.supernet.train()
    assert state.scored is not supernet
    batch = state.objects.task.random_batch("train", 8, torch.Generator().manual_seed(0))
    expected: dict[str, Tensor] = {}
    for code in (0, 1, 0, 4):
        accumulate(state, batch, torch.tensor([[code, code, 0]]))
        assert step_weights(state)
        for name, value in supernet.named_parameters():
            before = expected.get(name, value.detach().double())  # the first step begins the average
            expected[name] = 0.75 * before + 0.25 * value.detach().double()
    averaged = dict(state.scored.named_parameters())
    assert set(averaged) == set(expected)
    for name, value in expected.items():
        assert torch.allclose(averaged[name].double(), value, atol=1e-6)
        assert not averaged[name].requires_grad
    assert any(not torch.equal(averaged[name], value) for name, value in supernet.named_parameters())
    with torch.no_grad():
        for value in supernet.parameters():
            value.fill_(float("nan"))
    state.scored.eval()
    scores = measure(state, torch.tensor([[0, 0, 0], [4, 4, 1]]))
    assert all(0 <= score <= 1 for score in scores)


def test_without_an_average_the_shared_weights_themselves_are_scored(tmp_path: Path) -> None:
    state = Search(make(CONFIG), run_in(tmp_path / "run"))
    assert state.average is None
    assert state.scored is state.objects.supernet


# The warning of an early collapse.


def test_an_early_collapse_is_warned_of_once(tmp_path: Path) -> None:
    config = replace(CONFIG, epochs=4, controller_lr=1.0, controller_epsilon=1e-8, skip_weight=0.0, entropy_weight=0.0)

    class Favourite(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(()))

        def forward(self, inputs: Tensor, architecture: Architecture) -> Tensor:
            liked = list(architecture.choices.values()).count("conv3x3")
            logits = torch.zeros(len(inputs), 3)
            logits[:, liked] = 1.0
            return logits * self.weight

    objects = make(replace(config, controller_steps=20, controller_samples=8), Favourite())
    steps = objects.decoder.steps
    torch.manual_seed(0)
    free = Controller(steps, ControllerConfig(hidden=8, tanh_constant=None))
    _, lines = do_search(replace(objects, controller=free), run_in(tmp_path / "run"))
    warnings = [line for line in lines if line.startswith("warning: the policy settled early")]
    assert len(warnings) == 1
    assert lines.index(warnings[0]) == 1
