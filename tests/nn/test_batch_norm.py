"""Batch norm as the blocks have it against its closed form, with and without running statistics."""

import pytest
import torch
from torch import Tensor

from enas.nn.blocks import batch_norm

pytestmark = pytest.mark.usefixtures("either_way")

FORMATS = [torch.contiguous_format, torch.channels_last]


def normalised_slowly(x: Tensor, epsilon: float) -> Tensor:
    result = torch.empty_like(x)
    for c in range(x.shape[1]):
        values = x[:, c].double()
        mean = values.sum() / values.numel()
        variance = ((values - mean) ** 2).sum() / values.numel()
        result[:, c] = ((values - mean) / (variance + epsilon).sqrt()).float()
    return result


@pytest.mark.parametrize("epsilon", [1e-5, 1e-3])
def test_batch_norm_without_running_statistics_uses_the_batch_in_training_and_evaluation(epsilon: float) -> None:
    norm = batch_norm(2, running=False, epsilon=epsilon)
    scale = torch.tensor([0.01, 3.0])[None, :, None, None]  # so small a variance that epsilon matters
    x = 4 + scale * torch.randn(5, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    expected = normalised_slowly(x, epsilon)
    assert torch.allclose(norm(x), expected, atol=1e-4)
    other = 2 - x
    norm(other)
    norm.eval()
    assert torch.allclose(norm(x), expected, atol=1e-4)


@pytest.mark.parametrize("layout", FORMATS)
@pytest.mark.parametrize("running", [False, True])
@pytest.mark.parametrize("channels", [1, 3, 8])
def test_the_gradient_of_batch_norm_has_its_closed_form(
    channels: int, running: bool, layout: torch.memory_format
) -> None:
    generator = torch.Generator().manual_seed(0)
    norm = batch_norm(channels, running=running)
    scale, shift = norm.parameters()
    with torch.no_grad():
        scale.copy_(1 + torch.rand(channels, generator=generator))
        shift.copy_(torch.rand(channels, generator=generator))
    x = (2 + 3 * torch.randn(4, channels, 3, 5, generator=generator)).contiguous(memory_format=layout).requires_grad_()
    incoming = torch.randn(4, channels, 3, 5, generator=generator)
    out = norm(x)
    (out * incoming).sum().backward()

    def mean(values: Tensor) -> Tensor:
        return values.mean(dim=(0, 2, 3), keepdim=True)

    inner = x.detach()
    deviation = (mean(inner.square()) - mean(inner).square() + 1e-5).sqrt()
    normal = (inner - mean(inner)) / deviation
    factor = scale.detach()[:, None, None]
    expected = factor / deviation * (incoming - mean(incoming) - normal * mean(incoming * normal))
    assert torch.allclose(out.detach(), factor * normal + shift.detach()[:, None, None], atol=1e-4)
    assert x.grad is not None
    assert torch.allclose(x.grad, expected, atol=1e-4)
    assert scale.grad is not None
    assert torch.allclose(scale.grad, (incoming * normal).sum(dim=(0, 2, 3)), atol=1e-3)
    assert shift.grad is not None
    assert torch.allclose(shift.grad, incoming.sum(dim=(0, 2, 3)), atol=1e-4)


def test_batch_norm_with_running_statistics_moves_them_by_a_tenth_and_evaluates_with_them() -> None:
    norm = batch_norm(2, running=True)
    x = 4 + 3 * torch.randn(5, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(norm(x), normalised_slowly(x, 1e-5), atol=1e-4)
    norm.eval()
    values = x.permute(1, 0, 2, 3).reshape(2, -1)
    mean, variance = 0.1 * values.mean(1), 0.9 + 0.1 * values.var(1, unbiased=True)
    expected = (x - mean[:, None, None]) / (variance[:, None, None] + 1e-5).sqrt()
    assert torch.allclose(norm(x), expected, atol=1e-4)
    assert torch.allclose(norm(x), expected, atol=1e-4)  # evaluation leaves them alone
