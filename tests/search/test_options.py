"""Options of a search, each against what it must do: which architectures are trained and how, what is scored and when.

The problem is the macro supernet on noise; for scores, a toy that is right about as many images as its weight says.
"""

import io
import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from enas.architecture import Architecture
from enas.config import AugmentConfig, ControllerConfig, SearchConfig
from enas.controller import Controller, sample_uniformly
from enas.data.images import ImageData, ImageSplit
from enas.errors import Interrupted
from enas.interrupt import Interrupt
from enas.progress import Progress
from enas.run import Run
from enas.search.derive import Derivation
from enas.search.loop import accumulate, search, step_weights, train_controller, train_weights
from enas.search.rewards import PROBE_SEED, measure
from enas.search.sampling import training_codes
from enas.search.scoring import Decoder
from enas.search.setup import SearchObjects
from enas.search.state import Search
from enas.spaces import load
from enas.spaces.macro.steps import OPERATIONS
from enas.spaces.macro.steps import steps as macro_steps
from enas.spaces.macro.supernet import MacroSupernetConfig, Supernet
from enas.tasks.images import ImageTask

CONFIG = SearchConfig(
    epochs=3,
    batch_size=8,
    lr_max=0.1,
    lr_min=0.1,
    lr_first_cycle=3,
    controller_steps=2,
    controller_samples=3,
    controller_lr=0.05,
    reward_batch_size=5,
    evaluation_samples=2,
    derive_samples=4,
)
LAYERS = 2


def noise(augment: bool = False) -> ImageTask:
    def split(count: int, seed: int) -> ImageSplit:
        images = torch.randint(256, (count, 4, 4, 1), generator=torch.Generator().manual_seed(seed))
        return ImageSplit(images.to(torch.uint8), torch.arange(count) % 3)

    data = ImageData("noise", ("a", "b", "c"), split(24, 0), split(20, 1), None, (0.5,), (0.25,), ())
    return ImageTask(data, AugmentConfig(crop_padding=int(augment), flip=augment), torch.device("cpu"))


def make(config: SearchConfig, supernet: nn.Module | None = None, *, dropout: float = 0.1) -> SearchObjects:
    torch.manual_seed(config.seed)
    task, size = noise(augment=True), {"layers": LAYERS}
    built = Supernet(MacroSupernetConfig(layers=LAYERS, filters=2, dropout=dropout), task.spec)
    steps = macro_steps(size)
    controller = Controller(steps, ControllerConfig(hidden=8))
    return SearchObjects(load("macro"), task, supernet or built, controller, Decoder("macro", steps, size), config)


def run_in(path: Path) -> Run:
    return Run.create(path, {"kind": "search"})


def do_search(objects: SearchObjects, run: Run, *, resume: bool = False) -> tuple[Derivation, list[str]]:
    lines: list[str] = []
    found = search(objects, run, console=Console(file=io.StringIO()), say=lines.append, resume=resume)
    run.close()
    return found, lines


def phase(function: Any, state: Search) -> None:
    with Interrupt() as interrupt, Progress("search", 99, console=Console(file=io.StringIO())) as bar:
        function(state, bar, interrupt)


def lines_of(run: Run, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.path / name).read_text().splitlines()]


class Recorder(nn.Module):
    """Notes which architectures are trained and scored, and on which images; asks for a stop in its call number `stop`."""

    def __init__(self, inner: nn.Module, stop: int | None = None) -> None:
        super().__init__()
        self.inner, self.stop, self.calls = inner, stop, 0
        self.trained: list[Architecture] = []
        self.scored: list[tuple[str, float]] = []

    def forward(self, inputs: Tensor, architecture: Architecture) -> Tensor:
        self.calls += 1
        if self.calls == self.stop:
            os.kill(os.getpid(), signal.SIGINT)
        if self.training:
            self.trained.append(architecture)
        else:
            self.scored.append((architecture.to_json(), inputs.sum().item()))
        return self.inner(inputs, architecture)


def recorded(config: SearchConfig, stop: int | None = None) -> SearchObjects:
    plain = make(config)
    return replace(plain, supernet=Recorder(plain.supernet, stop))


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
}
WRITTEN = ("metrics.jsonl", "architectures.jsonl", "candidates.json", "architecture.json", "probes.jsonl")


def written(run: Run) -> dict[str, bytes]:
    return {name: (run.path / name).read_bytes() for name in WRITTEN if (run.path / name).is_file()}


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


# The reward batch.


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


# Probes.


def test_probes_change_nothing_and_the_uniform_ones_are_the_same_in_all_epochs_and_seeds(tmp_path: Path) -> None:
    plain, probed, other = (run_in(tmp_path / name) for name in ("plain", "probed", "other"))
    do_search(make(CONFIG), plain)
    config = replace(CONFIG, probe_samples=4, probe_examples=10)
    do_search(make(config), probed)
    do_search(make(replace(config, seed=1)), other)
    probes = lines_of(probed, "probes.jsonl")
    assert {**written(probed), "probes.jsonl": b""} == {**written(plain), "probes.jsonl": b""}
    steps = macro_steps({"layers": LAYERS})
    uniform = sample_uniformly(steps, 4, torch.Generator().manual_seed(PROBE_SEED)).tolist()
    for line in probes + lines_of(other, "probes.jsonl"):
        assert line["examples"] == 10
        assert line["uniform"]["codes"] == uniform
        assert len(line["policy"]["codes"]) == 4
        for origin in ("uniform", "policy"):
            assert all(round(10 * score) == pytest.approx(10 * score) for score in line[origin]["scores"])
    assert [line["step"] for line in probes] == [1, 2, 3]


@pytest.mark.parametrize(("every", "epochs"), [(2, [2, 3]), (3, [3]), (9, [3])])
def test_probes_are_as_far_apart_as_asked_and_the_last_epoch_has_one(
    tmp_path: Path, every: int, epochs: list[int]
) -> None:
    run = run_in(tmp_path / "run")
    do_search(make(replace(CONFIG, probe_samples=2, probe_examples=10, probe_every=every)), run)
    assert [line["step"] for line in lines_of(run, "probes.jsonl")] == epochs


def test_random_search_probes_no_policy(tmp_path: Path) -> None:
    run = run_in(tmp_path / "run")
    config = replace(CONFIG, controller_steps=0, derive_from="uniform", probe_samples=2)
    found, _ = do_search(make(config), run)
    assert all("policy" not in line for line in lines_of(run, "probes.jsonl"))
    assert found.best.origin == "uniform"


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
