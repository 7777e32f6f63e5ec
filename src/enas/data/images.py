"""What every reader of labelled images hands over.

Shapes: N images, H height, W width, C channels.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

_CHUNK_VALUES = 1 << 23


@dataclass(frozen=True)
class ImageSplit:
    """Labelled images as they are stored: bytes, channels last.

    The images may be memory-mapped from a file opened for reading only: index them, never write into them.
    """

    images: UInt8[Tensor, "N H W C"]
    labels: Int64[Tensor, " N"]

    def __len__(self) -> int:
        """Number of images."""
        return len(self.labels)


@dataclass(frozen=True)
class ImageSpec:
    """What a network must know of the images to be built for them."""

    channels: int
    """1 for grey, 3 for colour."""
    height: int
    """In pixels."""
    width: int
    """In pixels."""
    classes: int
    """Number of classes."""


@dataclass(frozen=True)
class ImageData:
    """A data set of labelled images, split and ready for training."""

    name: str
    """Name of the data set, or of the user's folder."""
    classes: tuple[str, ...]
    """Names of the classes; a label is an index into them."""
    train: ImageSplit
    """Trains the weights."""
    valid: ImageSplit
    """Rewards the controller and chooses among architectures."""
    test: ImageSplit | None
    """Measures the final network; None: the data has no test images."""
    mean: tuple[float, ...]
    """Mean of each channel over the training split, where black is 0 and white is 1."""
    std: tuple[float, ...]
    """Standard deviation of each channel over the training split, in the same unit; 1 where the channel is constant."""
    notes: tuple[str, ...]
    """Lines that tell the user what was found and what was decided."""

    @property
    def spec(self) -> ImageSpec:
        """Sizes that a network for these images needs."""
        _, height, width, channels = self.train.images.shape
        return ImageSpec(channels=channels, height=height, width=width, classes=len(self.classes))


def describe(
    classes: tuple[str, ...], train: ImageSplit, valid: ImageSplit, test: ImageSplit | None
) -> tuple[str, ...]:
    """The notes that every data set begins with: kind of images, and how many of them."""
    _, height, width, channels = train.images.shape
    counts = f"{len(train):,} training / {len(valid):,} validation / "
    counts += "no test images" if test is None else f"{len(test):,} test images"
    plural = "" if channels == 1 else "s"
    return f"{len(classes):,} classes, {channels} channel{plural}, {height}x{width} pixels (height x width)", counts


def channel_statistics(images: UInt8[Tensor, "N H W C"]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, in units of white.

    The sums are integers, so the result is exact whatever the number of images, and only a few megabytes of the images
    are in memory at a time.

    Returns:
        means, and standard deviations with 1 in place of 0.
    """
    count, height, width, channels = images.shape
    total = torch.zeros(channels, dtype=torch.int64)
    squares = torch.zeros(channels, dtype=torch.int64)
    step = max(1, _CHUNK_VALUES // (height * width * channels))
    for start in range(0, count, step):
        values = images[start : start + step].reshape(-1, channels).to(torch.int32)
        total += values.sum(dim=0, dtype=torch.int64)
        squares += values.square().sum(dim=0, dtype=torch.int64)
    pixels = count * height * width
    means, deviations = [], []
    for first, second in zip(total.tolist(), squares.tolist(), strict=True):
        variance = (pixels * second - first * first) / pixels**2
        means.append(first / pixels / 255)
        deviations.append(variance**0.5 / 255 if variance > 0 else 1.0)
    return tuple(means), tuple(deviations)
