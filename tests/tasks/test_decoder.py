"""The decoder's loss in pieces against the loss of all logits at once."""

import pytest
import torch
import torch.nn.functional as F

from enas.tasks.decoder import decoder_loss


def problem(n: int, dtype: torch.dtype = torch.double) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    features = torch.randn(n, 4, generator=draw, dtype=dtype).requires_grad_()
    weight = torch.randn(7, 4, generator=draw, dtype=dtype).requires_grad_()
    return features, weight, torch.randint(7, (n,), generator=draw)


@pytest.mark.parametrize("rows", [None, 1, 3, 5, 100])
def test_loss_and_gradients_are_those_of_cross_entropy(rows: int | None) -> None:
    features, weight, targets = problem(5)
    expected = F.cross_entropy(features @ weight.t(), targets)
    wanted = torch.autograd.grad(2.5 * expected, (features, weight))
    found = decoder_loss(features, weight, targets, rows=rows)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(torch.autograd.grad(2.5 * found, (features, weight)), wanted)


def test_numerical_gradient() -> None:
    features, weight, targets = problem(4)
    assert torch.autograd.gradcheck(lambda f, w: decoder_loss(f, w, targets, rows=3), (features, weight))


def test_without_gradients_and_for_one_of_both() -> None:
    features, weight, targets = problem(5, torch.float)
    with torch.no_grad():
        plain = decoder_loss(features, weight, targets)
    assert not plain.requires_grad
    loss = decoder_loss(features.detach(), weight, targets)
    loss.backward()
    assert weight.grad is not None
    torch.testing.assert_close(plain, loss.detach())


def test_a_hopeless_answer_is_not_capped() -> None:
    features, weight = torch.tensor([[500.0]]), torch.tensor([[1.0], [-1.0]])
    assert decoder_loss(features, weight, torch.tensor([1])).item() == pytest.approx(1000.0)
