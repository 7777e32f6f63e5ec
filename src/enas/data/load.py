"""From the name of a data set, or a folder, to images."""

import difflib
from dataclasses import replace
from pathlib import Path

from enas.bounds import check
from enas.config import DataConfig
from enas.data.cifar10 import binary_folder, load_cifar10, read_cifar10
from enas.data.embedded import load_digits
from enas.data.folders import MEMORY_BYTES, load_folder
from enas.data.images import ImageData
from enas.data.progress import Progress
from enas.errors import DataError

NAMES = ("digits", "cifar10")
"""Of data sets of images."""


def load_images(
    config: DataConfig, cache: Path, *, progress: Progress | None = None, memory_bytes: int = MEMORY_BYTES
) -> ImageData:
    """Read the data set that the settings name.

    Args:
        config: which data, and how to read it; `image_size`, `valid_fraction` and `skip_bad_images` concern folders of
            images only, named data sets are used as published.
        cache: folder for downloads and decoded images; made when needed.
        progress: told how much is done and how much there is (bytes of a download, images of a folder).
        memory_bytes: folders whose decoded images take more than this stay on disk, memory-mapped.

    Raises:
        DataError: no such data, or it is damaged or unfit.
        UsageError: a setting is out of range.
        RunError: the cache folder cannot be written.
    """
    check(config)
    if config.dataset is None:
        digits = load_digits(config.data_seed)
        return replace(digits, notes=("no --dataset given: the embedded digits", *digits.notes))
    if config.dataset == "digits":
        return load_digits(config.data_seed)
    if config.dataset in ("cifar10", "cifar"):
        return load_cifar10(cache, progress)
    folder = Path(config.dataset).expanduser()
    if not folder.exists():
        raise _unknown(config.dataset)
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder: give the folder that holds the images")
    binaries = binary_folder(folder)
    if binaries is not None:
        return read_cifar10(binaries)
    return load_folder(folder, config, cache, progress=progress, memory_bytes=memory_bytes)


def _unknown(dataset: str) -> DataError:
    if "/" in dataset or "\\" in dataset or dataset.startswith("~"):
        return DataError(f"there is no folder {dataset}: check the path, or name one of {', '.join(NAMES)}")
    close = difflib.get_close_matches(dataset.lower(), (*NAMES, "cifar"), n=1)
    meant = f"; did you mean {close[0]}?" if close else ""
    return DataError(
        f"there is no data set or folder {dataset!r}: known names are {', '.join(NAMES)}, or give a folder{meant}"
    )
