"""The kernels in C agree with formulas in double precision for every odd size, and a missing compiler is no obstacle."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from enas.nn import native, units
from enas.nn.cells import Separable
from enas.nn.norm import BatchNorm
from enas.nn.pointwise import halving_unit, pointwise_unit
from enas.nn.separable import separable_units

if native.library() is None:
    pytest.skip("no C compiler here", allow_module_level=True)
pytestmark = pytest.mark.usefixtures("threads")

# Fewer channels than a vector, a whole vector, one more; one pixel, rows shorter than a window; one image, more than threads.
SHAPES = [
    (3, 5, 7, 6),
    (2, 16, 4, 4),
    (5, 17, 3, 2),
    (4, 20, 8, 8),
    (1, 36, 1, 9),
    (3, 48, 5, 5),
    (2, 1, 6, 6),
    (9, 3, 1, 1),
]


def channels_last(*shape: int, seed: int = 0) -> Tensor:
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return x.contiguous(memory_format=torch.channels_last)


def close(mine: Tensor, exact: Tensor, tolerance: float = 2e-5) -> None:
    """Within rounding of sums as large as the largest number."""
    torch.testing.assert_close(
        mine.double(), exact, rtol=1e-4, atol=tolerance * (1 + float(exact.detach().abs().max()))
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_statistics_of_a_map_far_from_zero(shape: tuple[int, ...]) -> None:
    x, ones = channels_last(*shape) + 1000, torch.ones(shape[1])
    _, _, (mean, variance, inverse_std) = native.norm([x], ones, ones, 1e-3, relu=False)
    exact = x.double().mean((0, 2, 3)), x.double().var((0, 2, 3), unbiased=False)
    torch.testing.assert_close(mean.double(), exact[0], rtol=1e-6, atol=0)
    torch.testing.assert_close(variance.double(), exact[1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(inverse_std.double(), (variance.double() + 1e-3).rsqrt(), rtol=1e-6, atol=0)


@pytest.mark.parametrize(("relu", "adds"), [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize("channels", [16, 20, 17])
def test_a_large_map_is_normalised_like_a_small_one(channels: int, relu: bool, adds: bool) -> None:
    """It is written past the caches, but for what does not fill a row."""
    x, plus = channels_last(23, channels, 31, 25), channels_last(23, channels, 31, 25, seed=1) if adds else None
    weight, bias, mean, inverse_std = norm = tuple(torch.rand(channels) + 0.5 for _ in range(4))
    scale, shift = (value.double()[:, None, None] for value in (weight * inverse_std, bias))
    exact = (x.double() - mean.double()[:, None, None]) * scale + shift
    exact = exact.relu() if relu else exact
    close(native.normalise(x, norm, relu=relu, plus=plus), exact if plus is None else exact + plus)


@pytest.mark.parametrize("size", [8, 100])
@pytest.mark.parametrize("strange", [(0, 0), (3, 5)])
def test_one_strange_pixel_costs_no_precision(strange: tuple[int, int], size: int) -> None:
    x = channels_last(3, 16, size, size)
    x[(..., *strange)] = 300.0
    *_, statistics = native.norm([x], torch.ones(16), torch.ones(16), 1e-5, relu=False)
    kernels, weights = torch.zeros(16, 1, 3, 3), torch.eye(16).view(16, 16, 1, 1).contiguous()
    kernels[:, :, 1, 1] = 1  # a separable convolution that changes nothing
    _, alike = units.separable(x + 50, None, kernels, weights, 1e-5)
    exact = x.double().var((0, 2, 3), unbiased=False)
    torch.testing.assert_close(statistics[1].double(), exact, rtol=5e-5, atol=0)
    torch.testing.assert_close(alike[1].double(), exact, rtol=5e-5, atol=0)


@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("shape", SHAPES)
def test_gradient_of_depthwise_kernels(shape: tuple[int, ...], kernel: int) -> None:
    x, g, kernels = channels_last(*shape), channels_last(*shape, seed=1), torch.zeros(shape[1], 1, kernel, kernel)
    exact = kernels.double().requires_grad_()
    y = F.conv2d(x.double(), exact, padding=kernel // 2, groups=shape[1])
    close(native.depthwise_kernels(g, x, kernels), torch.autograd.grad(y, exact, g.double())[0])


@pytest.mark.parametrize("shape", SHAPES)
def test_max_pool_gives_the_gradient_to_the_first_of_equal_numbers(shape: tuple[int, ...]) -> None:
    x, g = channels_last(*shape).round_().requires_grad_(), channels_last(*shape, seed=1).round_()
    expected = F.max_pool2d(x, 3, stride=1, padding=1)
    y, places = native.max_pool_with_places(x.detach())
    assert torch.equal(y, expected)
    assert torch.equal(native.max_pool(x.detach()), expected)
    assert torch.equal(native.max_pool_backward(g, places), torch.autograd.grad(expected, x, g)[0])


@pytest.mark.parametrize("shape", [(3, 5, 6, 4), (1, 16, 2, 2), (2, 17, 4, 10)])
def test_halves_and_back(shape: tuple[int, ...]) -> None:
    x = channels_last(*shape)
    both = native.halves(x)
    assert torch.equal(both, torch.cat([x[:, :, ::2, ::2], x[:, :, 1::2, 1::2]], dim=1))
    expected = torch.zeros(shape)
    expected[:, :, ::2, ::2], expected[:, :, 1::2, 1::2] = both.chunk(2, dim=1)
    assert torch.equal(native.halves_backward(both), expected)


def exactly(block: Separable, x: Tensor, parameters: list[Tensor]) -> Tensor:
    """Two units in double precision, from PyTorch's own layers."""
    k1, w1, s1, b1, k2, w2, s2, b2 = parameters
    x = x.relu()
    for k, w, s, b, relu in ((k1, w1, s1, b1, True), (k2, w2, s2, b2, False)):
        x = F.conv2d(F.conv2d(x, k, padding=k.shape[-1] // 2, groups=len(k)), w)
        x = F.batch_norm(x, None, None, s, b, training=True, eps=block.norm1.eps)
        x = x.relu() if relu else x
    return x


@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape[0] * shape[2] * shape[3] > 9])
def test_separable_units_have_the_value_and_gradients_of_their_layers(shape: tuple[int, ...], kernel: int) -> None:
    torch.manual_seed(0)
    block = Separable(shape[1], kernel, running=True).to(memory_format=torch.channels_last)
    for norm in (block.norm1, block.norm2):
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
        torch.nn.init.uniform_(norm.bias, 1.0, 2.0)  # few numbers near zero, where rounding decides what ReLU does
    inputs = [channels_last(*shape).requires_grad_(), *block.parameters()]
    exact = [value.detach().double().requires_grad_() for value in inputs]
    y, expected = block(inputs[0]), exactly(block, exact[0], exact[1:])
    assert type(y.grad_fn).__name__ == "_SeparableUnitsBackward"
    close(y, expected, 1e-4)
    g = channels_last(*shape, seed=1)
    wanted = torch.autograd.grad(expected, exact, g.double())
    for mine, want in zip(torch.autograd.grad(y, inputs, g), wanted, strict=True):
        close(mine, want, 1e-3)
    plain = torch.nn.BatchNorm2d(shape[1])
    plain(F.conv2d(F.conv2d(inputs[0].relu(), inputs[1], padding=kernel // 2, groups=shape[1]), inputs[2]))
    torch.testing.assert_close(block.norm1.running_mean, plain.running_mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(block.norm1.running_var, plain.running_var, rtol=1e-4, atol=1e-5)
    assert block.norm1.num_batches_tracked == block.norm2.num_batches_tracked == 1


@pytest.mark.parametrize("shape", [(3, 5, 7, 6), (4, 20, 8, 8), (2, 16, 4, 4)])
def test_separable_units_add_another_map(shape: tuple[int, ...]) -> None:
    block, g = Separable(shape[1], 3, running=False), channels_last(*shape, seed=1)
    x, plus = channels_last(*shape, seed=2).requires_grad_(), channels_last(*shape, seed=3).requires_grad_()
    inputs = [x, plus, *block.parameters()]
    y, expected = block(x, plus), block(x) + plus
    assert type(y.grad_fn).__name__ == "_SeparableUnitsBackward"
    torch.testing.assert_close(y, expected)
    for mine, want in zip(torch.autograd.grad(y, inputs, g), torch.autograd.grad(expected, inputs, g), strict=True):
        torch.testing.assert_close(mine, want)
    odd = torch.randn(shape).requires_grad_()  # another layout, which the kernel does not read
    torch.testing.assert_close(block(x, odd), block(x) + odd)


@pytest.mark.parametrize(
    ("filters", "maps", "relu", "after"),
    [(1, 1, False, True), (16, 3, True, False), (21, 2, True, True), (36, 3, False, True), (50, 1, True, False)],
)
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape[0] * shape[2] * shape[3] > 9] + [(2, 80, 9, 15)])
def test_pointwise_units_have_the_value_and_gradients_of_their_layers(
    shape: tuple[int, ...], filters: int, maps: int, relu: bool, after: bool
) -> None:
    draw = torch.Generator().manual_seed(0)
    norm = BatchNorm(filters, epsilon=1e-3, running=True, relu=after)
    with torch.no_grad():
        norm.weight.uniform_(0.5, 1.5, generator=draw)
        norm.bias.uniform_(-0.5, 0.5, generator=draw)
    xs = [channels_last(*shape, seed=k) for k in range(maps)]
    ws = [torch.randn(filters, shape[1], 1, 1, generator=draw) for _ in range(maps)]
    inputs = [value.detach().requires_grad_() for value in (*xs, *ws, norm.weight, norm.bias)]
    exact = [value.detach().double().requires_grad_() for value in inputs]
    y = pointwise_unit(inputs[:maps], inputs[maps : 2 * maps], norm, rectify=F.relu if relu else None)
    assert type(y.grad_fn).__name__ == "_PointwiseUnitBackward"
    read = [x.relu() if relu else x for x in exact[:maps]]
    total = sum(F.conv2d(x, w) for x, w in zip(read, exact[maps : 2 * maps], strict=True))
    expected = F.batch_norm(total, None, None, exact[-2], exact[-1], training=True, eps=1e-3)
    expected = expected.relu() if after else expected
    close(y, expected, 1e-4)
    # Where rounding could decide what ReLU does, no gradient is sent back.
    g = torch.randn(y.shape, generator=draw) * (expected.detach().abs() > 1e-4)
    mine = torch.autograd.grad(y, [*inputs[: 2 * maps], norm.weight, norm.bias], g)
    for found, want in zip(mine, torch.autograd.grad(expected, exact, g.double()), strict=True):
        close(found, want, 1e-3)
    plain = torch.nn.BatchNorm2d(filters)
    plain(total.detach().float())
    torch.testing.assert_close(norm.running_mean, plain.running_mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(norm.running_var, plain.running_var, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("shape", [(3, 5, 8, 6), (2, 17, 5, 7), (4, 36, 16, 24), (1, 16, 2, 20)])
def test_halving_units_have_the_value_and_gradients_of_their_layers(shape: tuple[int, ...], relu: bool) -> None:
    draw = torch.Generator().manual_seed(0)
    norm, x = BatchNorm(8, epsilon=1e-3, running=True), channels_last(*shape).requires_grad_()
    even, odd = (torch.randn(4, shape[1], 1, 1, generator=draw).requires_grad_() for _ in range(2))
    y = halving_unit(x, even, odd, norm, rectify=F.relu if relu else None)
    assert type(y.grad_fn).__name__ == "_PointwiseUnitBackward"
    exact = [value.detach().double().requires_grad_() for value in (x, even, odd)]
    read = F.pad(exact[0].relu() if relu else exact[0], (0, shape[3] % 2, 0, shape[2] % 2))
    both = torch.cat([F.conv2d(read[..., k::2, k::2], w) for k, w in enumerate(exact[1:])], dim=1)
    expected = F.batch_norm(both, None, None, training=True, eps=1e-3)
    close(y, expected, 1e-4)
    g = torch.randn(y.shape, generator=draw)
    wanted = torch.autograd.grad(expected, exact, g.double())
    for mine, want in zip(torch.autograd.grad(y, [x, even, odd], g), wanted, strict=True):
        close(mine, want, 1e-3)
    plain = torch.nn.BatchNorm2d(8)
    plain(both.detach().float())
    torch.testing.assert_close(norm.running_var, plain.running_var, rtol=1e-4, atol=1e-5)


def test_separable_units_may_change_the_number_of_channels() -> None:
    torch.manual_seed(0)
    block = Separable(5, 3, running=False)
    block.pointwise2, block.norm2 = (
        torch.nn.Conv2d(5, 21, 1, bias=False),
        type(block.norm2)(21, epsilon=1e-5, running=False),
    )
    inputs = [channels_last(3, 5, 6, 4).requires_grad_(), *block.parameters()]
    exact = [value.detach().double().requires_grad_() for value in inputs]
    first, second = (block.depthwise1, block.pointwise1), (block.depthwise2, block.pointwise2)
    y = separable_units(inputs[0], first, block.norm1, second, block.norm2)
    expected = exactly(block, exact[0], exact[1:])
    close(y, expected, 1e-4)
    g = channels_last(3, 21, 6, 4, seed=1)
    for mine, want in zip(
        torch.autograd.grad(y, inputs, g), torch.autograd.grad(expected, exact, g.double()), strict=True
    ):
        close(mine, want, 1e-3)


@pytest.mark.usefixtures("narrower")
@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_narrower_vectors_do_as_well(kernel: int) -> None:
    """Four and eight numbers in a vector: each has loops of its own."""
    for shape in [(3, 5, 7, 6), (2, 17, 3, 9), (4, 20, 8, 8)]:
        test_separable_units_have_the_value_and_gradients_of_their_layers(shape, kernel)
        test_gradient_of_depthwise_kernels(shape, kernel)
        test_max_pool_gives_the_gradient_to_the_first_of_equal_numbers(shape)
        test_statistics_of_a_map_far_from_zero(shape)
        for filters, relu in ((5, False), (21, True), (50, True)):
            test_pointwise_units_have_the_value_and_gradients_of_their_layers(shape, filters, 2, relu, after=True)
        test_halving_units_have_the_value_and_gradients_of_their_layers(shape, True)


def test_what_is_no_number_shows() -> None:
    block = Separable(4, 3, running=False)
    x = channels_last(2, 4, 5, 5)
    x[1, 2, 3, 4] = float("nan")
    first, second = (block.depthwise1, block.pointwise1), (block.depthwise2, block.pointwise2)
    assert separable_units(x, first, block.norm1, second, block.norm2).isnan().all()
    assert pointwise_unit([x], [block.pointwise1.weight], block.norm2).isnan().all()
    assert block.norm1(x)[:, 2].isnan().all()
    assert not block.norm1(x)[:, 0].isnan().any()


def test_the_same_numbers_come_out_every_time() -> None:
    block, x = Separable(20, 5, running=False), channels_last(8, 20, 9, 9).requires_grad_()
    g = channels_last(8, 20, 9, 9, seed=1)
    runs = [torch.autograd.grad(block(x), [x, *block.parameters()], g) for _ in range(2)]
    assert all(torch.equal(first, again) for first, again in zip(*runs, strict=True))


def test_maps_and_parameters_of_other_kinds_are_left_to_pytorch() -> None:
    x, weight = channels_last(2, 3, 4, 4), torch.ones(6)
    assert native.fits(x, weight)
    for other in (x.double(), x.contiguous(), x.to("meta"), x[:, :, ::2], x[:0], x[0]):
        assert not native.fits(other)
    for other in (weight.double(), weight[::2], weight.to("meta")):
        assert not native.fits(x, other)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not native.fits(x)


def test_layers_that_do_not_go_together_get_pytorchs_error() -> None:
    x = channels_last(2, 8, 4, 4)
    for block in (Separable(8, 3, running=False).double(), Separable(6, 3, running=False)):
        with pytest.raises(RuntimeError):
            block(x)
    with pytest.raises(RuntimeError):
        Separable(6, 3, running=False).norm1(x)


def test_other_layers_than_the_kernel_computes_go_through_the_layers() -> None:
    block, x = Separable(6, 3, running=False), channels_last(2, 6, 4, 4)
    block.norm1.relu, block.norm2.relu = False, True
    y = block.norm2(block.pointwise2(block.depthwise2(block.norm1(block.pointwise1(block.depthwise1(x.relu()))))))
    torch.testing.assert_close(block(x), y)
    assert block(x).detach().min() == 0
