"""The optimisers of a search, made from its settings: one for the shared weights, one for the controller."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import Parameter

from enas.config import SearchConfig
from enas.optimizers import make_optimizer
from enas.search.decaying import DecayingSGD, lie_together


def weights_optimizer(parameters: Iterable[Parameter], config: SearchConfig) -> torch.optim.Optimizer:
    """The optimiser of the shared weights; its learning rate is set before each step.

    Args:
        parameters: The shared weights.
        config: `optimizer`, with `lr_max`, `momentum`, `weight_decay` and `decay_unsampled`.
    """
    parameters = list(parameters)
    has_momentum = config.optimizer == "momentum" and config.momentum > 0
    if config.decay_unsampled and has_momentum and lie_together(parameters):
        return DecayingSGD(parameters, rate=config.lr_max, momentum=config.momentum, weight_decay=config.weight_decay)
    return make_optimizer(
        parameters, config.optimizer, rate=config.lr_max, momentum=config.momentum, weight_decay=config.weight_decay
    )


def step_weights(optimizer: torch.optim.Optimizer, config: SearchConfig) -> bool:
    """One step on the shared weights along the gradient that they hold; False, and no step, when it is not finite.

    Weights that no sampled architecture uses have no gradient and stay as they are, unless `decay_unsampled` gives them a zero
    gradient, so that weight decay and momentum move them as in the authors' code.

    Args:
        optimizer: Of the shared weights.
        config: `grad_clip` and `decay_unsampled`.
    """
    # From the optimiser: a walk through the modules takes 6 ms in a micro supernet.
    parameters: list[Parameter] = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    norm = nn.utils.get_total_norm([parameter.grad for parameter in parameters if parameter.grad is not None])
    if not math.isfinite(norm):
        return False
    if config.grad_clip is not None:
        nn.utils.clip_grads_with_norm_(parameters, config.grad_clip, norm)
    if config.decay_unsampled and not isinstance(optimizer, DecayingSGD):
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    return True


def controller_optimizer(parameters: Iterable[Parameter], config: SearchConfig) -> torch.optim.Optimizer:
    """The optimiser of the controller.

    Args:
        parameters: The controller's weights.
        config: `controller_optimizer`, with `controller_lr`, `controller_momentum`, `controller_beta1`,
            `controller_beta2` and `controller_epsilon`.
    """
    rate, epsilon = config.controller_lr, config.controller_epsilon
    if config.controller_optimizer == "adam":
        betas = (config.controller_beta1, config.controller_beta2)
        return torch.optim.Adam(parameters, lr=rate, betas=betas, eps=epsilon)
    if config.controller_optimizer == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=rate, eps=epsilon)
    momentum = config.controller_momentum
    return make_optimizer(parameters, config.controller_optimizer, rate=rate, momentum=momentum, weight_decay=0.0)


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

    It is `controller_lr`, or with `controller_lr_cosine` half a cosine from `controller_lr_max` to `controller_lr_min` over all
    epochs after the warm-up, without restarts.
    """
    if not config.controller_lr_cosine:
        return config.controller_lr
    low, high = config.controller_lr_min, config.controller_lr_max
    share = (epoch - config.warmup_epochs) / (config.epochs - config.warmup_epochs)
    return low + 0.5 * (high - low) * (1 + math.cos(math.pi * min(max(share, 0.0), 1.0)))
