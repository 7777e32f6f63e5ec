"""The fast batch norm agrees with PyTorch's own, in double precision where rounding would hide an error."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from enas.nn import norm
from enas.nn.norm import BatchNorm

pytestmark = pytest.mark.usefixtures("either_way")


@pytest.fixture(autouse=True)
def small_maps_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(norm, "LEAST", 0)


def channels_last(*shape: int) -> Tensor:
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(1)) * 2 + 3
    return x.contiguous(memory_format=torch.channels_last)


def with_weights(channels: int, *, running: bool = False, relu: bool = False) -> BatchNorm:
    layer = BatchNorm(channels, epsilon=1e-3, running=running, relu=relu)
    with torch.no_grad():
        layer.weight.copy_(torch.linspace(-1, 2, channels))
        layer.bias.copy_(torch.linspace(1, -1, channels))
    return layer


def reference(x: Tensor, layer: BatchNorm) -> Tensor:
    """The textbook formula."""
    mean = x.mean((0, 2, 3), keepdim=True)
    variance = ((x - mean) ** 2).mean((0, 2, 3), keepdim=True)
    weight, bias = (p.to(x.dtype).view(1, -1, 1, 1) for p in (layer.weight, layer.bias))
    y = (x - mean) / torch.sqrt(variance + layer.eps) * weight + bias
    return y.clamp(min=0) if layer.relu else y


@pytest.mark.parametrize("relu", [False, True])
# Rows of many pixels, of 4 and of one; a single row.
@pytest.mark.parametrize("shape", [(4, 5, 8, 8), (2, 3, 2, 3), (3, 7, 5, 5), (64, 12, 24, 24), (1, 1, 9, 1)])
def test_value_and_gradients_are_those_of_the_formula(shape: tuple[int, ...], relu: bool) -> None:
    x = channels_last(*shape)
    assert norm._wide_passes_pay(x)
    layer = with_weights(shape[1], relu=relu)
    mine = x.clone(memory_format=torch.preserve_format).requires_grad_()
    exact = x.double().requires_grad_()
    g = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    y, expected = layer(mine), reference(exact, layer)
    # Where rounding could decide what ReLU does, no gradient is sent back.
    g = g * (expected.detach().abs() > 1e-4)
    torch.testing.assert_close(y.double(), expected, rtol=1e-4, atol=1e-5)
    gradients = torch.autograd.grad(
        y, [mine, layer.weight, layer.bias], g.contiguous(memory_format=torch.channels_last)
    )
    wanted = torch.autograd.grad(expected, [exact, layer.weight, layer.bias], g.double())
    for gradient, want in zip(gradients, wanted, strict=True):
        scale = want.abs().max().item() + 1e-6
        torch.testing.assert_close(gradient.double(), want.double(), rtol=1e-4, atol=2e-5 * max(scale, 1))


@pytest.mark.parametrize("running", [False, True])
@pytest.mark.parametrize("maps", [2, 3, 6])
@pytest.mark.parametrize("shape", [(4, 5, 8, 8), (2, 3, 2, 3), (64, 12, 24, 24), (1, 1, 9, 1)])
def test_a_sum_of_maps_is_normalised_as_one_map(shape: tuple[int, ...], maps: int, running: bool) -> None:
    draw = torch.Generator().manual_seed(3)
    xs = [(torch.randn(shape, generator=draw) + k).contiguous(memory_format=torch.channels_last) for k in range(maps)]
    layer, own = (with_weights(shape[1], relu=True, running=running) for _ in range(2))
    mine, exact = ([x.to(kind).requires_grad_() for x in xs] for kind in (torch.float32, torch.float64))
    y, expected = layer(*mine), reference(sum(exact[1:], exact[0]), layer)
    torch.testing.assert_close(y.double(), expected, rtol=1e-4, atol=1e-5)
    g = torch.randn(shape, generator=draw) * (expected.detach().abs() > 1e-4)
    gradients = torch.autograd.grad(y, [*mine, layer.weight, layer.bias], g)
    wanted = torch.autograd.grad(expected, [*exact, layer.weight, layer.bias], g.double())
    for gradient, want in zip(gradients, wanted, strict=True):
        scale = want.abs().max().item() + 1e-6
        torch.testing.assert_close(gradient.double(), want.double(), rtol=1e-4, atol=2e-5 * max(scale, 1))
    own(sum(xs[1:], xs[0]))
    torch.testing.assert_close(dict(layer.named_buffers()), dict(own.named_buffers()), rtol=1e-4, atol=1e-5)
    layer.eval()
    if running:
        torch.testing.assert_close(layer(*xs), layer(sum(xs[1:], xs[0])), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("relu", [False, True])
def test_gradients_agree_with_finite_differences(relu: bool) -> None:
    x = channels_last(2, 3, 4, 4).double().requires_grad_()
    weight, bias = torch.rand(3).double().requires_grad_(), torch.rand(3).double().requires_grad_()

    layer = BatchNorm(3, epsilon=1e-3, running=False)

    def normalised(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return norm._WideBatchNorm.apply(x, weight, bias, *layer.statistics(x), relu)

    assert torch.autograd.gradcheck(normalised, (x, weight, bias))


def test_running_averages_and_evaluation_are_those_of_pytorch() -> None:
    mine, theirs = with_weights(6, running=True, relu=True), torch.nn.BatchNorm2d(6, eps=1e-3)
    theirs.load_state_dict(mine.state_dict())
    for turn in range(3):
        x = channels_last(4, 6, 8, 8) * (turn + 1)
        torch.testing.assert_close(mine(x), F.relu(theirs(x)), rtol=1e-4, atol=1e-4)
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(mine.state_dict()[name], value, rtol=1e-4, atol=1e-5)
    mine.eval()
    theirs.eval()
    x = channels_last(2, 6, 3, 3)
    torch.testing.assert_close(mine(x), F.relu(theirs(x)), rtol=1e-4, atol=1e-4)


def test_without_running_averages_evaluation_uses_the_batch() -> None:
    layer = with_weights(5)
    x = channels_last(4, 5, 4, 4)
    trained = layer(x)
    layer.eval()
    assert torch.equal(layer(x), trained)


@pytest.mark.parametrize("channels", [16, 48])
def test_multiples_of_a_vector_take_pytorchs_own_way_to_the_same_value(channels: int) -> None:
    x = channels_last(4, channels, 6, 6)
    assert not norm._wide_passes_pay(x)
    layer = with_weights(channels, relu=True)
    torch.testing.assert_close(layer(x).double(), reference(x.double(), layer), rtol=1e-4, atol=1e-4)


def test_a_large_mean_costs_no_precision() -> None:
    x = channels_last(8, 3, 16, 16) + 1000
    layer = with_weights(3)
    torch.testing.assert_close(layer(x).double(), reference(x.double(), layer), rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize("running", [False, True])
def test_a_single_value_is_its_own_mean(running: bool) -> None:
    """One image of one pixel: the last batch of small images after several halvings."""
    norm = BatchNorm(3, epsilon=1e-5, running=running)
    with torch.no_grad():
        norm.bias.copy_(torch.tensor([1.0, 2.0, 3.0]))
    x = torch.randn(1, 3, 1, 1, requires_grad=True)
    y = norm(x)
    y.sum().backward()
    torch.testing.assert_close(y.flatten(), norm.bias.detach())
    assert x.grad is not None
    assert x.grad.abs().sum() == 0
    assert norm.bias.grad is not None
    assert norm.bias.grad.tolist() == [1, 1, 1]


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("channels", [16, 20, 17])
def test_a_large_map_has_the_gradients_of_a_small_one(channels: int, relu: bool) -> None:
    """The kernel writes it past the caches, but for what does not fill a row."""
    layer, x = with_weights(channels, relu=relu), channels_last(23, channels, 31, 25).requires_grad_()
    exact = x.detach().double().requires_grad_()
    y, expected = layer(x), reference(exact, layer)
    # Where rounding could decide what ReLU does, no gradient is sent back.
    g = channels_last(*x.shape) * (expected.detach().abs() > 1e-4)
    (want,) = torch.autograd.grad(expected, exact, g.double())
    torch.testing.assert_close(torch.autograd.grad(y, x, g)[0].double(), want, rtol=1e-4, atol=1e-4)
