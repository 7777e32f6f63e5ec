"""Numbers are those of the untrained published controllers (authors' graph and closed forms)."""

import itertools
import math

import pytest
import torch

from enas.config import ControllerConfig
from enas.controller import Controller, Sample, sample_uniformly
from enas.decisions import Input, Op, Skips, Step, Vocabulary, code_length
from enas.spaces.macro.steps import steps as macro_steps

MICRO_OPS = Vocabulary(("sep3x3", "sep5x5", "avg_pool", "max_pool", "identity"), init_bias=(10.0, 10.0, 0.0, 0.0, 0.0))


def micro_steps() -> tuple[Step, ...]:
    ticks = []
    for cell, bias in (("normal", (0.25, 0.25, -0.25, -0.25, -0.25)), ("reduce", None)):
        ticks += [Step(remember=f"{cell}{i}", blank=True) for i in (0, 1)]
        for node in range(2, 7):
            earlier = tuple(f"{cell}{i}" for i in range(node))
            ticks += [Step(Input(f"{cell}{node}.input{side}", earlier)) for side in (1, 2)]
            ticks += [Step(Op(f"{cell}{node}.op{side}", MICRO_OPS, bias)) for side in (1, 2)]
            ticks.append(Step(remember=f"{cell}{node}"))
    return tuple(ticks)


def rnn_steps(nodes: int, words: Vocabulary, *, first_op: bool) -> tuple[Step, ...]:
    ticks = [Step(remember="node0")] + ([Step(Op("node0.op", words))] if first_op else [])
    for node in range(1, nodes):
        earlier = tuple(f"node{i}" for i in range(node))
        ticks.append(Step(Input(f"node{node}.input", earlier, locality=6.0), remember=f"node{node}"))
        ticks.append(Step(Op(f"node{node}.op", words)))
    return tuple(ticks)


FOUR, TWO = Vocabulary(("tanh", "relu", "identity", "sigmoid")), Vocabulary(("tanh", "relu"))


@pytest.mark.parametrize(
    ("steps", "config", "parameters"),
    [
        (macro_steps({"layers": 12}), ControllerConfig(), 41_856),
        (micro_steps(), ControllerConfig(tanh_constant=1.10, op_tanh_reduce=2.5), 41_733),
        (rnn_steps(12, FOUR, first_op=True), ControllerConfig(hidden=100), 101_000),
        (rnn_steps(12, TWO, first_op=True), ControllerConfig(hidden=100), 100_600),
        (rnn_steps(10, FOUR, first_op=False), ControllerConfig(tie_embedding=True), 41_344),
    ],
)
def test_parameter_counts_of_the_published_controllers(
    steps: tuple[Step, ...], config: ControllerConfig, parameters: int
) -> None:
    assert sum(p.numel() for p in Controller(steps, config).parameters()) == parameters


def untrained(steps: tuple[Step, ...], config: ControllerConfig, n: int = 2000, seed: int = 0) -> Sample:
    torch.manual_seed(seed)
    with torch.no_grad():
        return Controller(steps, config)(n, generator=torch.Generator().manual_seed(1))


def test_untrained_macro_controller() -> None:
    sample = untrained(macro_steps({"layers": 12}), ControllerConfig())
    uniform = 12 * math.log(6) + 66 * math.log(2)
    assert uniform == pytest.approx(67.25, abs=0.005)
    assert sample.entropy.mean().item() == pytest.approx(uniform, abs=0.02)
    assert -sample.log_prob.mean().item() == pytest.approx(uniform, abs=0.1)
    # Its weights are not quite zero, so the penalty depends on the seed: average over controllers.
    seeds = range(12)
    penalties = [
        untrained(macro_steps({"layers": 12}), ControllerConfig(), 50, seed).skip_penalty.mean() for seed in seeds
    ]
    assert torch.stack(penalties).mean().item() == pytest.approx(0.1225, abs=0.002)
    bits = torch.cat([sample.codes[:, at + 1 : at + 1 + layer] for layer, at in _layer_columns(12)], dim=1)
    assert bits.shape[1] == 66
    assert bits.double().mean().item() == pytest.approx(0.5, abs=0.01)


def _layer_columns(layers: int) -> list[tuple[int, int]]:
    return [(layer, layer + layer * (layer - 1) // 2) for layer in range(layers)]


def test_untrained_micro_controller() -> None:
    sample = untrained(micro_steps(), ControllerConfig(tanh_constant=1.10, op_tanh_reduce=2.5))
    assert sample.entropy.mean().item() == pytest.approx(57.19, abs=0.03)
    assert sample.codes.shape == (2000, 40)
    normal = torch.stack([sample.codes[:, 4 * node + 2 + side] for node in range(5) for side in (0, 1)])
    reduce = torch.stack([sample.codes[:, 20 + 4 * node + 2 + side] for node in range(5) for side in (0, 1)])
    for codes, separable, other in ((normal, 0.315, 0.123), (reduce, 0.254, 0.164)):
        rates = torch.bincount(codes.flatten(), minlength=5) / codes.numel()
        assert rates[:2].mean().item() == pytest.approx(separable, abs=0.006)
        assert rates[2:].mean().item() == pytest.approx(other, abs=0.006)


def test_skip_penalty_of_one_anchor_is_its_closed_form() -> None:
    steps = (Step(remember="a"), Step(Skips("s", ("a",))))
    sample = untrained(steps, ControllerConfig(init_range=1e-6), 1)
    expected = 0.5 * math.log(0.5 / 0.4) + 0.5 * math.log(0.5 / 0.6)
    assert expected == pytest.approx(0.0204, abs=1e-4)
    assert sample.skip_penalty.item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("space", ["macro", "micro", "rnn"])
def test_replay_of_sampled_codes_gives_the_same_numbers(space: str) -> None:
    steps = {"macro": macro_steps({"layers": 6}), "micro": micro_steps(), "rnn": rnn_steps(6, FOUR, first_op=True)}[
        space
    ]
    controller = Controller(steps, ControllerConfig(temperature=2.0, init_range=1.0))
    first = controller(7, generator=torch.Generator().manual_seed(5))
    again = controller(7, codes=first.codes)
    assert first.codes.shape == (7, code_length(steps))
    assert torch.equal(first.codes, again.codes)
    for name in ("log_prob", "entropy", "skip_penalty"):
        torch.testing.assert_close(getattr(first, name), getattr(again, name), rtol=0, atol=0)
    alone = controller(1, codes=first.codes[3:4])
    torch.testing.assert_close(alone.log_prob[0], first.log_prob[3])


def test_probabilities_of_all_architectures_sum_to_one() -> None:
    words = Vocabulary(("a", "b", "c"), init_bias=(0.5, 0.0, -1.0))
    steps = (
        Step(remember="x", blank=True),
        Step(Op("op", words, bias=(0.3, 0.0, 0.0)), remember="y"),
        Step(Input("input", ("x", "y"), locality=6.0), remember="z"),
        Step(Skips("skips", ("x", "y", "z"))),
    )
    controller = Controller(steps, ControllerConfig(hidden=8, init_range=1.0)).double()
    codes = torch.tensor(list(itertools.product(range(3), range(2), range(2), range(2), range(2))))
    sample = controller(len(codes), codes=codes)
    assert sample.log_prob.exp().sum().item() == pytest.approx(1.0, abs=1e-12)


def test_samples_follow_the_probabilities() -> None:
    steps = (Step(remember="x"), Step(Op("op", FOUR), remember="y"), Step(Skips("s", ("x", "y"))))
    controller = Controller(steps, ControllerConfig(hidden=8, init_range=2.0, tanh_constant=2.5))
    with torch.no_grad():
        sample = controller(20_000, generator=torch.Generator().manual_seed(0))
        codes = torch.tensor(list(itertools.product(range(4), range(2), range(2))))
        expected = controller(len(codes), codes=codes).log_prob.exp()
    index = sample.codes[:, 0] * 4 + sample.codes[:, 1] * 2 + sample.codes[:, 2]
    torch.testing.assert_close(torch.bincount(index, minlength=16) / 20_000, expected, rtol=0, atol=0.015)


def test_every_parameter_receives_gradient() -> None:
    controller = Controller(macro_steps({"layers": 4}), ControllerConfig())
    sample = controller(8, generator=torch.Generator().manual_seed(0))
    (sample.log_prob * torch.randn(8) + sample.skip_penalty).mean().backward()
    for name, parameter in controller.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_uniform_samples_are_uniform() -> None:
    codes = sample_uniformly(macro_steps({"layers": 3}), 6000, torch.Generator().manual_seed(0))
    assert codes.shape == (6000, 3 + 3)
    rates = torch.bincount(codes[:, 0], minlength=6) / 6000
    torch.testing.assert_close(rates, torch.full((6,), 1 / 6), rtol=0, atol=0.02)
    assert codes[:, 2].double().mean().item() == pytest.approx(0.5, abs=0.03)


def test_without_a_prior_all_operations_begin_alike() -> None:
    config = ControllerConfig(tanh_constant=2.5, op_prior=0.0)
    sample = untrained(micro_steps(), config)
    operations = torch.cat(
        [sample.codes[:, 2:20:4], sample.codes[:, 3:20:4], sample.codes[:, 22::4], sample.codes[:, 23::4]]
    )
    rates = torch.bincount(operations.flatten(), minlength=5) / operations.numel()
    assert rates.tolist() == pytest.approx([0.2] * 5, abs=0.01)
    torch.manual_seed(0)
    assert [bias.tolist() for bias in Controller(micro_steps(), config).biases.values()] == [[0.0] * 5]
