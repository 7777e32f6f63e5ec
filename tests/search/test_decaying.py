"""All weights decay in every step, as those of PyTorch's optimiser do with gradients of zero."""

import io

import pytest
import torch
from torch import Tensor
from torch.nn import Parameter

from enas.search.decaying import DecayingSGD, lie_together

SHAPES = [(4, 3, 3, 3), (7,), (5, 1, 5, 5), (6, 4, 1, 1), (3, 2)]
OPTIONS = {"momentum": 0.9, "weight_decay": 0.01}


def weights() -> list[Parameter]:
    draw = torch.Generator().manual_seed(0)
    made = [torch.randn(*shape, generator=draw) for shape in SHAPES]
    made[0] = made[0].contiguous(memory_format=torch.channels_last)
    return [Parameter(x) for x in made]


def decaying(parameters: list[Parameter]) -> DecayingSGD:
    return DecayingSGD(parameters, rate=0.1, **OPTIONS)


def give_gradients(parameters: list[Parameter], step: int, *, zeros: bool) -> None:
    """To every second parameter, another half each time."""
    draw = torch.Generator().manual_seed(step)
    for number, parameter in enumerate(parameters):
        slope = torch.randn(parameter.shape, generator=draw).to(parameter.dtype)
        sampled = (number + step) % 2 == 0
        parameter.grad = slope if sampled else torch.zeros_like(parameter) if zeros else None


def expected(steps: int) -> list[Tensor]:
    parameters = [Parameter(parameter.detach().double()) for parameter in weights()]
    optimizer = torch.optim.SGD(parameters, 0.1, nesterov=True, **OPTIONS)
    for step in range(steps):
        give_gradients(parameters, step, zeros=True)
        optimizer.param_groups[0]["lr"] = 0.1 / (1 + step)
        optimizer.step()
    return [parameter.detach() for parameter in parameters]


def run(parameters: list[Parameter], optimizer: DecayingSGD, steps: range) -> None:
    for step in steps:
        give_gradients(parameters, step, zeros=False)
        optimizer.param_groups[0]["lr"] = 0.1 / (1 + step)
        optimizer.step()


def assert_are(found: list[Parameter], wanted: list[Tensor]) -> None:
    for mine, want in zip(found, wanted, strict=True):
        torch.testing.assert_close(mine.detach().double(), want, rtol=1e-5, atol=1e-6)


def test_steps_are_those_of_pytorchs_optimiser_with_zero_gradients() -> None:
    parameters = weights()
    layouts = [parameter.stride() for parameter in parameters]
    optimizer = decaying(parameters)
    for mine, before in zip(parameters, weights(), strict=True):
        assert torch.equal(mine, before)
    run(parameters, optimizer, range(5))
    assert_are(parameters, expected(5))
    assert [parameter.stride() for parameter in parameters] == layouts


def test_a_search_that_goes_on_from_a_checkpoint_makes_the_same_steps() -> None:
    parameters = weights()
    optimizer = decaying(parameters)
    run(parameters, optimizer, range(3))
    file = io.BytesIO()
    torch.save([[parameter.detach() for parameter in parameters], optimizer.state_dict()], file)
    file.seek(0)
    kept, state = torch.load(file, weights_only=True)
    again = [Parameter(x.clone()) for x in kept]
    other = decaying(again)
    other.load_state_dict(state)
    run(parameters, optimizer, range(3, 6))
    run(again, other, range(3, 6))
    for mine, want in zip(again, parameters, strict=True):
        assert torch.equal(mine, want)
    assert_are(again, expected(6))


def test_a_step_without_any_gradient_decays() -> None:
    parameters = weights()
    optimizer = decaying(parameters)
    optimizer.step()
    for mine, before in zip(parameters, weights(), strict=True):
        torch.testing.assert_close(mine, before * (1 - 0.1 * 0.01 * 1.9))


def test_weights_that_were_moved_are_noticed() -> None:
    parameters = weights()
    optimizer = decaying(parameters)
    for parameter in parameters:
        parameter.data = parameter.data.clone()
    with pytest.raises(RuntimeError, match="moved"):
        optimizer.step()


def test_what_cannot_lie_together() -> None:
    assert lie_together(weights())
    assert not lie_together([*weights(), Parameter(torch.zeros(2, dtype=torch.double))])
    assert not lie_together([Parameter(torch.zeros(4, 4)[:, :2])])
    assert not lie_together([Parameter(torch.zeros(2, device="meta"))])
