"""The shared weights: which of them move in a step and by how much, and steps whose numbers overflow."""

import copy
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from enas.architecture import Architecture, encode
from enas.errors import RunError
from enas.interrupt import Interrupt
from enas.progress import Progress
from enas.search.loop import accumulate, step_weights, train_controller, train_weights
from enas.search.state import Search
from enas.spaces.macro.steps import OPERATIONS

from .problems import (
    QUICK,
    WEIGHTS,
    Toy,
    do_search,
    jsonl,
    macro,
    quiet,
    run_in,
    toy,
    values,
)


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


@pytest.mark.parametrize("clip", [None, 1.0])
def test_a_gradient_that_overflows_is_left_out_too(clip: float | None, tmp_path: Path) -> None:
    state = Search(macro(replace(WEIGHTS, grad_clip=clip)), run_in(tmp_path / "run"))
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
