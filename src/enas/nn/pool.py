"""Average pooling and subsampling, fast on processors in channels-last memory format."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

Map = Float[Tensor, "B C H W"]
Half = Float[Tensor, "B C h w"]


def average_pool(x: Map) -> Map:
    """3x3 average of stride 1 that keeps the size and does not count the padding.

    On a processor it is computed as a depthwise convolution, which is several times faster there than PyTorch's pooling
    (`benchmarks/README.md`); results differ by rounding only.
    """
    on_processor = x.device.type == "cpu" and x.is_contiguous(memory_format=torch.channels_last)
    if on_processor and min(x.shape[-2:]) > 1 and not torch.compiler.is_compiling():
        return _AveragePool.apply(x)
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class _AveragePool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> Tensor:
        return _count_less_at_borders(_ninth_of_sum(x))

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> Tensor:
        return _ninth_of_sum(_count_less_at_borders(gradients[0].clone()))


def halves(x: Map) -> tuple[Half, Half]:
    """The pixels of even row and column, and those of odd row and column; height and width are even.

    Autograd's own slices fill and copy a whole map for each step of slicing when they go back; this does it once.
    """
    if torch.compiler.is_compiling():
        return x[:, :, ::2, ::2], x[:, :, 1::2, 1::2]
    return _Halves.apply(x)


class _Halves(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> tuple[Tensor, Tensor]:
        layout = _layout(x)
        return x[:, :, ::2, ::2].contiguous(memory_format=layout), x[:, :, 1::2, 1::2].contiguous(memory_format=layout)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> Tensor:
        even, odd = gradients
        batch, channels, height, width = even.shape
        dx = torch.empty(
            (batch, channels, 2 * height, 2 * width), dtype=even.dtype, device=even.device, memory_format=_layout(even)
        ).zero_()
        dx[:, :, ::2, ::2], dx[:, :, 1::2, 1::2] = even, odd
        return dx


def _layout(x: Tensor) -> torch.memory_format:
    return torch.channels_last if x.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format


def _ninth_of_sum(x: Tensor) -> Tensor:
    channels = x.shape[1]
    return F.conv2d(x, x.new_full((channels, 1, 3, 3), 1 / 9), padding=1, groups=channels)


def _count_less_at_borders(x: Tensor) -> Tensor:
    """In place: two thirds of a border's window, and four ninths of a corner's, lie inside the map."""
    for border in (x[:, :, 0], x[:, :, -1], x[..., 0], x[..., -1]):
        border.mul_(1.5)
    return x
