"""Convolutions with few products are the plain layers, wherever the kernel is used and wherever it is not."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from enas.nn import native
from enas.nn.blocks import conv
from enas.nn.convolution import convolution_unit, is_convolution
from enas.nn.norm import BatchNorm


def channels_last(*shape: int, seed: int = 0) -> Tensor:
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return x.contiguous(memory_format=torch.channels_last)


def batch_norm(channels: int, *, running: bool = False, relu: bool = False) -> BatchNorm:
    return BatchNorm(channels, epsilon=1e-3, running=running, relu=relu)


# Whole tiles, parts of tiles, one pixel, fewer images than are worked on together, more groups than threads, wide and narrow.
@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize(("relu", "after"), [(False, True), (True, False)])
@pytest.mark.parametrize(
    ("shape", "filters"),
    [
        ((3, 8, 8, 8), 8),
        ((2, 20, 7, 9), 36),
        ((9, 16, 1, 1), 17),
        ((1, 9, 1, 13), 8),
        ((5, 36, 16, 18), 20),
        ((33, 8, 4, 5), 50),
        ((19, 8, 33, 8), 9),  # more groups to a thread than are summed in float32
    ],
)
def test_units_have_the_value_and_gradients_of_their_layers(
    shape: tuple[int, ...], filters: int, relu: bool, after: bool, kernel: int
) -> None:
    if native.library() is None:
        pytest.skip("no C compiler here")
    draw = torch.Generator().manual_seed(0)
    layer, norm = conv(shape[1], filters, kernel), batch_norm(filters, running=True, relu=after)
    layer.to(memory_format=torch.channels_last if relu else torch.contiguous_format)
    with torch.no_grad():
        norm.weight.uniform_(0.5, 1.5, generator=draw)
        norm.bias.uniform_(-0.5, 0.5, generator=draw)
    inputs = [channels_last(*shape).requires_grad_(), layer.weight, norm.weight, norm.bias]
    x, weight, scale, shift = exact = [value.detach().double().requires_grad_() for value in inputs]
    y = convolution_unit(inputs[0], layer, norm, rectify=F.relu if relu else None)
    assert type(y.grad_fn).__name__ == "_ConvolutionUnitBackward"
    result = F.conv2d(x.relu() if relu else x, weight, padding=kernel // 2)
    expected = F.batch_norm(result, None, None, scale, shift, training=True, eps=1e-3)
    expected = expected.relu() if after else expected
    torch.testing.assert_close(y.double(), expected, rtol=1e-4, atol=5e-5)
    # Where rounding could decide what ReLU does, no gradient is sent back.
    g = torch.randn(y.shape, generator=draw) * (expected.detach().abs() > 1e-4)
    wanted = torch.autograd.grad(expected, exact, g.double())
    for mine, want in zip(torch.autograd.grad(y, inputs, g), wanted, strict=True):
        torch.testing.assert_close(mine.double(), want, rtol=1e-4, atol=5e-5 * (1 + float(want.abs().max())))
    plain = nn.BatchNorm2d(filters)
    plain(result.detach().float())
    torch.testing.assert_close(norm.running_mean, plain.running_mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(norm.running_var, plain.running_var, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("narrower")
@pytest.mark.parametrize("kernel", [3, 5])
def test_narrower_vectors_do_as_well(kernel: int) -> None:
    for shape, filters in (((2, 20, 7, 9), 36), ((3, 9, 8, 8), 10)):
        test_units_have_the_value_and_gradients_of_their_layers(shape, filters, relu=True, after=True, kernel=kernel)


@torch.no_grad()
@pytest.mark.parametrize(("kernel", "channels"), [(3, 36), (5, 36), (3, 128), (5, 96)])
def test_results_are_nearly_as_exact_as_those_of_plain_products(kernel: int, channels: int) -> None:
    """Both against double precision: errors of one size, a few times that of plain products."""
    if native.library() is None:
        pytest.skip("no C compiler here")
    layer, norm, x = conv(channels, channels, kernel), batch_norm(channels), channels_last(4, channels, 16, 16)
    exact = F.conv2d(x.double(), layer.weight.double(), padding=kernel // 2)
    exact = F.batch_norm(exact, None, None, training=True, eps=1e-3)
    plain = F.batch_norm(layer(x), None, None, training=True, eps=1e-3)
    errors = [float((y.double() - exact).square().mean().sqrt()) for y in (convolution_unit(x, layer, norm), plain)]
    assert errors[0] < 3e-6
    assert errors[0] < 10 * errors[1]


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("kernel", [3, 5])
def test_another_map_is_added(kernel: int) -> None:
    layer, norm, x = conv(8, 12, kernel), batch_norm(12), channels_last(3, 8, 6, 5).requires_grad_()
    plus, g = channels_last(3, 12, 6, 5, seed=1).requires_grad_(), channels_last(3, 12, 6, 5, seed=2)
    inputs = [x, plus, layer.weight, norm.weight, norm.bias]
    y, expected = convolution_unit(x, layer, norm, plus=plus), convolution_unit(x, layer, norm) + plus
    torch.testing.assert_close(y, expected)
    for mine, want in zip(torch.autograd.grad(y, inputs, g), torch.autograd.grad(expected, inputs, g), strict=True):
        torch.testing.assert_close(mine, want)
    norm.relu = True  # the sum is not rectified
    torch.testing.assert_close(convolution_unit(x, layer, norm, plus=plus), convolution_unit(x, layer, norm) + plus)


@pytest.mark.usefixtures("either_way")
def test_evaluation_with_running_averages_goes_through_the_layers() -> None:
    layer, norm, x = conv(8, 12, 3), batch_norm(12, running=True), channels_last(3, 8, 6, 5)
    convolution_unit(x, layer, norm)
    assert norm.num_batches_tracked == 1
    norm.eval()
    torch.testing.assert_close(convolution_unit(x, layer, norm, rectify=F.relu), norm(layer(x.relu())))


def test_the_same_numbers_come_out_every_time() -> None:
    layer, norm, x = conv(20, 20, 5), batch_norm(20), channels_last(8, 20, 9, 9).requires_grad_()
    g = channels_last(8, 20, 9, 9, seed=1)
    runs = [torch.autograd.grad(convolution_unit(x, layer, norm), [x, layer.weight], g) for _ in range(2)]
    assert all(torch.equal(first, again) for first, again in zip(*runs, strict=True))


def test_what_is_no_number_shows() -> None:
    layer, norm, x = conv(8, 8, 3), batch_norm(8), channels_last(2, 8, 5, 5)
    x[1, 2, 3, 4] = float("nan")
    assert convolution_unit(x, layer, norm).isnan().all()


@pytest.mark.usefixtures("either_way")
def test_layers_that_do_not_go_together_get_pytorchs_error() -> None:
    layer, x = conv(8, 12, 3), channels_last(3, 8, 6, 5)
    with pytest.raises(RuntimeError):
        convolution_unit(x, layer, batch_norm(11))
    with pytest.raises(RuntimeError):
        convolution_unit(channels_last(3, 9, 6, 5), layer, batch_norm(12))


def test_only_windows_and_channels_that_pay_are_taken() -> None:
    assert all(map(is_convolution, [conv(8, 12, 3), conv(36, 36, 5)]))
    others = [
        conv(3, 36, 3),
        conv(8, 12),
        conv(8, 12, 7),
        conv(8, 12, 3, stride=2),
        conv(8, 8, 3, groups=8),
        conv(8, 999, 3),
    ]
    others += [
        nn.Conv2d(8, 8, 3, padding=1),
        nn.Conv2d(8, 8, 3, bias=False),
        nn.Conv2d(8, 8, (3, 5), padding=1, bias=False),
    ]
    others += [nn.Conv2d(8, 8, 3, padding=1, dilation=2, bias=False), nn.ReLU()]
    assert not any(map(is_convolution, others))
