"""The controller's update: REINFORCE with a baseline (Pham et al. 2018, section 2.2), optionally with reuse as in PPO."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from enas.config import SearchConfig
from enas.controller import Controller, Sample
from enas.errors import UsageError


@dataclass
class Baseline:
    """Moving average of the rewards; it starts at 0 and lasts for the whole search."""

    decay: float
    value: float = 0.0

    def advantage(self, reward: float) -> float:
        """Take in one reward and return what it is worth beyond the average (which is read after the update)."""
        self.value -= (1 - self.decay) * (self.value - reward)
        return reward - self.value


def check_update(config: SearchConfig) -> None:
    """Refuse settings of the controller's update that contradict each other.

    Raises:
        UsageError: names the flags, and says what to do.
    """
    if config.baseline == "leave_one_out" and config.controller_samples < 2:
        raise UsageError("--baseline leave_one_out needs other architectures: set --controller-samples to at least 2")
    if config.normalise_advantage and config.baseline != "leave_one_out":
        # A moving average that lags behind, divided by the spread of rewards that are nearly equal, would be a huge step.
        raise UsageError("--normalise-advantage needs --baseline leave_one_out, or say --no-normalise-advantage")


def entropy_weight(config: SearchConfig, progress: float) -> float:
    """Weight of the entropy in the reward: on a line from `entropy_weight` to `entropy_weight_end`, or constant without an end.

    Args:
        config: Both ends.
        progress: Share of the way, from 0 at the first update of the controller to 1.
    """
    start, end = config.entropy_weight, config.entropy_weight_end
    return start if end is None else start + (end - start) * progress


def policy_loss(
    sample: Sample, scores: Sequence[float], baseline: Baseline, config: SearchConfig, progress: float = 0.0
) -> tuple[Float[Tensor, ""], Float[Tensor, " n"], dict[str, float]]:
    """Loss whose gradient raises the expected reward, averaged over the sampled architectures.

    The entropy acts through the reward only, never by a gradient of its own, as in the authors' code.

    Args:
        sample: The architectures, with gradients.
        scores: Accuracy of each, in [0, 1].
        baseline: Moving average; it is updated.
        config: Kind of baseline, weights of entropy and skip penalty.
        progress: Where the weight of the entropy stands: see `entropy_weight`.

    Returns:
        The loss, what each architecture is worth beyond the baseline, and figures for the log.
    """
    advantages, figures = _advantages(sample, scores, baseline, config, entropy_weight(config, progress))
    loss = _loss(sample, -sample.log_prob * advantages, config)
    return loss, advantages, {"controller/loss": loss.item(), **figures}


def update(
    controller: Controller,
    step: Callable[[Tensor], object],
    sample: Sample,
    scores: Sequence[float],
    baseline: Baseline,
    config: SearchConfig,
    progress: float,
) -> dict[str, float]:
    """Change the controller after one batch of sampled architectures, by `policy_updates` gradient steps.

    The first step is REINFORCE. Later ones use the same rewards again, weighted by how much likelier each architecture has
    become and without a gain beyond `policy_clip` (clipped objective of Schulman et al. 2017, equation 7).

    Args:
        controller: The policy.
        step: Makes one gradient step on its weights, given the loss.
        sample: What it sampled, with gradients.
        scores: Accuracy of each, in [0, 1].
        baseline: Moving average; it is updated.
        config: Settings of the update.
        progress: Where the weight of the entropy stands: see `entropy_weight`.

    Returns:
        Figures for the log; the loss is that of the first step.
    """
    loss, advantages, figures = policy_loss(sample, scores, baseline, config, progress)
    step(loss)
    old = sample.log_prob.detach()
    for _ in range(config.policy_updates - 1):
        again = controller(len(old), codes=sample.codes)
        ratio = (again.log_prob - old).exp()
        clipped = ratio.clamp(1 - config.policy_clip, 1 + config.policy_clip)
        step(_loss(again, -torch.minimum(ratio * advantages, clipped * advantages), config))
    return figures


def _loss(sample: Sample, terms: Float[Tensor, " n"], config: SearchConfig) -> Float[Tensor, ""]:
    return (terms + config.skip_weight * sample.skip_penalty).mean()


def _advantages(
    sample: Sample, scores: Sequence[float], baseline: Baseline, config: SearchConfig, weight: float
) -> tuple[Float[Tensor, " n"], dict[str, float]]:
    """What each architecture is worth beyond the baseline, with the weight of the entropy, and figures for the log."""
    entropy = sample.entropy.detach().tolist()
    rewards = [score + weight * h for score, h in zip(scores, entropy, strict=True)]
    n, total = len(rewards), sum(rewards)
    advantages = [baseline.advantage(reward) for reward in rewards]
    if config.baseline == "leave_one_out":
        advantages = [reward - (total - reward) / (n - 1) for reward in rewards]
    if config.normalise_advantage:
        spread = math.sqrt(sum((reward - total / n) ** 2 for reward in rewards) / n)
        advantages = [advantage / (spread + SMALLEST_SPREAD) for advantage in advantages]
    return sample.log_prob.new_tensor(advantages), {
        "controller/reward": total / n,
        "controller/advantage": sum(advantages) / n,
        "controller/entropy": sum(entropy) / n,
        "controller/skip_penalty": sample.skip_penalty.detach().mean().item(),
    }


SMALLEST_SPREAD = 1e-4
"""Added to the standard deviation of rewards, so that a batch of equal architectures has no advantage: 0.01 % of accuracy."""
