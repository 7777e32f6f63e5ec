"""The optimisers of a search, made from its settings: one for the shared weights, one for the controller."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import Parameter

from enas.config import SearchConfig


def weights_optimizer(parameters: Iterable[Parameter], config: SearchConfig) -> torch.optim.Optimizer:
    """The optimiser of the shared weights; its learning rate is set before each step.

    Args:
        parameters: The shared weights.
        config: `optimizer`, with `lr_max`, `momentum` and `weight_decay`.
    """
    match config.optimizer:
        case "adam":
            return torch.optim.Adam(parameters, lr=config.lr_max, weight_decay=config.weight_decay)
        case "rmsprop":
            return torch.optim.RMSprop(parameters, lr=config.lr_max, weight_decay=config.weight_decay)
        case "sgd":
            return torch.optim.SGD(parameters, lr=config.lr_max, weight_decay=config.weight_decay)
        case "momentum":
            return _with_momentum(parameters, config.lr_max, config.momentum, config.weight_decay)


def controller_optimizer(parameters: Iterable[Parameter], config: SearchConfig) -> torch.optim.Optimizer:
    """The optimiser of the controller.

    Args:
        parameters: The controller's weights.
        config: `controller_optimizer`, with `controller_lr`, `controller_momentum`, `controller_beta1`,
            `controller_beta2` and `controller_epsilon`.
    """
    rate = config.controller_lr
    match config.controller_optimizer:
        case "adam":
            return torch.optim.Adam(
                parameters,
                lr=rate,
                betas=(config.controller_beta1, config.controller_beta2),
                eps=config.controller_epsilon,
            )
        case "rmsprop":
            return torch.optim.RMSprop(parameters, lr=rate, eps=config.controller_epsilon)
        case "sgd":
            return torch.optim.SGD(parameters, lr=rate)
        case "momentum":
            return _with_momentum(parameters, rate, config.controller_momentum, 0.0)


def step_controller(
    controller: nn.Module, optimizer: torch.optim.Optimizer, loss: Tensor, rate: float, config: SearchConfig
) -> None:
    """One gradient step on the controller.

    Args:
        controller: The policy.
        optimizer: Of its weights.
        loss: What is made smaller.
        rate: Learning rate of this step.
        config: `controller_grad_clip`.
    """
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    if config.controller_grad_clip is not None:
        nn.utils.clip_grad_norm_(controller.parameters(), config.controller_grad_clip)
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()


def controller_rate(epoch: float, config: SearchConfig) -> float:
    """Learning rate of the controller after so many epochs, which may be a fraction.

    It is `controller_lr`, or with `controller_lr_cosine` half a cosine from `controller_lr_max` to `controller_lr_min` over the
    whole search, without restarts.
    """
    if not config.controller_lr_cosine:
        return config.controller_lr
    low, high = config.controller_lr_min, config.controller_lr_max
    return low + 0.5 * (high - low) * (1 + math.cos(math.pi * min(epoch / config.epochs, 1.0)))


def _with_momentum(
    parameters: Iterable[Parameter], rate: float, momentum: float, weight_decay: float
) -> torch.optim.Optimizer:
    """Stochastic gradient descent with Nesterov momentum, as in the authors' code; without momentum it is plain."""
    return torch.optim.SGD(parameters, lr=rate, momentum=momentum, nesterov=momentum > 0, weight_decay=weight_decay)
