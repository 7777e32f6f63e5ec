"""The controller's update: REINFORCE with a moving-average baseline (Pham et al. 2018, section 2.2)."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from enas.config import SearchConfig
from enas.controller import Sample


@dataclass
class Baseline:
    """Moving average of the rewards; it starts at 0 and lasts for the whole search."""

    decay: float
    value: float = 0.0

    def advantage(self, reward: float) -> float:
        """Take in one reward and return what it is worth beyond the average (which is read after the update)."""
        self.value -= (1 - self.decay) * (self.value - reward)
        return reward - self.value


def policy_loss(
    sample: Sample, scores: Sequence[float], baseline: Baseline, config: SearchConfig
) -> tuple[Float[Tensor, ""], dict[str, float]]:
    """Loss whose gradient raises the expected reward, averaged over the sampled architectures.

    The entropy acts through the reward only, never by a gradient of its own, as in the authors' code.

    Args:
        sample: The architectures, with gradients.
        scores: Accuracy of each, in [0, 1].
        baseline: Moving average; it is updated.
        config: Weights of entropy and skip penalty.

    Returns:
        The loss, and figures for the log.
    """
    entropy = sample.entropy.detach().tolist()
    rewards = [score + config.entropy_weight * h for score, h in zip(scores, entropy, strict=True)]
    advantages = [baseline.advantage(reward) for reward in rewards]
    n, total = len(rewards), sum(rewards)
    if config.baseline == "leave_one_out" and n > 1:
        advantages = [reward - (total - reward) / (n - 1) for reward in rewards]
    weights = sample.log_prob.new_tensor(advantages)
    loss = (-sample.log_prob * weights + config.skip_weight * sample.skip_penalty).mean()
    return loss, {
        "controller/loss": loss.item(),
        "controller/reward": total / n,
        "controller/advantage": sum(advantages) / n,
        "controller/entropy": sum(entropy) / n,
        "controller/skip_penalty": sample.skip_penalty.detach().mean().item(),
    }
