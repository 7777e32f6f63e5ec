"""A user's folder of images as a data set: recognised, split, decoded once, and then read from the cache.

Shapes: N images, H height, W width, C channels.
"""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from enas.config import DataConfig
from enas.data.cache import (
    Description,
    cache_key,
    read_description,
    read_pixels,
    write_description,
    write_pixels,
)
from enas.data.decode import Header, Shape, UnreadableImageError, decode, read_header
from enas.data.images import ImageData, ImageSplit, channel_statistics, describe
from enas.data.layouts import ImageFile, Layout, find_layout
from enas.data.parallel import map_chunks
from enas.data.progress import Progress
from enas.data.splits import Split, hold_out
from enas.errors import DataError

MEMORY_BYTES = 1 << 30
"""Images that take more are left on disk."""

_LARGEST_OWN_SIDE = 64
_USUAL_SIDE = 32
_CHUNK_IMAGES = 128
_CHUNK_BYTES = 1 << 23
_EVERY: tuple[Split, ...] = ("train", "valid", "test")

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Plan:
    """The images in the order of their splits: this order is that of the cache, so that a split is a piece of it."""

    root: Path
    classes: tuple[str, ...]
    files: list[ImageFile]
    labels: list[int]
    splits: list[Split]
    notes: tuple[str, ...]


def load_folder(
    folder: Path,
    config: DataConfig,
    cache: Path,
    *,
    progress: Progress | None = None,
    memory_bytes: int = MEMORY_BYTES,
) -> ImageData:
    """Read a folder of images in any of the forms that `enas.data.layouts` describes.

    Args:
        folder: the user's images; nothing is written there.
        config: how to read them; `dataset` is not looked at.
        cache: where decoded images are kept.
        progress: told how many of twice the number of images are done: each is looked at, and then decoded.
        memory_bytes: decoded images that take more stay on disk, memory-mapped.

    Raises:
        DataError: the folder has no known form, an image cannot be read, or a class has too few images.
        RunError: the cache folder cannot be written.
    """
    plan = _make_plan(folder, find_layout(folder), config)
    options = {"image_size": config.image_size, "skip_bad_images": config.skip_bad_images, "classes": plan.classes}
    rows = zip(plan.files, plan.labels, plan.splits, strict=True)
    key = cache_key(options, ((*file, label, split) for file, label, split in rows))
    name = folder.resolve().name or "images"
    pixels = cache / f"{name[:40]}-{key[:16]}.u8"
    found = read_description(pixels.with_suffix(".json"), pixels, key)
    if found is None:
        found = _build(plan, config, pixels, progress)
        write_description(pixels.with_suffix(".json"), key, found)
    shape = (found.count, found.height, found.width, found.channels)
    splits = _cut(plan, found, read_pixels(pixels, shape, memory_bytes))
    train, valid, test = splits["train"], splits["valid"], splits.get("test")
    where = "in memory" if found.pixel_bytes <= memory_bytes else "memory-mapped, streamed from disk"
    return ImageData(
        name=name,
        classes=plan.classes,
        train=train,
        valid=valid,
        test=test,
        mean=found.mean,
        std=found.std,
        notes=(*describe(plan.classes, train, valid, test), *plan.notes, *found.notes, f"cache: {pixels} ({where})"),
    )
