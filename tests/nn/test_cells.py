"""Blocks of the cells against their formulas and the sizes of the authors' graph."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from enas.nn.cells import AuxiliaryHead, Classifiers, Separable, drop_path_mask, drop_paths, fit, pointwise
from enas.nn.rectify import RectifyOnce
from enas.tasks.images import WithAuxiliary

pytestmark = pytest.mark.usefixtures("either_way")


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5])
def test_separable_has_two_units_and_strides_in_the_first(kernel: int, stride: int) -> None:
    block = Separable(6, kernel, running=True, stride=stride)
    assert count(block) == 2 * (kernel**2 * 6 + 36 + 12)
    assert block(torch.rand(2, 6, 9, 8)).shape == (2, 6, -(-9 // stride), 8 // stride)
    assert not (block(torch.rand(2, 6, 9, 8)) >= 0).all(), "no ReLU at the end"


def test_fit_does_only_what_is_needed() -> None:
    x = torch.randn(2, 4, 6, 6)
    assert fit(4, 4, halve=False, running=False)(x) is x
    assert fit(4, 8, halve=False, running=False)(x).shape == (2, 8, 6, 6)
    assert fit(4, 4, halve=True, running=False)(x).shape == (2, 4, 3, 3)
    assert [count(fit(4, 8, halve=halve, running=False)) for halve in (False, True)] == [48, 48]


def test_pointwise_reads_rectified_values() -> None:
    block, x = pointwise(4, 8, running=False), torch.randn(2, 4, 6, 6)
    torch.testing.assert_close(block(x), block(x.relu()))


def test_a_map_that_several_cells_read_is_rectified_once() -> None:
    rectify, maps = RectifyOnce(kept=2), [torch.randn(2, 4, 6, 6) for _ in range(3)]
    first = rectify(maps[0])
    torch.testing.assert_close(first, maps[0].relu())
    assert rectify(maps[1]) is not first
    assert rectify(maps[0]) is first
    rectify(maps[2])
    assert rectify(maps[0]) is not first, "only the newest maps are kept"
    for fitting in (fit(4, 4, halve=True, running=False), fit(4, 8, halve=False, running=False)):
        torch.testing.assert_close(fitting(maps[0], rectify=rectify), fitting(maps[0]))


@pytest.mark.parametrize(("channels", "parameters"), [(80, 412_928), (720, 494_848)])
def test_auxiliary_head_has_the_published_size(channels: int, parameters: int) -> None:
    assert count(AuxiliaryHead(channels, 10, running=True)) == parameters


@pytest.mark.parametrize("side", [1, 4, 5, 8, 25])
def test_auxiliary_head_takes_any_size(side: int) -> None:
    assert AuxiliaryHead(3, 7, running=False)(torch.randn(2, 3, side, side)).shape == (2, 7)


def test_auxiliary_head_is_the_plain_formula_on_maps_of_eight() -> None:
    """Windows of 5x5 at stride 3 give 2x2; the 2x2 convolution pads at the right and at the bottom and keeps that."""
    torch.manual_seed(0)
    head = AuxiliaryHead(3, 4, running=False).double()
    x = torch.randn(5, 3, 8, 8, dtype=torch.float64)

    def normalised(value: Tensor) -> Tensor:
        centred = value - value.mean((0, 2, 3), keepdim=True)
        return centred / (centred.square().mean((0, 2, 3), keepdim=True) + 1e-5).sqrt()

    corners = [x.relu()[:, :, i : i + 5, j : j + 5].mean((2, 3)) for i in (0, 3) for j in (0, 3)]
    pooled = torch.stack(corners, dim=2).view(5, 3, 2, 2)
    narrow = normalised(torch.einsum("bchw,fc->bfhw", pooled, head.narrow.weight[:, :, 0, 0])).relu()
    padded = torch.zeros(5, 128, 3, 3, dtype=torch.float64)
    padded[:, :, :2, :2] = narrow
    wide = normalised(F.conv2d(padded, head.wide.weight)).relu()
    assert wide.shape == (5, 768, 2, 2)
    torch.testing.assert_close(head(x), wide.mean((2, 3)) @ head.head.linear.weight.T)


def test_drop_path_masks_keep_the_mean_and_drop_whole_examples() -> None:
    torch.manual_seed(0)
    mask = drop_path_mask(torch.empty(20_000, 2, 3, 3), 0.8)
    assert mask.shape == (20_000, 1, 1, 1)
    assert set(mask.flatten().tolist()) == {0.0, 1.25}
    assert mask.mean().item() == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("dropped", [(True, True), (True, False), (False, True), (False, False)])
def test_drop_paths_adds_masked_maps(dropped: tuple[bool, bool]) -> None:
    left, right = torch.randn(2, 3, 2, 4, 4).unbind()
    masks = [drop_path_mask(left, 0.5) if drop else None for drop in dropped]
    terms = [x if mask is None else x * mask for x, mask in zip((left, right), masks, strict=True)]
    torch.testing.assert_close(drop_paths(left, right, (masks[0], masks[1])), terms[0] + terms[1])


def test_classifiers_return_the_second_output_in_training_only() -> None:
    last, tapped = torch.randn(2, 4, 3, 3), torch.randn(2, 4, 3, 3)
    heads = Classifiers(4, 5, dropout=0.0, auxiliary_weight=0.3, running=False)
    output = heads(last, tapped)
    assert isinstance(output, WithAuxiliary)
    assert output.weight == 0.3
    torch.testing.assert_close(output.logits, last.relu().mean((2, 3)) @ heads.head.linear.weight.T)
    torch.testing.assert_close(heads.eval()(last, tapped), output.logits)
    assert isinstance(Classifiers(4, 5, dropout=0.0, auxiliary_weight=0.0, running=False)(last, tapped), Tensor)
