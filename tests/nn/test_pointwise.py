"""1x1 convolutions with their batch norm are the plain layers wherever the kernel is used and wherever it is not."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from enas.nn import native
from enas.nn.blocks import Chain, conv
from enas.nn.norm import BatchNorm
from enas.nn.pointwise import is_pointwise, pointwise_unit

pytestmark = pytest.mark.usefixtures("either_way")


def channels_last(*shape: int, seed: int = 0) -> Tensor:
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return x.contiguous(memory_format=torch.channels_last)


def batch_norm(channels: int, *, running: bool = False, relu: bool = False) -> BatchNorm:
    return BatchNorm(channels, epsilon=1e-5, running=running, relu=relu)


@pytest.mark.parametrize("rectify", [None, F.relu])
def test_the_sum_of_convolutions_is_normalised(rectify: type[F.relu] | None) -> None:
    xs, ws = [channels_last(3, 4, 6, 5, seed=k) for k in range(2)], [torch.randn(6, 4, 1, 1) for _ in range(2)]
    total = sum(F.conv2d(x.relu() if rectify else x, w) for x, w in zip(xs, ws, strict=True))
    expected = F.batch_norm(total, None, None, torch.ones(6), torch.zeros(6), training=True)
    torch.testing.assert_close(pointwise_unit(xs, ws, batch_norm(6), rectify=rectify), expected, rtol=1e-4, atol=1e-5)


def test_it_keeps_the_maps_and_their_sum() -> None:
    if native.library() is None:
        pytest.skip("of the kernel")
    xs = [channels_last(4, 8, 6, 6, seed=k).requires_grad_() for k in range(2)]
    kept = dict[int, int]()

    def note(value: Tensor) -> Tensor:
        kept[value.data_ptr()] = value.numel()
        return value

    with torch.autograd.graph.saved_tensors_hooks(note, lambda value: value):
        y = pointwise_unit(xs, [torch.randn(8, 8, 1, 1) for _ in range(2)], batch_norm(8))
    large = {place for place, size in kept.items() if size >= xs[0].numel()}
    assert {x.data_ptr() for x in xs} < large
    assert len(large) == 3
    assert y.data_ptr() not in large


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_a_chain_is_its_layers_one_after_the_other(layout: torch.memory_format) -> None:
    layers = [conv(4, 6), batch_norm(6, relu=True), conv(6, 6, 3), batch_norm(6), conv(6, 3), torch.nn.Dropout(0.0)]
    x = torch.randn(5, 4, 7, 6).contiguous(memory_format=layout)
    chain, plain = Chain(*layers), torch.nn.Sequential(*layers)
    torch.testing.assert_close(chain(x), plain(x), rtol=1e-4, atol=1e-5)
    assert list(chain.state_dict()) == list(plain.state_dict())


def test_evaluation_with_running_averages_goes_through_the_layers() -> None:
    norm, x, w = batch_norm(6, running=True, relu=True), channels_last(3, 4, 6, 5), torch.randn(6, 4, 1, 1)
    for _ in range(3):
        pointwise_unit([x], [w], norm)
    assert norm.num_batches_tracked == 3
    norm.eval()
    torch.testing.assert_close(pointwise_unit([x], [w], norm), norm(F.conv2d(x.relu(), w)))


def test_one_pixel_is_its_own_mean() -> None:
    y = pointwise_unit([torch.randn(1, 4, 1, 1)], [torch.randn(6, 4, 1, 1)], batch_norm(6))
    assert torch.equal(y, torch.zeros(1, 6, 1, 1))


def test_layers_that_do_not_go_together_get_pytorchs_error() -> None:
    x, w = channels_last(3, 4, 6, 5), torch.randn(6, 4, 1, 1)
    with pytest.raises(RuntimeError):
        pointwise_unit([x], [w.double()], batch_norm(6))
    with pytest.raises(RuntimeError):
        pointwise_unit([x], [w], batch_norm(7))


def test_only_plain_convolutions_of_one_pixel_are_pointwise() -> None:
    assert is_pointwise(conv(4, 6))
    others = [conv(4, 6, 3), conv(4, 4, 3, groups=4), conv(4, 6, stride=2), conv(4, 6, groups=2), torch.nn.ReLU()]
    others += [torch.nn.Conv2d(4, 6, 1), torch.nn.Conv2d(4, 6, 1, padding=1, bias=False)]
    assert not any(map(is_pointwise, others))
