"""A user's folder of images as a data set: recognised, split, decoded once, and then read from the cache.

Shapes: N images, H height, W width, C channels.
"""

import logging
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

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
from enas.data.layouts import find_layout
from enas.data.parallel import map_chunks
from enas.data.plan import Plan, make_plan
from enas.data.progress import Progress
from enas.data.splits import SPLITS, Split
from enas.errors import DataError

MEMORY_BYTES = 1 << 30
"""Images that take more are left on disk."""

_LARGEST_OWN_SIDE = 64
_USUAL_SIDE = 32
_CHUNK_IMAGES = 128
_CHUNK_BYTES = 1 << 23

_logger = logging.getLogger(__name__)

R = TypeVar("R")


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
    plan = make_plan(folder, find_layout(folder), config.valid_fraction, config.data_seed)
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
    notes = (
        *describe(plan.classes, train, valid, test),
        *plan.notes,
        *found.notes,
        *_left_out(plan, found),
        f"cache: {pixels} ({where})",
    )
    return ImageData(name, plan.classes, train, valid, test, found.mean, found.std, notes)


def _build(plan: Plan, config: DataConfig, pixels: Path, progress: Progress | None) -> Description:
    """Decode all images into the file of pixels."""
    headers, bad = _read_headers(plan, config.skip_bad_images, progress)
    shape, notes = _choose_shape(headers, config.image_size)
    good = [place for place in range(len(plan.files)) if place not in bad]
    write_pixels(pixels, _decoded(plan, good, shape, bad, skip=config.skip_bad_images, progress=progress))
    good = [place for place in good if place not in bad]
    _check_rest(plan, good)
    stored = read_pixels(pixels, (len(good), *shape), memory_bytes=0)
    mean, std = channel_statistics(stored[: sum(plan.splits[place] == "train" for place in good)])
    left_out = tuple(sorted(bad.items()))
    return Description(len(good), *shape, bad=left_out, mean=mean, std=std, notes=notes)


def _read_headers(plan: Plan, skip: bool, progress: Progress | None) -> tuple[Counter[Header], dict[int, str]]:
    """Count the kinds of images; also return the places of files that are none, with the reasons."""

    def look(places: Sequence[int]) -> list[Header | str]:
        return [_try(read_header, plan.root / plan.files[place].path) for place in places]

    headers: Counter[Header] = Counter()
    bad: dict[int, str] = {}
    for done, results in map_chunks(look, range(len(plan.files)), _CHUNK_IMAGES):
        for place, result in enumerate(results, start=done - len(results)):
            if isinstance(result, str):
                _note_bad(plan, place, result, skip, bad)
            else:
                headers[result] += 1
        if progress is not None:
            progress(done, 2 * len(plan.files))
    if not headers:
        raise DataError(f"{plan.root}: none of the {len(bad):,} images can be read ({bad[0]}): give other images")
    return headers, bad


def _decoded(
    plan: Plan,
    places: list[int],
    shape: Shape,
    bad: dict[int, str],
    *,
    skip: bool,
    progress: Progress | None,
) -> Iterator[UInt8[np.ndarray, "_ H W C"]]:
    """Yield the pixels of the images at `places`, adding to `bad` those whose pixels are damaged."""

    def look(chosen: Sequence[int]) -> list[UInt8[np.ndarray, "H W C"] | str]:
        return [_try(partial(decode, shape=shape), plan.root / plan.files[place].path) for place in chosen]

    size = max(1, min(_CHUNK_IMAGES, _CHUNK_BYTES // math.prod(shape)))
    for done, results in map_chunks(look, places, size):
        images = []
        for place, result in zip(places[done - len(results) : done], results, strict=True):
            if isinstance(result, str):
                _note_bad(plan, place, result, skip, bad)
            else:
                images.append(result)
        if images:
            yield np.stack(images)
        if progress is not None:
            progress(2 * len(plan.files) - len(places) + done, 2 * len(plan.files))


def _try(read: Callable[[Path], R], path: Path) -> R | str:
    """The result, or why there is none."""
    try:
        return read(path)
    except UnreadableImageError as error:
        return str(error)


def _note_bad(plan: Plan, place: int, reason: str, skip: bool, bad: dict[int, str]) -> None:
    if not skip:
        path = plan.root / plan.files[place].path
        raise DataError(
            f"cannot read the image {path} ({reason}): mend or remove it, or leave it out with --skip-bad-images"
        )
    bad[place] = reason


def _choose_shape(headers: Counter[Header], image_size: int | None) -> tuple[Shape, tuple[str, ...]]:
    """Decide what all images become, and tell the user."""
    channels = max(header.channels for header in headers)
    sizes = Counter({(h, w): 0 for _, h, w in headers})
    for (_, height, width), count in headers.items():
        sizes[height, width] += count
    notes = []
    grey = sum(count for header, count in headers.items() if header.channels < channels)
    if grey:
        notes.append(f"{grey:,} grey images become colour images like the others")
    if image_size is None and len(sizes) == 1 and max(next(iter(sizes))) <= _LARGEST_OWN_SIDE:
        return Shape(*next(iter(sizes)), channels), tuple(notes)
    side = _USUAL_SIDE if image_size is None else image_size
    if set(sizes) != {(side, side)}:
        smallest, largest = (f"{h}x{w}" for h, w in (min(sizes, key=math.prod), max(sizes, key=math.prod)))
        found = smallest if len(sizes) == 1 else f"sizes between {smallest} and {largest}"
        notes.append(f"resized to {side}x{side} pixels from {found}; --image-size sets another size")
    cropped = sum(count for (h, w), count in sizes.items() if h != w)
    if cropped:
        notes.append(f"{cropped:,} images that are not square are cropped to the square in their middle")
    return Shape(side, side, channels), tuple(notes)


def _check_rest(plan: Plan, good: list[int]) -> None:
    """After bad images were left out, every class must have a training image and every split an image."""
    left = {plan.labels[place] for place in good if plan.splits[place] == "train"}
    for label, name in enumerate(plan.classes):
        if label not in left:
            raise DataError(f"{plan.root}: class {name!r} has no readable training image left: mend or add some")
    for split in set(plan.splits) - {plan.splits[place] for place in good}:
        raise DataError(f"{plan.root}: {split} has no readable image left: mend or add some")


def _left_out(plan: Plan, found: Description) -> tuple[str, ...]:
    """Tell of bad images, each time they are missing."""
    if not found.bad:
        return ()
    place, reason = found.bad[0]
    note = f"unreadable images left out: {len(found.bad):,}, such as {plan.files[place].path} ({reason})"
    _logger.warning("%s: %s", plan.root, note)
    return (note,)


def _cut(plan: Plan, found: Description, images: UInt8[Tensor, "N H W C"]) -> dict[Split, ImageSplit]:
    """Divide the images into splits, without copying."""
    bad = dict(found.bad)
    splits: dict[Split, ImageSplit] = {}
    start = 0
    for split in SPLITS:
        labels = [plan.labels[i] for i, own in enumerate(plan.splits) if own == split and i not in bad]
        if labels:
            splits[split] = ImageSplit(images[start : start + len(labels)], torch.tensor(labels))
        start += len(labels)
    return splits
