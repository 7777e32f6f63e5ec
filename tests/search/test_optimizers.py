"""Optimisers of a search: what one step does, against closed forms; the cosine; a search with each of them."""

import json
import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import Parameter

from enas.cli import main
from enas.config import SearchConfig
from enas.search.optimizers import controller_optimizer, controller_rate, weights_optimizer

CONFIG = SearchConfig(
    lr_max=0.1, momentum=0.5, weight_decay=0.0, controller_lr=0.1, controller_momentum=0.5, controller_beta1=0.9,
    controller_epsilon=1e-3,
)  # fmt: skip
GRADIENTS = (2.0, -1.0)
FLAGS = """--dataset digits --preset demo --layers 2 --filters 4 --epochs 2 --lr-first-cycle 2 --threads 1 --steps-per-epoch 3
    --controller-steps 2 --controller-samples 2 --derive-samples 2 --derive-examples 50 --evaluation-samples 1"""


def moves(optimizer: torch.optim.Optimizer) -> list[float]:
    """How far a weight goes in each of two steps with the gradients 2 and -1."""
    weight = optimizer.param_groups[0]["params"][0]
    places = [weight.item()]
    for gradient in GRADIENTS:
        weight.grad = torch.full_like(weight, gradient)
        optimizer.step()
        places.append(weight.item())
    return [after - before for before, after in pairwise(places)]


def weight() -> Parameter:
    return Parameter(torch.ones((), dtype=torch.float64))


def adam(epsilon: float) -> list[float]:
    """Kingma and Ba 2015, algorithm 1, with the decays 0.9 and 0.999."""
    first = second = 0.0
    result = []
    for step, gradient in enumerate(GRADIENTS, 1):
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        result.append(-0.1 * first / (1 - 0.9**step) / (math.sqrt(second / (1 - 0.999**step)) + epsilon))
    return result


def rmsprop(epsilon: float) -> list[float]:
    second = 0.0
    result = []
    for gradient in GRADIENTS:
        second = 0.99 * second + 0.01 * gradient**2
        result.append(-0.1 * gradient / (math.sqrt(second) + epsilon))
    return result


PLAIN = [-0.2, 0.1]
NESTEROV = [-0.1 * (2 + 0.5 * 2), -0.1 * (-1 + 0.5 * (0.5 * 2 - 1))]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("sgd", PLAIN), ("momentum", NESTEROV), ("adam", adam(1e-8)), ("rmsprop", rmsprop(1e-8))],
)
def test_each_optimiser_of_the_shared_weights(name: Any, expected: list[float]) -> None:
    assert moves(weights_optimizer([weight()], replace(CONFIG, optimizer=name))) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("sgd", PLAIN), ("momentum", NESTEROV), ("adam", adam(1e-3)), ("rmsprop", rmsprop(1e-3))],
)
def test_each_optimiser_of_the_controller(name: Any, expected: list[float]) -> None:
    config = replace(CONFIG, controller_optimizer=name, weight_decay=0.5)  # which is not for the controller
    assert moves(controller_optimizer([weight()], config)) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["sgd", "momentum", "adam", "rmsprop"])
def test_weight_decay_moves_the_shared_weights(name: Any) -> None:
    optimizer = weights_optimizer([weight()], replace(CONFIG, optimizer=name, momentum=0.0, weight_decay=0.5))
    shared = optimizer.param_groups[0]["params"][0]
    shared.grad = torch.zeros_like(shared)
    optimizer.step()
    assert shared.item() < 1.0


def test_momentum_of_nothing_is_plain() -> None:
    assert moves(weights_optimizer([weight()], replace(CONFIG, momentum=0.0))) == pytest.approx(PLAIN)


def test_the_controllers_cosine_falls_once_over_the_whole_search() -> None:
    config = replace(CONFIG, epochs=8, controller_lr_cosine=True, controller_lr_max=0.05, controller_lr_min=0.0001)
    assert controller_rate(0.0, config) == 0.05
    assert controller_rate(4.0, config) == pytest.approx((0.05 + 0.0001) / 2)
    assert controller_rate(8.0, config) == pytest.approx(0.0001)
    rates = [controller_rate(step / 10, config) for step in range(81)]
    assert rates == sorted(rates, reverse=True)
    assert controller_rate(3.0, replace(config, controller_lr_cosine=False)) == 0.1
    late = replace(config, warmup_epochs=6)  # in which the controller rests
    assert [controller_rate(epoch, late) for epoch in (6.0, 7.0, 8.0)] == pytest.approx([0.05, 0.02505, 0.0001])


@pytest.mark.parametrize(
    ("weights", "controller"),
    [("adam", "momentum"), ("rmsprop", "sgd"), ("sgd", "rmsprop")],
)
def test_a_search_with_each_of_them(tmp_path: Path, weights: str, controller: str) -> None:
    flags = f"""--optimizer {weights} --lr-max 0.01 --controller-optimizer {controller} --controller-lr-cosine=True
        --controller-lr-max 0.05 --controller-lr-min 0.0001 --controller-grad-clip 1"""
    out = tmp_path / "run"
    assert (
        main(["search", "macro", *FLAGS.split(), *flags.split(), "--out", str(out), "--cache-dir", str(tmp_path)]) == 0
    )
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    halves = [0.0001 + 0.5 * 0.0499 * (1 + math.cos(math.pi * step / 4)) for step in range(4)]
    assert [line["controller/lr"] for line in lines] == pytest.approx([sum(halves[:2]) / 2, sum(halves[2:]) / 2])
    assert json.loads((out / "config.json").read_text())["search"]["optimizer"] == weights
