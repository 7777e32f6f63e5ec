"""The data set that needs no download: the handwritten digits that scikit-learn carries with it."""

import importlib
from typing import Any

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from enas.data.images import ImageData, ImageSplit, channel_statistics, describe
from enas.data.splits import hold_out, shares
from enas.errors import DataError

_TEST_IMAGES = 400
_VALID_IMAGES = 200
_TEST_SEED = 0


def load_digits(data_seed: int = 0) -> ImageData:
    """Read the 1,797 grey 8x8 digits, split into 1,197 for training, 200 for validation and 400 for the test.

    Args:
        data_seed: seed of the split into training and validation images; the test images are always the same.

    Raises:
        DataError: scikit-learn is not installed.
    """
    images, labels = _read_digits()
    sizes = torch.bincount(labels).tolist()
    rest, test = hold_out(labels, shares(sizes, _TEST_IMAGES), torch.Generator().manual_seed(_TEST_SEED))
    sizes = torch.bincount(labels[rest]).tolist()
    generator = torch.Generator().manual_seed(data_seed)
    kept, held = hold_out(labels[rest], shares(sizes, _VALID_IMAGES), generator)
    splits = [ImageSplit(images[index], labels[index]) for index in (rest[kept], rest[held], test)]
    classes = tuple(str(digit) for digit in range(10))
    mean, std = channel_statistics(splits[0].images)
    return ImageData(
        name="digits",
        classes=classes,
        train=splits[0],
        valid=splits[1],
        test=splits[2],
        mean=mean,
        std=std,
        notes=(*describe(classes, *splits), f"split: fixed test images, the others with data_seed {data_seed}"),
    )


def _read_digits() -> tuple[UInt8[Tensor, "N 8 8 1"], Int64[Tensor, " N"]]:
    try:
        datasets: Any = importlib.import_module("sklearn.datasets")
    except ImportError as error:
        raise DataError(
            "the embedded digits come with scikit-learn, which is not installed: run pip install 'enas[demo]', "
            "or name another data set"
        ) from error
    found = datasets.load_digits()
    images = torch.from_numpy(found.images).mul(255 / 16).round().to(torch.uint8)
    return images[..., None].contiguous(), torch.from_numpy(found.target).to(torch.int64)
