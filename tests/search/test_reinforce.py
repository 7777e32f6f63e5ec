import pytest
import torch

from enas.config import ControllerConfig, SearchConfig
from enas.controller import Controller
from enas.search.reinforce import Baseline, policy_loss
from enas.spaces.macro.steps import steps


def test_baseline_is_the_moving_average_after_the_update() -> None:
    baseline = Baseline(0.9)
    assert baseline.advantage(1.0) == pytest.approx(0.9)
    assert baseline.value == pytest.approx(0.1)
    assert baseline.advantage(0.5) == pytest.approx(0.36)
    assert baseline.value == pytest.approx(0.14)


def test_loss_is_the_mean_of_the_published_formula() -> None:
    torch.manual_seed(0)
    controller = Controller(steps({"layers": 3}), ControllerConfig())
    sample = controller(3, generator=torch.Generator().manual_seed(1))
    config = SearchConfig(entropy_weight=0.01, skip_weight=0.8)
    scores = [0.2, 0.9, 0.5]
    loss, figures = policy_loss(sample, scores, Baseline(0.99), config)
    baseline, terms = 0.0, []
    for i, score in enumerate(scores):
        reward = score + 0.01 * sample.entropy[i].item()
        baseline -= (1 - 0.99) * (baseline - reward)
        terms.append(-sample.log_prob[i].item() * (reward - baseline) + 0.8 * sample.skip_penalty[i].item())
    assert loss.item() == pytest.approx(sum(terms) / 3, rel=1e-5)
    assert figures["controller/entropy"] == pytest.approx(sample.entropy.mean().item(), rel=1e-5)


def test_policy_learns_a_problem_with_a_known_answer() -> None:
    """Reward: share of layers whose operation is sep5x5. The policy must come to prefer it, and keep skips near the target."""
    torch.manual_seed(0)
    size = {"layers": 4}
    controller = Controller(steps(size), ControllerConfig(tanh_constant=2.5))
    config = SearchConfig(entropy_weight=0.0)
    optimizer = torch.optim.Adam(controller.parameters(), lr=0.01, betas=(0.0, 0.999), eps=1e-3)
    baseline, generator = Baseline(0.9), torch.Generator().manual_seed(0)
    op_columns = [0, 1, 3, 6]
    for _ in range(150):
        sample = controller(20, generator=generator)
        scores = (sample.codes[:, op_columns] == 3).double().mean(1).tolist()
        loss, _ = policy_loss(sample, scores, baseline, config)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        codes = controller(500, generator=generator).codes
    assert (codes[:, op_columns] == 3).double().mean().item() > 0.75
    skips = [column for column in range(codes.shape[1]) if column not in op_columns]
    assert codes[:, skips].double().mean().item() == pytest.approx(0.4, abs=0.08)
