"""Random changes of training images, for a whole batch at once and on whatever device it lies.

Shapes: B images of a batch, H height, W width, C channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from enas.config import AugmentConfig


@dataclass(frozen=True)
class Changes:
    """What happens to each image of a batch; None where a change is switched off."""

    shift_y: Int64[Tensor, " B"] | None
    """Rows by which the crop lies below the image's own place; negative: above."""
    shift_x: Int64[Tensor, " B"] | None
    """Columns by which the crop lies to the right."""
    mirrored: Bool[Tensor, " B"] | None
    """Whether the crop is mirrored left to right."""
    cutout_y: Int64[Tensor, " B"] | None
    """Row of the centre of the square that is cut out, in the final image."""
    cutout_x: Int64[Tensor, " B"] | None
    """Column of that centre."""


def draw_changes(batch: int, height: int, width: int, config: AugmentConfig, generator: torch.Generator) -> Changes:
    """Draw the changes of a batch, on the generator's device."""
    device = generator.device

    def draw(low: int, high: int) -> Int64[Tensor, " B"]:
        return torch.randint(low, high, (batch,), generator=generator, device=device)

    shifts = config.crop_padding > 0
    cuts = config.cutout > 0
    return Changes(
        shift_y=draw(-config.crop_padding, config.crop_padding + 1) if shifts else None,
        shift_x=draw(-config.crop_padding, config.crop_padding + 1) if shifts else None,
        mirrored=draw(0, 2).bool() if config.flip else None,
        cutout_y=draw(0, height) if cuts else None,
        cutout_x=draw(0, width) if cuts else None,
    )


def augment(
    images: UInt8[Tensor, "B H W C"],
    config: AugmentConfig,
    mean: Sequence[float],
    std: Sequence[float],
    generator: torch.Generator,
) -> Float[Tensor, "B C H W"]:
    """Pad, crop, mirror, normalise and cut out.

    Args:
        images: bytes, channels last.
        config: which changes.
        mean: of each channel, in units of white.
        std: of each channel, in units of white.
        generator: source of all draws; on the device of the images if nothing is to be copied.

    Returns:
        float32 in the memory format channels_last; padded and cut-out pixels are 0, the mean colour.
    """
    batch, height, width, _ = images.shape
    changes = draw_changes(batch, height, width, config, generator)
    return apply_changes(images, changes, config.cutout, mean, std)


def apply_changes(
    images: UInt8[Tensor, "B H W C"], changes: Changes, cutout: int, mean: Sequence[float], std: Sequence[float]
) -> Float[Tensor, "B C H W"]:
    """Carry out changes that were drawn, and normalise.

    Crop and mirror are one gather of bytes, in which padding reads an arbitrary pixel; padding and cut-out then become
    0 by one multiplication, after normalisation, so that both have exactly the mean colour.

    Args:
        images: bytes, channels last.
        changes: what to do to each.
        cutout: side of the square that is cut out about its centre, clipped at the borders (DeVries and Taylor 2017).
        mean: of each channel, in units of white.
        std: of each channel, in units of white.
    """
    batch, height, width, channels = images.shape
    device = images.device
    rows = torch.arange(height, device=device).expand(batch, height)
    columns = torch.arange(width, device=device).expand(batch, width)
    visible: Bool[Tensor, "B H W"] | None = None
    if changes.cutout_y is not None and changes.cutout_x is not None:
        in_rows = _within(rows, changes.cutout_y.to(device), cutout)
        in_columns = _within(columns, changes.cutout_x.to(device), cutout)
        visible = ~(in_rows[:, :, None] & in_columns[:, None, :])
    if changes.mirrored is not None:
        columns = torch.where(changes.mirrored.to(device)[:, None], columns.flip(1), columns)
    if changes.shift_y is not None and changes.shift_x is not None:
        rows = rows + changes.shift_y.to(device)[:, None]
        columns = columns + changes.shift_x.to(device)[:, None]
        inside = _inside(rows, height)[:, :, None] & _inside(columns, width)[:, None, :]
        visible = inside if visible is None else visible & inside
        rows, columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    if changes.mirrored is not None or changes.shift_y is not None:
        first = torch.arange(0, batch * height * width, height * width, device=device)
        pixels = (first[:, None] + rows * width)[:, :, None] + columns[:, None, :]
        images = images.reshape(-1, channels).index_select(0, pixels.flatten()).view(batch, height, width, channels)
    result = normalise(images, mean, std)
    if visible is not None:
        result.permute(0, 2, 3, 1).mul_(visible[..., None])
    return result


def normalise(
    images: UInt8[Tensor, "B H W C"], mean: Sequence[float], std: Sequence[float]
) -> Float[Tensor, "B C H W"]:
    """Subtract the mean of each channel and divide by its standard deviation, both in units of white.

    Returns:
        float32 in the memory format channels_last.
    """
    batch, height, width, channels = images.shape
    scale = [1 / (255 * s) for s in std]
    offset = [-m / s for m, s in zip(mean, std, strict=True)]
    # Whole rows at a time: arithmetic on rows of three channels is several times slower.
    result = images.reshape(batch, height, width * channels).to(torch.float32)
    result.mul_(torch.tensor(scale * width, device=images.device))
    result.add_(torch.tensor(offset * width, device=images.device))
    return result.view(batch, height, width, channels).permute(0, 3, 1, 2)


def _inside(places: Int64[Tensor, "B N"], size: int) -> Bool[Tensor, "B N"]:
    return (places >= 0) & (places < size)


def _within(places: Int64[Tensor, "B N"], centre: Int64[Tensor, " B"], side: int) -> Bool[Tensor, "B N"]:
    low = centre[:, None] - side // 2
    return (places >= low) & (places < low + side)
