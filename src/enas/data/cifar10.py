"""CIFAR-10 in its binary version (Krizhevsky 2009), as published: six files of 10,000 records each.

Shapes: N images. A record is one byte of label and 3 * 32 * 32 bytes of pixels, channel by channel.
"""

import tarfile
import zlib
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from enas.data.download import download
from enas.data.images import ImageData, ImageSplit, channel_statistics, describe
from enas.data.progress import Progress
from enas.errors import DataError
from enas.files import write_bytes, write_errors

FOLDER = "cifar-10-batches-bin"
ARCHIVE = "cifar-10-binary.tar.gz"
URLS = (
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    "https://cave.cs.toronto.edu/kriz/cifar-10-binary.tar.gz",
    "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/cifar-10-binary.tar.gz",
)
MD5 = "c32a1d4ab5d03f1284b67883e8d87530"

_TRAIN_FILES = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
_TEST_FILE = "test_batch.bin"
_NAMES_FILE = "batches.meta.txt"
_MEMBERS = (*_TRAIN_FILES, _TEST_FILE, _NAMES_FILE)
_RECORD_BYTES = 1 + 3 * 32 * 32
_CLASSES = 10


def load_cifar10(cache: Path, progress: Progress | None = None) -> ImageData:
    """Read CIFAR-10 from the cache folder, downloading and unpacking it there the first time.

    Raises:
        DataError: no mirror delivers the file, or what the cache holds is damaged.
        RunError: the cache folder cannot be written.
    """
    folder = cache / FOLDER
    if not all((folder / name).is_file() for name in _MEMBERS):
        archive = download("cifar10", URLS, MD5, cache / ARCHIVE, progress)
        extract(archive, folder)
        archive.unlink()
    return read_cifar10(folder)


def binary_folder(folder: Path) -> Path | None:
    """The folder that holds CIFAR-10's binary files: this one, the published name inside it, or None."""
    places = (folder, folder / FOLDER)
    return next((place for place in places if (place / _TRAIN_FILES[0]).is_file()), None)


def extract(archive: Path, folder: Path) -> None:
    """Unpack the files that CIFAR-10 consists of, and nothing else, whatever the archive holds.

    Raises:
        DataError: the archive is damaged or lacks a file.
        RunError: the folder cannot be written.
    """
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    missing = set(_MEMBERS)
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                name = member.name.removeprefix("./").removeprefix(f"{FOLDER}/")
                source = tar.extractfile(member) if name in missing and member.isfile() else None
                if source is not None:
                    write_bytes(folder / name, source.read())
                    missing.remove(name)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise DataError(f"{archive} is damaged ({error}): delete it and start again") from error
    if missing:
        raise DataError(f"{archive} lacks {', '.join(sorted(missing))}: fetch the binary version of CIFAR-10")


def read_cifar10(folder: Path, *, records: int = 10_000, valid_images: int = 5_000) -> ImageData:
    """Read the binary files; the last training images are the validation split, as published.

    Args:
        folder: where the files lie.
        records: images in each file.
        valid_images: training images held out.

    Raises:
        DataError: a file is missing, has another size, or holds a label above 9.
    """
    classes = _read_names(folder / _NAMES_FILE)
    parts = [_read_batch(folder / name, records) for name in _TRAIN_FILES]
    images, labels = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    border = len(labels) - valid_images
    train = ImageSplit(images[:border], labels[:border])
    valid = ImageSplit(images[border:], labels[border:])
    test = ImageSplit(*_read_batch(folder / _TEST_FILE, records))
    mean, std = channel_statistics(train.images)
    notes = (
        *describe(classes, train, valid, test),
        f"split: as published, the last {valid_images:,} training images validate",
        f"read from {folder}",
    )
    return ImageData("cifar10", classes, train, valid, test, mean, std, notes)


def _read_batch(path: Path, records: int) -> tuple[UInt8[Tensor, "N 32 32 3"], Int64[Tensor, " N"]]:
    try:
        size = path.stat().st_size
        expected = records * _RECORD_BYTES
        if size != expected:
            raise DataError(f"{path} has {size:,} bytes, expected {expected:,}: it is damaged, fetch CIFAR-10 again")
        table = np.fromfile(path, dtype=np.uint8).reshape(records, _RECORD_BYTES)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}; fetch the binary version of CIFAR-10 again") from error
    labels = table[:, 0]
    if labels.max() >= _CLASSES:
        raise DataError(f"{path} holds label {labels.max()}, expected 0 to 9: it is damaged, fetch CIFAR-10 again")
    planes = torch.from_numpy(table[:, 1:]).reshape(records, 3, 32, 32)
    return planes.permute(0, 2, 3, 1).contiguous(), torch.from_numpy(labels.astype(np.int64))


def _read_names(path: Path) -> tuple[str, ...]:
    try:
        names = tuple(path.read_text(encoding="ascii").split())
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}: {error}; fetch the binary version of CIFAR-10 again") from error
    if len(names) != _CLASSES:
        raise DataError(f"{path} names {len(names)} classes, expected {_CLASSES}: fetch CIFAR-10 again")
    return names
