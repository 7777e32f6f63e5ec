"""The depthwise convolution's own gradients agree with PyTorch's and with finite differences."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from enas.nn import depthwise
from enas.nn.depthwise import DepthwiseConv

pytestmark = pytest.mark.usefixtures("either_way")


def channels_last(*shape: int, seed: int = 0) -> Tensor:
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return x.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
@pytest.mark.parametrize("shape", [(5, 6, 8, 8), (2, 20, 3, 7), (3, 4, 1, 1), (4, 3, 2, 9)])
def test_value_and_gradients_are_pytorchs(kernel: int, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depthwise, "PART", 2 * shape[1] * shape[2] * shape[3])  # parts of two images, and a smaller one
    layer, x = DepthwiseConv(shape[1], kernel), channels_last(*shape).requires_grad_()
    plain = x.detach().double().requires_grad_()
    weight = layer.weight.detach().double().requires_grad_()
    y, expected = layer(x), F.conv2d(plain, weight, padding=kernel // 2, groups=shape[1])
    assert type(y.grad_fn).__name__ == "_DepthwiseBackward"
    torch.testing.assert_close(y.double(), expected, rtol=1e-4, atol=1e-5)
    g = channels_last(*shape, seed=1)
    mine = torch.autograd.grad(y, [x, layer.weight], g)
    wanted = torch.autograd.grad(expected, [plain, weight], g.double())
    for gradient, want in zip(mine, wanted, strict=True):
        torch.testing.assert_close(gradient.double(), want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kernel", [3, 5])
def test_gradients_agree_with_finite_differences(kernel: int) -> None:
    x = channels_last(2, 2, 4, 5).double().requires_grad_()
    weight = torch.randn(2, 1, kernel, kernel, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(depthwise._Depthwise.apply, (x, weight))


def test_other_layouts_and_strides_take_pytorchs_way() -> None:
    x = torch.randn(2, 3, 6, 6, requires_grad=True)
    for layer, value in ((DepthwiseConv(3, 5), x), (DepthwiseConv(3, 5, stride=2), channels_last(2, 3, 6, 6))):
        assert type(layer(value).grad_fn).__name__ == "ConvolutionBackward0"


def test_without_gradients_nothing_is_saved() -> None:
    with torch.no_grad():
        assert DepthwiseConv(3, 5)(channels_last(1, 3, 6, 6)).grad_fn is None
