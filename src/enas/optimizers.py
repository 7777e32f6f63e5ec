"""Optimisers of networks and of shared weights, by name."""

from collections.abc import Iterable

import torch
from torch.nn import Parameter

from enas.config import OptimizerName


def make_optimizer(
    parameters: Iterable[Parameter], name: OptimizerName, *, rate: float, momentum: float, weight_decay: float
) -> torch.optim.Optimizer:
    """An optimiser whose learning rate is set before each step.

    Args:
        parameters: What it changes.
        name: Its kind; "momentum" is SGD with Nesterov momentum, as in the authors' code, "sgd" is plain.
        rate: Learning rate.
        momentum: Of "momentum" only.
        weight_decay: Twice the factor of the sum of squares that is added to the loss.
    """
    parameters = list(parameters)
    # One pass over each weight instead of four to ten (docs/performance.md).
    fused = all(parameter.device.type in ("cpu", "cuda") for parameter in parameters)
    match name:
        case "adam":
            return torch.optim.Adam(parameters, lr=rate, weight_decay=weight_decay, fused=fused)
        case "rmsprop":
            return torch.optim.RMSprop(parameters, lr=rate, weight_decay=weight_decay)
        case "sgd":
            return torch.optim.SGD(parameters, lr=rate, weight_decay=weight_decay, fused=fused)
        case "momentum":
            nesterov = momentum > 0
            optimizer = torch.optim.SGD(
                parameters, rate, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay, fused=fused
            )
            if fused and nesterov:
                # The fused step wants a buffer for all weights of a step or for none; shared weights have their first steps at
                # different times. A buffer of zeros gives the same first step as none.
                for parameter in parameters:
                    optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
            return optimizer
