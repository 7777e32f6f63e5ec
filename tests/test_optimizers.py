"""The fast forms of the optimisers take the steps of PyTorch's plain ones."""

from typing import Any

import pytest
import torch
from torch import nn

from enas.optimizers import make_optimizer

PLAIN: dict[str, Any] = {
    "adam": lambda weights: torch.optim.Adam(weights, lr=0.1, weight_decay=0.01),
    "rmsprop": lambda weights: torch.optim.RMSprop(weights, lr=0.1, weight_decay=0.01),
    "sgd": lambda weights: torch.optim.SGD(weights, lr=0.1, weight_decay=0.01),
    "momentum": lambda weights: torch.optim.SGD(weights, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
}


@pytest.mark.parametrize("name", list(PLAIN))
def test_steps_agree_also_of_weights_that_are_sampled_now_and_then(name: Any) -> None:
    sampled = [(0, 1), (1,), (0, 2), (0, 1, 2), (2,)]
    results = []
    for make in (PLAIN[name], lambda own: make_optimizer(own, name, rate=0.1, momentum=0.9, weight_decay=0.01)):
        draw = torch.Generator().manual_seed(0)
        weights = [nn.Parameter(torch.randn(5, 3, generator=draw)) for _ in range(3)]
        optimizer = make(weights)
        for step, indices in enumerate(sampled):
            optimizer.zero_grad(set_to_none=True)
            for index in indices:
                weights[index].grad = torch.randn(5, 3, generator=draw)
            for group in optimizer.param_groups:
                group["lr"] = 0.1 / (step + 1)
            optimizer.step()
        results.append(torch.stack([weight.detach() for weight in weights]))
    torch.testing.assert_close(results[1], results[0], rtol=1e-5, atol=1e-6)
