"""Without kernels, separable convolutions have the value and gradients of their parts and keep less for them."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from enas.nn.depthwise import DepthwiseConv
from enas.nn.norm import BatchNorm
from enas.nn.separable import Pair, separable, separable_twice

pytestmark = pytest.mark.usefixtures("without_kernels")


def channels_last(*shape: int, seed: int = 0) -> Tensor:
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return x.contiguous(memory_format=torch.channels_last)


def pair(channels: int, filters: int, *, kernel: int = 5, stride: int = 1) -> Pair:
    return DepthwiseConv(channels, kernel, stride=stride), torch.nn.Conv2d(channels, filters, 1, bias=False)


def batch_norm(channels: int, *, relu: bool = True, running: bool = False) -> BatchNorm:
    norm = BatchNorm(channels, epsilon=1e-5, running=running, relu=relu)
    with torch.no_grad():
        norm.weight.uniform_(0.5, 1.5)
        norm.bias.uniform_(-0.5, 0.5)
    return norm


def test_it_has_the_gradients_of_its_two_convolutions() -> None:
    first, second = pair(4, 6)
    x = channels_last(3, 4, 6, 5).requires_grad_()
    inputs = [x, first.weight, second.weight]
    y, expected = separable(x, (first, second)), second(first(x))
    assert type(y.grad_fn).__name__ == "_SeparableBackward"
    assert torch.equal(y, expected)
    g = channels_last(3, 6, 6, 5, seed=1)
    for mine, want in zip(torch.autograd.grad(y, inputs, g), torch.autograd.grad(expected, inputs, g), strict=True):
        torch.testing.assert_close(mine, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("relu", [False, True])
def test_twice_has_the_gradients_of_pytorchs_layers(relu: bool, kernel: int) -> None:
    first, norm, second = pair(20, 20, kernel=kernel), batch_norm(20, relu=relu), pair(20, 6, kernel=kernel)
    x = channels_last(8, 20, 16, 16).requires_grad_()
    inputs = [x, *(layer.weight for layer in (*first, norm, *second)), norm.bias]
    y = separable_twice(x, first, norm, second)
    assert type(y.grad_fn).__name__ == "_SeparableTwiceBackward"
    exact = [value.detach().double().requires_grad_() for value in inputs]
    z, kernels1, weight1, scale, kernels2, weight2, shift = exact
    z = F.conv2d(F.conv2d(z, kernels1, padding=kernel // 2, groups=20), weight1)
    z = F.batch_norm(z, None, None, scale, shift, training=True)
    z = F.conv2d(F.conv2d(z.relu() if relu else z, kernels2, padding=kernel // 2, groups=20), weight2)
    torch.testing.assert_close(y.double(), z, rtol=1e-4, atol=1e-4)
    g = channels_last(8, 6, 16, 16, seed=1)
    wanted = torch.autograd.grad(z, exact, g.double())
    for mine, want in zip(torch.autograd.grad(y, inputs, g), wanted, strict=True):
        torch.testing.assert_close(mine.double(), want, rtol=1e-3, atol=1e-4 * float(want.abs().max()))


def test_computing_the_maps_inside_again_changes_no_bit() -> None:
    first, norm, second = pair(20, 20), batch_norm(20), pair(20, 6)
    x = channels_last(8, 20, 16, 16).requires_grad_()
    inputs = [x, *(layer.weight for layer in (*first, norm, *second)), norm.bias]
    y, expected = separable_twice(x, first, norm, second), separable(norm(separable(x, first)), second)
    assert torch.equal(y, expected)
    g = channels_last(8, 6, 16, 16, seed=1)
    for mine, want in zip(torch.autograd.grad(y, inputs, g), torch.autograd.grad(expected, inputs, g), strict=True):
        assert torch.equal(mine, want)


def test_twice_keeps_only_the_map_that_it_reads() -> None:
    x, kept = channels_last(8, 20, 16, 16).requires_grad_(), dict[int, int]()

    def note(value: Tensor) -> Tensor:
        kept[value.data_ptr()] = value.numel()
        return value

    with torch.autograd.graph.saved_tensors_hooks(note, lambda value: value):
        y = separable_twice(x, pair(20, 20), batch_norm(20), pair(20, 6))
    assert y.requires_grad
    assert [place for place, size in kept.items() if size >= x.numel()] == [x.data_ptr()]


def test_running_averages_follow_once() -> None:
    norm, alone = batch_norm(20, running=True), batch_norm(20, running=True)
    first, x = pair(20, 20), channels_last(8, 20, 16, 16)
    y = separable_twice(x.requires_grad_(), first, norm, pair(20, 6))
    alone(separable(x, first))
    assert type(y.grad_fn).__name__ == "_SeparableTwiceBackward"
    assert norm.num_batches_tracked == 1
    assert torch.equal(norm.running_mean, alone.running_mean)
    assert torch.equal(norm.running_var, alone.running_var)


@pytest.mark.parametrize(("channels", "stride", "training"), [(16, 1, True), (20, 2, True), (20, 1, False)])
def test_other_maps_go_through_the_layers_themselves(channels: int, stride: int, training: bool) -> None:
    norm, x = batch_norm(channels, running=True).train(training), channels_last(8, channels, 16, 16).requires_grad_()
    first, second = pair(channels, channels, stride=stride), pair(channels, 6)
    y = separable_twice(x, first, norm, second)
    assert type(y.grad_fn).__name__ == "_SeparableBackward"
    torch.testing.assert_close(y, second[1](second[0](norm(first[1](first[0](x))))), rtol=1e-3, atol=1e-3)
