"""The alternating training: which weights move and by how much, which rewards are measured, what the policy learns.

Two problems: the macro supernet on noise, and a toy whose accuracy is known: a quarter of the images are told right whatever
the architecture, and three eighths more for each of its two answers that is "good".
"""

import copy
import io
import json
import math
import os
import signal
import time
from collections import Counter
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from enas.architecture import Architecture, encode
from enas.config import AugmentConfig, ControllerConfig, SearchConfig
from enas.controller import Controller
from enas.data.images import ImageData, ImageSplit
from enas.decisions import Op, Skips, Step, Vocabulary
from enas.errors import Interrupted, RunError
from enas.interrupt import Interrupt
from enas.progress import Progress
from enas.run import Run
from enas.search.derive import Derivation
from enas.search.loop import accumulate, derive_from, search, step_weights, train_controller, train_weights
from enas.search.rewards import measure
from enas.search.scoring import Decoder
from enas.search.setup import SearchObjects
from enas.search.state import Search
from enas.spaces import load
from enas.spaces.macro.steps import OPERATIONS
from enas.spaces.macro.steps import steps as macro_steps
from enas.spaces.macro.supernet import MacroSupernetConfig, Supernet
from enas.tasks.images import ImageTask

PLAIN = AugmentConfig(crop_padding=0, flip=False)
QUICK = SearchConfig(
    epochs=1,
    batch_size=8,
    lr_max=0.0,
    lr_min=0.0,
    lr_first_cycle=1,
    controller_steps=1,
    controller_samples=4,
    entropy_weight=0.0,
    reward_batch_size=8,
    evaluation_samples=2,
    derive_samples=2,
)


def quiet() -> Console:
    return Console(file=io.StringIO())


# The toy problem.


def toy_steps(bias: tuple[float, float] | None = None) -> tuple[Step, ...]:
    words = Vocabulary(("bad", "good"))
    return (
        Step(remember="start"),
        Step(Op("first", words, bias), remember="middle"),
        Step(Op("second", words, bias)),
        Step(Skips("skips", ("start", "middle"))),
    )


class Toy(nn.Module):
    """Right, by a lead of 2, about images whose level (0 to 7) is below 2 + 3 x the number of good answers."""

    def __init__(self, clock: list[float] | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.clock = clock
        self.trained: list[Architecture] = []
        self.scored: list[tuple[str, list[int]]] = []

    def forward(self, inputs: Tensor, architecture: Architecture) -> Tensor:
        if self.clock is not None:
            self.clock[0] += 3600.0
        level = inputs.mean(dim=(1, 2, 3)).round()
        if self.training:
            self.trained.append(architecture)
        else:
            self.scored.append((architecture.to_json(), sorted(level.int().tolist())))
        sign = torch.where(level < 2 + 3 * good(architecture), 1.0, -1.0)
        return self.weight * torch.stack([sign, -sign], dim=1)


def good(architecture: Architecture) -> int:
    return [architecture.choices["first"], architecture.choices["second"]].count("good")


def toy_task(valid: int = 8) -> ImageTask:
    def split(count: int) -> ImageSplit:
        levels = (torch.arange(count) % 8).to(torch.uint8)
        images = levels[:, None, None, None].expand(-1, 2, 2, 1).contiguous()
        return ImageSplit(images, torch.zeros(count, dtype=torch.long))

    data = ImageData("levels", ("x", "y"), split(16), split(valid), None, (0.0,), (1 / 255,), ())
    return ImageTask(data, PLAIN, torch.device("cpu"))


def toy(
    config: SearchConfig,
    *,
    bias: tuple[float, float] | None = None,
    supernet: nn.Module | None = None,
    task: ImageTask | None = None,
    init_range: float = 0.1,
) -> SearchObjects:
    torch.manual_seed(config.seed)
    steps, size = toy_steps(bias), {"nodes": 2}
    space = replace(load("macro"), name="toy", size=lambda _: size, steps=lambda _: steps)
    controller = Controller(steps, ControllerConfig(hidden=16, tanh_constant=None, init_range=init_range))
    decoder = Decoder("toy", steps, size)
    return SearchObjects(space, task or toy_task(), supernet or Toy(), controller, decoder, config)


def do_search(objects: SearchObjects, run: Run, *, resume: bool = False, lines: list[str] | None = None) -> Derivation:
    said = [] if lines is None else lines
    found = search(objects, run, console=quiet(), say=said.append, resume=resume)
    run.close()
    return found


def run_in(path: Path) -> Run:
    return Run.create(path, {"kind": "search"})


def jsonl(run: Run, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.path / name).read_text().splitlines()]


def expected_accuracy(controller: Controller) -> float:
    """Exactly, over all 16 architectures of the toy."""
    codes = torch.tensor(list(product(range(2), repeat=4)))
    with torch.no_grad():
        p = controller(16, codes=codes).log_prob.exp()
    assert p.sum().item() == pytest.approx(1.0, rel=1e-5)
    return (p * (2 + 3 * codes[:, :2].sum(1)) / 8).sum().item()


# The macro supernet.


def macro_task(augment: AugmentConfig = PLAIN) -> ImageTask:
    def split(count: int, seed: int) -> ImageSplit:
        generator = torch.Generator().manual_seed(seed)
        images = torch.randint(256, (count, 4, 4, 1), generator=generator).to(torch.uint8)
        return ImageSplit(images, torch.arange(count) % 3)

    data = ImageData("noise", ("a", "b", "c"), split(24, 0), split(10, 1), None, (0.5,), (0.25,), ())
    return ImageTask(data, augment, torch.device("cpu"))


def macro(config: SearchConfig, *, layers: int = 2, task: ImageTask | None = None) -> SearchObjects:
    torch.manual_seed(config.seed)
    made, size = task or macro_task(), {"layers": layers}
    running = config.batch_norm == "running"
    supernet = Supernet(
        MacroSupernetConfig(layers=layers, filters=2, dropout=0.1), made.spec, running_statistics=running
    )
    steps = macro_steps(size)
    controller = Controller(steps, ControllerConfig(hidden=8))
    return SearchObjects(load("macro"), made, supernet, controller, Decoder("macro", steps, size), config)


def architecture(first: str, second: str) -> Architecture:
    return Architecture("macro", {"layers": 2}, {"layer0.op": first, "layer1.op": second, "layer1.skips": ()})


def step_on(state: Search, chosen: Architecture) -> dict[str, Tensor]:
    """One step of the shared weights; returns the gradients that the architecture's loss has, worked out apart."""
    supernet, task = state.objects.supernet.train(), state.objects.task
    batch = task.random_batch("train", 24, torch.Generator().manual_seed(0))
    twin = copy.deepcopy(supernet)
    torch.manual_seed(0)
    task.loss(twin(batch.inputs, chosen), batch).backward()
    torch.manual_seed(0)
    codes = torch.tensor([encode(chosen, state.objects.decoder.steps)])
    accumulate(state, batch, codes)
    assert step_weights(state)
    return {name: p.grad for name, p in twin.named_parameters() if p.grad is not None}


def values(module: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in module.named_parameters()}


WEIGHTS = replace(QUICK, lr_max=0.1, lr_min=0.1, momentum=0.9, weight_decay=0.01)


def test_unsampled_weights_stay_bit_identical_even_with_momentum(tmp_path: Path) -> None:
    state = Search(macro(WEIGHTS), run_in(tmp_path / "run"))
    step_on(state, architecture("conv3x3", "sep3x3"))
    before = values(state.objects.supernet)
    used = step_on(state, architecture("conv5x5", "max_pool"))
    after = values(state.objects.supernet)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == set(used)
    assert any(name.startswith("branches.0.conv3x3") for name in before.keys() - moved)


def test_decay_and_momentum_move_unsampled_weights_when_asked_for(tmp_path: Path) -> None:
    state = Search(macro(replace(WEIGHTS, decay_unsampled=True)), run_in(tmp_path / "run"))
    start = values(state.objects.supernet)
    for chosen in (architecture("conv3x3", "sep3x3"), architecture("conv5x5", "max_pool")):
        step_on(state, chosen)
    after = values(state.objects.supernet)
    unsampled = [name for name in start if name.startswith("branches.0.sep5x5") or name.startswith("branches.1.conv")]
    assert len(unsampled) > 5
    for name in unsampled:
        weight, velocity = start[name].double(), 0.0
        for _ in range(2):  # the gradient is that of the decay alone
            gradient = 0.01 * weight
            velocity = 0.9 * velocity + gradient
            weight = weight - 0.1 * (gradient + 0.9 * velocity)
        assert torch.allclose(after[name].double(), weight, rtol=1e-5, atol=1e-8)
    weight = next(name for name in start if name.startswith("branches.0.sep5x5") and start[name].dim() == 4)
    assert not torch.equal(after[weight], start[weight])


@pytest.mark.parametrize("clip", [None, 1e-3])
def test_sampled_weights_take_a_nesterov_step_of_the_clipped_gradient(clip: float | None, tmp_path: Path) -> None:
    state = Search(macro(replace(WEIGHTS, grad_clip=clip)), run_in(tmp_path / "run"))
    start = values(state.objects.supernet)
    gradients = step_on(state, architecture("conv3x3", "sep5x5"))
    norm = math.sqrt(sum(gradient.double().square().sum().item() for gradient in gradients.values()))
    assert norm > 1e-3
    factor = 1.0 if clip is None else clip / norm
    after = values(state.objects.supernet)
    for name, gradient in gradients.items():
        step = factor * gradient + 0.01 * start[name]
        assert torch.allclose(after[name], start[name] - 0.1 * 1.9 * step, rtol=1e-4, atol=1e-6)


class Recorder(nn.Module):
    """A supernet that notes which architectures it is trained on."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.trained: list[Architecture] = []
        self.modes: list[bool] = []

    def forward(self, inputs: Tensor, architecture: Architecture) -> Tensor:
        self.modes.append(self.training)
        if self.training:
            self.trained.append(architecture)
        return self.inner(inputs, architecture)


@pytest.mark.parametrize("seed", range(4))
def test_training_moves_exactly_the_branches_that_were_sampled(seed: int, tmp_path: Path) -> None:
    plain = macro(replace(WEIGHTS, seed=seed, steps_per_epoch=2), layers=4)
    objects = replace(plain, supernet=Recorder(plain.supernet))
    state = Search(objects, run_in(tmp_path / "run"))
    before = values(plain.supernet)
    with Interrupt() as interrupt, Progress("search", 2, console=quiet()) as bar:
        train_weights(state, bar, interrupt)
    after = values(plain.supernet)
    assert len(objects.supernet.trained) == 2
    for layer in range(4):
        sampled = {chosen.choices[f"layer{layer}.op"] for chosen in objects.supernet.trained}
        for name in OPERATIONS:
            weight = f"branches.{layer}.{name}.0.weight"
            assert (not torch.equal(before[weight], after[weight])) == (name in sampled), (layer, name)


def test_each_batch_has_a_fresh_architecture_and_a_pass_has_all_batches(tmp_path: Path) -> None:
    supernet = Toy()
    objects = toy(replace(QUICK, epochs=3, batch_size=2), supernet=supernet)
    do_search(objects, run_in(tmp_path / "run"))
    assert len(supernet.trained) == 3 * 8
    assert len({chosen.to_json() for chosen in supernet.trained[:8]}) > 2
    assert supernet.trained[:8] != supernet.trained[8:16]


def test_steps_per_epoch_can_be_fewer_or_more_than_a_pass(tmp_path: Path) -> None:
    for steps in (3, 11):
        supernet = Toy()
        do_search(
            toy(replace(QUICK, batch_size=2, steps_per_epoch=steps), supernet=supernet), run_in(tmp_path / str(steps))
        )
        assert len(supernet.trained) == steps


def test_the_controller_phase_moves_the_controller_only_and_the_other_the_weights_only(tmp_path: Path) -> None:
    objects = macro(replace(WEIGHTS, controller_steps=2))
    objects = replace(objects, supernet=Recorder(objects.supernet))
    state = Search(objects, run_in(tmp_path / "run"))
    weights, policy = values(objects.supernet), values(objects.controller)
    with Interrupt() as interrupt, Progress("search", 9, console=quiet()) as bar:
        train_weights(state, bar, interrupt)
        trained = values(objects.supernet)
        assert all(torch.equal(policy[name], value) for name, value in values(objects.controller).items())
        assert any(not torch.equal(weights[name], value) for name, value in trained.items())
        assert set(objects.supernet.modes) == {True}
        objects.supernet.modes.clear()
        train_controller(state, bar, interrupt)
        assert all(torch.equal(trained[name], value) for name, value in values(objects.supernet).items())
        assert any(not torch.equal(policy[name], value) for name, value in values(objects.controller).items())
        assert set(objects.supernet.modes) == {False}


def test_scoring_leaves_running_statistics_alone(tmp_path: Path) -> None:
    objects = macro(replace(WEIGHTS, batch_norm="running"))
    state = Search(objects, run_in(tmp_path / "run"))
    with Interrupt() as interrupt, Progress("search", 9, console=quiet()) as bar:
        train_weights(state, bar, interrupt)
        before = [buffer.clone() for buffer in objects.supernet.buffers()]
        train_controller(state, bar, interrupt)
    assert len(before) > 0
    assert all(torch.equal(old, new) for old, new in zip(before, objects.supernet.buffers(), strict=True))


def test_the_rate_follows_the_cosine_with_restarts_over_epochs(tmp_path: Path) -> None:
    config = replace(QUICK, epochs=6, lr_max=0.1, lr_min=0.02, lr_first_cycle=2, lr_cycle_growth=2)
    run = run_in(tmp_path / "run")
    do_search(toy(config), run)
    half = 0.04 * math.cos(math.pi / 4)
    expected = [0.1, 0.06, 0.1, 0.06 + half, 0.06, 0.06 - half]
    assert [line["train/lr"] for line in jsonl(run, "metrics.jsonl")] == pytest.approx(expected)


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


def test_two_seeds_search_differently(tmp_path: Path) -> None:
    trained = []
    for seed in (0, 1):
        supernet = Toy()
        do_search(toy(replace(QUICK, batch_size=1, seed=seed), supernet=supernet), run_in(tmp_path / str(seed)))
        trained.append(Counter(chosen.to_json() for chosen in supernet.trained))
    assert trained[0] != trained[1]


class Ticking(nn.Module):
    """A supernet whose every step takes an hour of a clock that a test holds."""

    def __init__(self, inner: nn.Module, clock: list[float]) -> None:
        super().__init__()
        self.inner, self.clock = inner, clock

    def forward(self, inputs: Tensor, architecture: Architecture) -> Tensor:
        self.clock[0] += 3600.0
        return self.inner(inputs, architecture)


def test_a_search_that_ran_out_of_time_gives_with_more_time_what_one_in_a_go_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    task = macro_task(AugmentConfig(crop_padding=1, flip=True))
    config = replace(WEIGHTS, epochs=2)

    def objects(hours: float | None = None) -> SearchObjects:
        made = macro(replace(config, max_hours=hours), task=task)
        return replace(made, supernet=Ticking(made.supernet, clock))

    whole, cut = run_in(tmp_path / "whole"), run_in(tmp_path / "cut")
    do_search(objects(), whole)
    clock[0] = 0.0
    do_search(objects(1.5), cut)
    do_search(objects(), Run.open(cut.path), resume=True)
    assert (cut.path / "metrics.jsonl").read_bytes() == (whole.path / "metrics.jsonl").read_bytes()


class Overflows(Toy):
    """A toy whose numbers overflow in training for one of its answers."""

    def forward(self, inputs: Tensor, architecture: Architecture) -> Tensor:
        logits = super().forward(inputs, architecture)
        overflow = self.training and architecture.choices["first"] == "bad"
        return logits * math.inf if overflow else logits


def test_a_step_whose_numbers_overflow_is_left_out_and_counted(tmp_path: Path) -> None:
    config = replace(QUICK, batch_size=1, lr_max=0.1, lr_min=0.1, weight_decay=0.0)
    run = run_in(tmp_path / "run")
    supernet = Overflows()
    do_search(toy(config, supernet=supernet), run)
    (line,) = jsonl(run, "metrics.jsonl")
    trained = [architecture.choices["first"] for architecture in supernet.trained]
    assert 0 < line["train/skipped_steps"] == trained.count("bad") < len(trained)
    assert math.isfinite(line["train/loss"])
    assert math.isfinite(supernet.weight.item())


def test_a_gradient_that_overflows_is_left_out_too(tmp_path: Path) -> None:
    state = Search(macro(replace(WEIGHTS, grad_clip=1.0)), run_in(tmp_path / "run"))
    before = values(state.objects.supernet)
    weight = next(state.objects.supernet.parameters())
    ((weight * 1e30).square().sum() * 1e10).backward()
    assert not step_weights(state)
    after = values(state.objects.supernet)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_an_epoch_without_a_finite_step_ends_the_search(tmp_path: Path) -> None:
    supernet = Overflows()
    supernet.weight.data.fill_(math.inf)
    with pytest.raises(RunError, match="no step of epoch 1 had finite numbers: lower --lr-max"):
        do_search(toy(QUICK, supernet=supernet), run_in(tmp_path / "run"))
