"""Augmentation of whole batches against a plain loop over images, and its statistics."""

import pytest
import torch
from torch import Tensor

from enas.config import AugmentConfig
from enas.data.augment import Changes, apply_changes, augment, draw_changes, normalise

MEAN, STD = (0.5, 0.25, 0.4), (0.2, 0.3, 0.25)


def batch(count: int, height: int, width: int, channels: int) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (count, height, width, channels), dtype=torch.uint8, generator=generator)


def plain_loop(images: Tensor, changes: Changes, config: AugmentConfig, mean: tuple, std: tuple) -> Tensor:
    """The textbook: normalise, pad with zeros, crop, mirror, cut out; one image at a time."""
    results = []
    for i, image in enumerate(images):
        x = (image.double() / 255 - torch.tensor(mean)) / torch.tensor(std)
        height, width, channels = x.shape
        if changes.shift_y is not None:
            pad = config.crop_padding
            padded = torch.zeros(height + 2 * pad, width + 2 * pad, channels, dtype=torch.float64)
            padded[pad : pad + height, pad : pad + width] = x
            top, left = pad + int(changes.shift_y[i]), pad + int(changes.shift_x[i])
            x = padded[top : top + height, left : left + width]
        if changes.mirrored is not None and changes.mirrored[i]:
            x = x.flip(1)
        if changes.cutout_y is not None:
            x = x.clone()
            top = int(changes.cutout_y[i]) - config.cutout // 2
            left = int(changes.cutout_x[i]) - config.cutout // 2
            x[max(0, top) : max(0, top + config.cutout), max(0, left) : max(0, left + config.cutout)] = 0
        results.append(x.permute(2, 0, 1))
    return torch.stack(results)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(8, 8), (28, 28), (32, 32), (17, 40)])
@pytest.mark.parametrize(
    "config",
    [
        AugmentConfig(),
        AugmentConfig(cutout=5),
        AugmentConfig(crop_padding=0, cutout=16),
        AugmentConfig(flip=False),
        AugmentConfig(crop_padding=0),
        AugmentConfig(crop_padding=0, flip=False),
        AugmentConfig(crop_padding=40, flip=False, cutout=1),
    ],
)
def test_agrees_with_a_plain_loop(config: AugmentConfig, height: int, width: int, channels: int) -> None:
    images = batch(9, height, width, channels)
    mean, std = MEAN[:channels], STD[:channels]
    found = augment(images, config, mean, std, torch.Generator().manual_seed(5))
    changes = draw_changes(9, height, width, config, torch.Generator().manual_seed(5))
    expected = plain_loop(images, changes, config, mean, std)
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=0)
    assert torch.equal(found, apply_changes(images, changes, config.cutout, mean, std))
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_padding_and_cutout_are_exactly_zero() -> None:
    images = torch.full((64, 8, 8, 3), 255, dtype=torch.uint8)
    found = augment(images, AugmentConfig(cutout=4), MEAN, STD, torch.Generator().manual_seed(0))
    white = normalise(images[:1], MEAN, STD)[0, :, :1, :1]
    assert torch.all((found == 0) | (found == white))
    assert torch.any(found == 0)


def test_same_generator_same_result_and_the_input_is_untouched() -> None:
    images = batch(16, 32, 32, 3)
    before = images.clone()
    generator = torch.Generator().manual_seed(1)
    first = augment(images, AugmentConfig(), MEAN, STD, generator)
    second = augment(images, AugmentConfig(), MEAN, STD, generator)
    again = augment(images, AugmentConfig(), MEAN, STD, torch.Generator().manual_seed(1))
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    assert torch.equal(images, before)


def test_every_shift_and_centre_is_reached_and_half_are_mirrored() -> None:
    changes = draw_changes(8000, 6, 7, AugmentConfig(crop_padding=2, cutout=2), torch.Generator().manual_seed(0))
    assert changes.mirrored is not None
    assert changes.mirrored.double().mean().item() == pytest.approx(0.5, abs=0.03)
    for drawn, low, high in (
        (changes.shift_y, -2, 2),
        (changes.shift_x, -2, 2),
        (changes.cutout_y, 0, 5),
        (changes.cutout_x, 0, 6),
    ):
        assert drawn is not None
        counts = torch.bincount(drawn - low)
        assert len(counts) == high - low + 1
        assert counts.min() > 0.8 * 8000 / len(counts)


def test_normalise_gives_mean_0_and_deviation_1() -> None:
    images = batch(50, 8, 8, 3)
    values = images.double() / 255
    mean, std = values.mean((0, 1, 2)), values.std((0, 1, 2), correction=0)
    found = normalise(images, tuple(mean.tolist()), tuple(std.tolist()))
    assert found.shape == (50, 3, 8, 8)
    assert found.dtype == torch.float32
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.std((0, 2, 3), correction=0), torch.ones(3), atol=1e-5, rtol=0)


def test_takes_images_that_are_slices_of_others() -> None:
    images = batch(4, 10, 10, 3)
    part = images[::2, 1:9, 1:9]
    config = AugmentConfig(crop_padding=1)
    found = augment(part, config, MEAN, STD, torch.Generator().manual_seed(0))
    assert torch.equal(found, augment(part.contiguous(), config, MEAN, STD, torch.Generator().manual_seed(0)))
