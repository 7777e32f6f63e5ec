from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from enas.config import ControllerConfig, SearchConfig
from enas.controller import Controller, Sample
from enas.errors import UsageError
from enas.search.optimizers import controller_optimizer, step_controller
from enas.search.reinforce import SMALLEST_SPREAD, Baseline, check_update, entropy_weight, policy_loss, update
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
    loss, _, figures = policy_loss(sample, scores, Baseline(0.99), config)
    baseline, terms = 0.0, []
    for i, score in enumerate(scores):
        reward = score + 0.01 * sample.entropy[i].item()
        baseline -= (1 - 0.99) * (baseline - reward)
        terms.append(-sample.log_prob[i].item() * (reward - baseline) + 0.8 * sample.skip_penalty[i].item())
    assert loss.item() == pytest.approx(sum(terms) / 3, rel=1e-5)
    assert figures["controller/entropy"] == pytest.approx(sample.entropy.mean().item(), rel=1e-5)


def test_the_entropy_weight_is_constant_or_changes_along_a_line() -> None:
    constant = SearchConfig(entropy_weight=0.1)
    assert [entropy_weight(constant, share) for share in (0.0, 1 / 3, 1.0)] == [0.1, 0.1, 0.1]
    falls, rises = replace(constant, entropy_weight_end=0.04), replace(constant, entropy_weight_end=0.4)
    assert [entropy_weight(falls, share) for share in (0.0, 1 / 3, 1.0)] == pytest.approx([0.1, 0.08, 0.04])
    assert [entropy_weight(rises, share) for share in (0.0, 1 / 3, 1.0)] == pytest.approx([0.1, 0.2, 0.4])
    assert entropy_weight(replace(constant, entropy_weight_end=0.0), 1.0) == 0.0


@pytest.mark.parametrize("progress", [0.0, 0.25, 1.0])
def test_the_reward_has_the_entropy_weight_of_the_moment(progress: float) -> None:
    """An update under way is that with a constant weight of the same size, to the last bit."""
    scores, results = [0.2, 0.9, 0.5, 0.4], []
    falls = SearchConfig(controller_lr=0.01, entropy_weight=0.5, entropy_weight_end=0.125)  # exact in binary
    for config in (falls, replace(falls, entropy_weight=0.5 - 0.375 * progress, entropy_weight_end=None)):
        controller, sample = controller_and_sample()
        figures = update(controller, stepper(controller, config), sample, scores, Baseline(0.9), config, progress)
        results.append((figures, torch.cat([p.detach().flatten() for p in controller.parameters()])))
    assert results[0][0] == results[1][0]
    assert torch.equal(results[0][1], results[1][1])
    mean = sum(scores) / 4 + (0.5 - 0.375 * progress) * results[0][0]["controller/entropy"]
    assert results[0][0]["controller/reward"] == pytest.approx(mean)


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
        loss, _, _ = policy_loss(sample, scores, baseline, config)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        codes = controller(500, generator=generator).codes
    assert (codes[:, op_columns] == 3).double().mean().item() > 0.75
    skips = [column for column in range(codes.shape[1]) if column not in op_columns]
    assert codes[:, skips].double().mean().item() == pytest.approx(0.4, abs=0.08)


def controller_and_sample(n: int = 4) -> tuple[Controller, Sample]:
    torch.manual_seed(0)
    controller = Controller(steps({"layers": 3}), ControllerConfig())
    return controller, controller(n, generator=torch.Generator().manual_seed(1))


def stepper(controller: Controller, config: SearchConfig) -> Callable[[Tensor], None]:
    optimizer = controller_optimizer(controller.parameters(), config)
    return lambda loss: step_controller(controller, optimizer, loss, config.controller_lr, config)


def test_leave_one_out_subtracts_the_mean_of_the_others() -> None:
    _, sample = controller_and_sample()
    config = SearchConfig(entropy_weight=0.0, skip_weight=0.0, baseline="leave_one_out")
    scores = [0.2, 0.9, 0.5, 0.4]
    loss, _, figures = policy_loss(sample, scores, Baseline(0.9), config)
    expected = [0.2 - 1.8 / 3, 0.9 - 1.1 / 3, 0.5 - 1.5 / 3, 0.4 - 1.6 / 3]
    products = [-p * a for p, a in zip(sample.log_prob.tolist(), expected, strict=True)]
    assert loss.item() == pytest.approx(sum(products) / 4, rel=1e-5)
    assert figures["controller/advantage"] == pytest.approx(0, abs=1e-9)


def test_normalised_advantages_do_not_depend_on_scale_and_are_zero_for_equals() -> None:
    _, sample = controller_and_sample()
    config = SearchConfig(entropy_weight=0.0, skip_weight=0.0, baseline="leave_one_out", normalise_advantage=True)
    scores = [0.2, 0.9, 0.5, 0.4]
    loss, _, _ = policy_loss(sample, scores, Baseline(0.9), config)
    spread = torch.tensor(scores).std(correction=0).item() + SMALLEST_SPREAD
    centred = [(score - 0.5) * 4 / 3 / spread for score in scores]
    products = [-p * a for p, a in zip(sample.log_prob.tolist(), centred, strict=True)]
    assert loss.item() == pytest.approx(sum(products) / 4, abs=1e-5)
    tenth, _, _ = policy_loss(sample, [0.5 + score / 10 for score in scores], Baseline(0.9), config)
    assert tenth.item() == pytest.approx(loss.item(), rel=0.01, abs=1e-5)
    equal, _, _ = policy_loss(sample, [0.5] * 4, Baseline(0.9), config)
    assert equal.item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"baseline": "leave_one_out", "controller_samples": 1}, "set --controller-samples to at least 2"),
        ({"normalise_advantage": True}, "needs --baseline leave_one_out"),
    ],
)
def test_updates_that_would_be_nothing_or_huge_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_update(SearchConfig(**changes))
    check_update(SearchConfig(controller_samples=1))
    check_update(SearchConfig(baseline="leave_one_out", normalise_advantage=True, controller_samples=2))


def test_one_update_is_one_step_on_the_loss() -> None:
    config = SearchConfig(controller_lr=0.01)
    scores, results = [0.2, 0.9, 0.5, 0.4], []
    for by_hand in (True, False):
        controller, sample = controller_and_sample()
        step, baseline = stepper(controller, config), Baseline(0.9)
        if by_hand:
            loss, _, _ = policy_loss(sample, scores, baseline, config)
            step(loss)
        else:
            update(controller, step, sample, scores, baseline, config, 0.0)
        results.append(torch.cat([p.detach().flatten() for p in controller.parameters()]))
    assert torch.equal(*results)


def test_reused_rewards_move_further_but_gain_nothing_beyond_the_clip() -> None:
    """With many steps the ratios of the rewarded architectures stop near 1 + clip, not at the largest there could be."""
    scores, moved = [0.2, 0.9, 0.5, 0.4], {}
    for steps_each, clip in ((1, 0.2), (60, 0.2), (60, 10.0)):
        config = SearchConfig(
            controller_lr=0.003, controller_epsilon=1e-8, entropy_weight=0.0, skip_weight=0.0,
            baseline="leave_one_out", policy_updates=steps_each, policy_clip=clip,
        )  # fmt: skip
        controller, sample = controller_and_sample()
        old = sample.log_prob.detach()
        update(controller, stepper(controller, config), sample, scores, Baseline(0.9), config, 0.0)
        with torch.no_grad():
            moved[steps_each, clip] = (controller(4, codes=sample.codes).log_prob - old).exp()[1].item()
    assert 1 < moved[1, 0.2] < moved[60, 0.2] < moved[60, 10.0]
    assert moved[60, 0.2] < 1.6
    assert moved[60, 10.0] > 2
