"""Blocks against closed forms and slow loops. Letters of shapes: B batch, C channels in, F filters out, H height, W width."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from enas.nn.blocks import Head, Pool, conv, he_normal, operation

pytestmark = pytest.mark.usefixtures("either_way")

CUT_VARIANCE = 0.7737413035499232
"""Variance of a standard normal distribution cut at -2 and 2: 1 - 4 phi(2) / (2 Phi(2) - 1)."""


def count(*modules: nn.Module) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


def assert_he_normal(weight: Tensor, fan_in: int) -> None:
    std = math.sqrt(2 / fan_in)
    assert weight.abs().max().item() <= 2 * std * (1 + 1e-6)
    assert weight.abs().max().item() > 1.8 * std
    assert weight.mean().item() == pytest.approx(0.0, abs=5 * std / math.sqrt(weight.numel()))
    assert weight.var().item() == pytest.approx(CUT_VARIANCE * std**2, rel=0.06)


def test_the_variance_of_the_cut_distribution_is_as_stated() -> None:
    density = math.exp(-2) / math.sqrt(2 * math.pi)
    assert pytest.approx(1 - 4 * density / math.erf(2 / math.sqrt(2)), rel=1e-9) == CUT_VARIANCE


@pytest.mark.parametrize("fan_in", [1, 50, 4000])
def test_he_normal_is_cut_at_two_standard_deviations(fan_in: int) -> None:
    torch.manual_seed(0)
    weight = torch.empty(20_000)
    he_normal(weight, fan_in)
    assert_he_normal(weight, fan_in)


def test_fan_in_counts_every_input_channel_even_of_a_depthwise_convolution() -> None:
    torch.manual_seed(0)
    assert_he_normal(conv(40, 60, 3).weight, 3 * 3 * 40)
    assert_he_normal(conv(60, 50).weight, 60)
    assert_he_normal(conv(400, 400, 5, groups=400).weight, 5 * 5 * 400)
    (weight,) = Head(120, 40, 0.0).parameters()
    assert_he_normal(weight, 120)


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_a_convolution_keeps_the_size_and_has_no_bias(kernel: int) -> None:
    layer = conv(3, 8, kernel)
    assert layer(torch.randn(2, 3, 7, 6)).shape == (2, 8, 7, 6)
    assert count(layer) == kernel * kernel * 3 * 8
    assert layer(torch.zeros(1, 3, 4, 4)).abs().max().item() == 0.0


@pytest.mark.parametrize("channels", [2, 4, 7, 16])
def test_a_strided_pointwise_convolution_has_the_gradients_of_the_picked_pixels(channels: int) -> None:
    # oneDNN's own gradient (issue 6035 there) writes past its workspace where channels do not fill a vector: wrong numbers, or
    # the end of the process.
    torch.manual_seed(0)
    x = torch.randn(5, channels, 8, 7).contiguous(memory_format=torch.channels_last).requires_grad_()
    g = torch.randn(5, 6, 4, 4)
    layer = conv(channels, 6, stride=2)
    with StridesOfConvolutions() as seen:
        y = layer(x)
        y.backward(g)
    assert len(seen.strides) == 2
    assert set(seen.strides) == {(1, 1)}
    picked, weight = x.detach()[..., ::2, ::2], layer.weight.detach()[..., 0, 0]
    torch.testing.assert_close(y, torch.einsum("bchw,fc->bfhw", picked, weight), rtol=1e-5, atol=1e-5)
    assert layer.weight.grad is not None
    expected = torch.einsum("bfhw,bchw->fc", g, picked)
    torch.testing.assert_close(layer.weight.grad[..., 0, 0], expected, rtol=1e-5, atol=1e-5)
    assert x.grad is not None
    torch.testing.assert_close(x.grad[..., ::2, ::2], torch.einsum("bfhw,fc->bchw", g, weight), rtol=1e-5, atol=1e-5)
    assert x.grad[..., 1::2, :].abs().max().item() == x.grad[..., 1::2].abs().max().item() == 0.0


class StridesOfConvolutions(TorchDispatchMode):
    """Notes the stride of every convolution, and of every gradient of one."""

    def __init__(self) -> None:
        super().__init__()
        self.strides: list[tuple[int, ...]] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in (torch.ops.aten.convolution.default, torch.ops.aten.convolution_backward.default):
            self.strides.append(tuple(args[3 if function is torch.ops.aten.convolution.default else 4]))
        return function(*args, **(kwargs or {}))


def pooled_slowly(x: Tensor, kind: str) -> Tensor:
    result = torch.empty_like(x)
    batch, channels, height, width = x.shape
    for b in range(batch):
        for c in range(channels):
            for i in range(height):
                for j in range(width):
                    seen = [
                        x[b, c, y, z].item()
                        for y in range(max(i - 1, 0), min(i + 2, height))
                        for z in range(max(j - 1, 0), min(j + 2, width))
                    ]
                    result[b, c, i, j] = max(seen) if kind == "max_pool" else sum(seen) / len(seen)
    return result


FORMATS = [torch.contiguous_format, torch.channels_last]


@pytest.mark.parametrize("layout", FORMATS)
@pytest.mark.parametrize("kind", ["avg_pool", "max_pool"])
@pytest.mark.parametrize("size", [(4, 5), (1, 3), (3, 1), (1, 1), (2, 2), (6, 3)])
def test_pools_see_the_image_and_never_its_padding(
    kind: str, size: tuple[int, int], layout: torch.memory_format
) -> None:
    x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0)) - 5  # a counted zero would be the largest
    x = x.contiguous(memory_format=layout)
    assert torch.allclose(Pool(kind)(x), pooled_slowly(x, kind), atol=1e-5)


@pytest.mark.parametrize("kind", ["avg_pool", "max_pool"])
@pytest.mark.parametrize(("height", "width"), [(8, 6), (7, 5), (1, 2)])
def test_a_pool_of_stride_2_has_every_other_result_of_stride_1(kind: str, height: int, width: int) -> None:
    x = torch.randn(2, 3, height, width)
    torch.testing.assert_close(Pool(kind, stride=2)(x), Pool(kind)(x)[:, :, ::2, ::2])


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_a_convolution_of_stride_2_has_every_other_result_of_stride_1(kernel: int) -> None:
    x, strided, plain = torch.randn(2, 3, 7, 8), conv(3, 4, kernel, stride=2), conv(3, 4, kernel)
    plain.load_state_dict(strided.state_dict())
    torch.testing.assert_close(strided(x), plain(x)[:, :, ::2, ::2])


@pytest.mark.parametrize("layout", FORMATS)
@pytest.mark.parametrize("size", [(4, 5), (1, 3), (2, 2)])
def test_the_gradient_of_an_average_pool_gives_each_pixel_its_share_of_each_window(
    size: tuple[int, int], layout: torch.memory_format
) -> None:
    height, width = size
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, *size, generator=generator).contiguous(memory_format=layout).requires_grad_()
    incoming = torch.randn(2, 3, *size, generator=generator)
    (Pool("avg_pool")(x) * incoming).sum().backward()
    expected = torch.zeros(2, 3, *size)
    for i in range(height):
        for j in range(width):
            rows, columns = slice(max(i - 1, 0), i + 2), slice(max(j - 1, 0), j + 2)
            pixels = len(range(height)[rows]) * len(range(width)[columns])
            expected[:, :, rows, columns] += incoming[:, :, i : i + 1, j : j + 1] / pixels
    assert x.grad is not None
    assert torch.allclose(x.grad, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("conv3x3", 9 * 6 * 8),
        ("conv5x5", 25 * 6 * 8),
        ("sep3x3", 9 * 6 + 6 * 8),
        ("sep5x5", 25 * 6 + 6 * 8),
    ],
)
def test_operations_have_the_parameters_of_the_closed_form(name: str, parameters: int) -> None:
    layers = operation(name, 6, 8)
    assert count(*layers) == parameters
    x = torch.randn(2, 6, 5, 4)
    for layer in layers:
        x = layer(x)
    assert x.shape == (2, 8, 5, 4)


@pytest.mark.parametrize("name", ["avg_pool", "max_pool"])
def test_a_pool_has_no_parameters(name: str) -> None:
    layers = operation(name, 6, 6)
    assert count(*layers) == 0
    x = torch.randn(1, 6, 4, 4, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(nn.Sequential(*layers)(x), pooled_slowly(x, name), atol=1e-6)


def test_a_separable_convolution_is_depthwise_and_then_pointwise() -> None:
    torch.manual_seed(0)
    layers = nn.Sequential(*operation("sep3x3", 2, 3))
    depth, point = (weight.detach() for weight in layers.parameters())
    x = torch.randn(1, 2, 4, 4)
    padded = nn.functional.pad(x, (1, 1, 1, 1))
    expected = torch.zeros(1, 3, 4, 4)
    for i in range(4):
        for j in range(4):
            inner = [(padded[0, c, i : i + 3, j : j + 3] * depth[c, 0]).sum().item() for c in range(2)]
            for f in range(3):
                expected[0, f, i, j] = sum(point[f, c, 0, 0].item() * inner[c] for c in range(2))
    assert torch.allclose(layers(x), expected, atol=1e-5)


def test_the_head_is_the_linear_map_of_the_mean_over_the_image() -> None:
    torch.manual_seed(0)
    head = Head(3, 4, 0.5).eval()
    x = torch.randn(2, 3, 5, 2)
    (weight,) = head.parameters()
    expected = torch.zeros(2, 4)
    for b in range(2):
        for k in range(4):
            expected[b, k] = sum(weight[k, c].item() * x[b, c].sum().item() / 10 for c in range(3))
    assert torch.allclose(head(x), expected, atol=1e-5)


def test_the_head_drops_features_in_training_only() -> None:
    torch.manual_seed(0)
    head = Head(200, 200, 0.25)
    (weight,) = head.parameters()
    with torch.no_grad():
        weight.copy_(torch.eye(200))
    x = torch.ones(50, 200, 2, 2)
    assert torch.equal(head.eval()(x), torch.ones(50, 200))
    dropped = head.train()(x)
    assert sorted(dropped.unique().tolist()) == pytest.approx([0.0, 4 / 3])
    assert (dropped == 0).double().mean().item() == pytest.approx(0.25, abs=0.02)


def test_a_head_without_dropout_is_the_same_in_training_and_evaluation() -> None:
    torch.manual_seed(0)
    head = Head(20, 4, 0.0)
    x = torch.randn(6, 20, 2, 2)
    assert torch.equal(head.train()(x), head.eval()(x))
