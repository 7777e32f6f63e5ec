"""Separable convolutions, alone and after a batch norm, have the value and gradients of their parts and keep less."""

import pytest
import torch
from torch import Tensor

from enas.nn.depthwise import DepthwiseConv
from enas.nn.norm import BatchNorm
from enas.nn.separable import separable


def channels_last(*shape: int, seed: int = 0) -> Tensor:
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return x.contiguous(memory_format=torch.channels_last)


def pair(channels: int, filters: int, *, stride: int = 1) -> tuple[DepthwiseConv, torch.nn.Conv2d]:
    return DepthwiseConv(channels, 5, stride=stride), torch.nn.Conv2d(channels, filters, 1, bias=False)


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
    y, expected = separable(x, first, second), second(first(x))
    assert type(y.grad_fn).__name__ == "_SeparableBackward"
    assert torch.equal(y, expected)
    g = channels_last(3, 6, 6, 5, seed=1)
    for mine, want in zip(torch.autograd.grad(y, inputs, g), torch.autograd.grad(expected, inputs, g), strict=True):
        torch.testing.assert_close(mine, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("relu", [False, True])
def test_with_a_norm_it_has_the_gradients_of_pytorchs_three(relu: bool) -> None:
    norm, (first, second) = batch_norm(20, relu=relu), pair(20, 6)
    x = (channels_last(8, 20, 16, 16) * 2 + 1).requires_grad_()
    inputs = [x, norm.weight, norm.bias, first.weight, second.weight]
    y = separable(x, first, second, norm)
    assert type(y.grad_fn).__name__ == "_NormSeparableBackward"
    exact = [value.detach().double().requires_grad_() for value in inputs]
    z = torch.nn.functional.batch_norm(exact[0], None, None, exact[1], exact[2], training=True)
    z = torch.nn.functional.conv2d(z.relu() if relu else z, exact[3], padding=2, groups=20)
    expected = torch.nn.functional.conv2d(z, exact[4])
    torch.testing.assert_close(y.double(), expected, rtol=1e-4, atol=1e-4)
    g = channels_last(8, 6, 16, 16, seed=1)
    wanted = torch.autograd.grad(expected, exact, g.double())
    for mine, want in zip(torch.autograd.grad(y, inputs, g), wanted, strict=True):
        torch.testing.assert_close(mine.double(), want, rtol=1e-3, atol=1e-4 * float(want.abs().max()))


def test_computing_the_normalised_map_again_changes_no_bit() -> None:
    norm, (first, second), x = batch_norm(20), pair(20, 6), channels_last(8, 20, 16, 16).requires_grad_()
    inputs = [x, norm.weight, norm.bias, first.weight, second.weight]
    y, expected = separable(x, first, second, norm), separable(norm(x), first, second)
    assert torch.equal(y, expected)
    g = channels_last(8, 6, 16, 16, seed=1)
    for mine, want in zip(torch.autograd.grad(y, inputs, g), torch.autograd.grad(expected, inputs, g), strict=True):
        assert torch.equal(mine, want)


def test_only_the_map_before_the_norm_is_kept() -> None:
    norm, (first, second), x = batch_norm(20), pair(20, 6), channels_last(8, 20, 16, 16).requires_grad_()
    kept = dict[int, int]()

    def note(value: Tensor) -> Tensor:
        kept[value.data_ptr()] = value.numel()
        return value

    with torch.autograd.graph.saved_tensors_hooks(note, lambda value: value):
        y = separable(x, first, second, norm)
    assert y.requires_grad
    assert [size for size in kept.values() if size >= x.numel()] == [x.numel()]
    assert x.data_ptr() in kept


def test_running_averages_follow_once() -> None:
    norm, alone, x = batch_norm(20, running=True), batch_norm(20, running=True), channels_last(8, 20, 16, 16)
    y = separable(x.requires_grad_(), *pair(20, 6), norm)
    alone(x)
    assert type(y.grad_fn).__name__ == "_NormSeparableBackward"
    assert norm.num_batches_tracked == 1
    assert torch.equal(norm.running_mean, alone.running_mean)
    assert torch.equal(norm.running_var, alone.running_var)


@pytest.mark.parametrize(("channels", "stride", "training"), [(16, 1, True), (20, 2, True), (20, 1, False)])
def test_other_maps_take_the_parts_themselves(channels: int, stride: int, training: bool) -> None:
    norm, x = batch_norm(channels, running=True).train(training), channels_last(8, channels, 16, 16).requires_grad_()
    first, second = pair(channels, 6, stride=stride)
    y = separable(x, first, second, norm)
    assert type(y.grad_fn).__name__ == ("_SeparableBackward" if stride == 1 else "ConvolutionBackward0")
    torch.testing.assert_close(y, second(first(norm(x))), rtol=1e-3, atol=1e-3)
