"""Decoded images in one file, made once and then read without decoding again.

Beside the pixels (`NAME.u8`: images in order, channels last, nothing else) lies their description (`NAME.json`), which
is written last: pixels without it count for nothing. Where the two do not fit, both are made anew.

Shapes: N images, H height, W width, C channels.
"""

import hashlib
import json
import logging
import warnings
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from enas.files import replacing, write_errors, write_text

_FORMAT = 1

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Description:
    """What a file of pixels holds, and what was learnt while it was made."""

    count: int
    """Images."""
    height: int
    """In pixels."""
    width: int
    """In pixels."""
    channels: int
    """1 for grey, 3 for colour."""
    bad: tuple[tuple[int, str], ...]
    """Places in the list of files of those that were left out, and why."""
    mean: tuple[float, ...]
    """Of each channel over the training images, in units of white."""
    std: tuple[float, ...]
    """Of each channel over the training images, in units of white."""
    notes: tuple[str, ...]
    """Lines for the user."""

    @property
    def pixel_bytes(self) -> int:
        """Size that the file of pixels must have."""
        return self.count * self.height * self.width * self.channels


def cache_key(options: dict[str, Any], files: Iterable[tuple[object, ...]]) -> str:
    """Hash of everything that decoded images depend on: how they are read, and which files in which order."""
    seen = hashlib.sha256(json.dumps([_FORMAT, options], sort_keys=True).encode())
    for fields in files:
        seen.update("\0".join(map(str, fields)).encode(errors="surrogateescape") + b"\n")
    return seen.hexdigest()


def write_pixels(path: Path, chunks: Iterable[UInt8[np.ndarray, "_ H W C"]]) -> None:
    """Write images one after another; nothing appears under the final name before the last one.

    Raises:
        RunError: the disk is full, or the folder cannot be written.
    """
    with write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    # Plain writes, because a full disk under a memory-mapped file kills the process.
    with replacing(path) as temporary, temporary.open("wb") as file:
        for chunk in chunks:
            file.write(np.ascontiguousarray(chunk).data)


def read_pixels(path: Path, shape: tuple[int, int, int, int], memory_bytes: int) -> UInt8[Tensor, "N H W C"]:
    """Read images into memory, or map the file when they would take more than `memory_bytes` there."""
    if path.stat().st_size <= memory_bytes:
        return torch.from_numpy(np.fromfile(path, dtype=np.uint8).reshape(shape))
    mapped = np.memmap(path, dtype=np.uint8, mode="r", shape=shape)
    with warnings.catch_warnings():
        # A writable mapping would count as memory, and the kernel refuses more of it than there is.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(mapped)


def write_description(path: Path, key: str, description: Description) -> None:
    """Write the description that makes a file of pixels valid.

    Raises:
        RunError: the disk is full, or the folder cannot be written.
    """
    body = asdict(description)
    write_text(path, json.dumps({"format": _FORMAT, "key": key, "sha256": _digest(body), "body": body}))


def read_description(path: Path, pixels: Path, key: str) -> Description | None:
    """Read the description, if both files are there and whole.

    Returns:
        None, with a warning where something was there but cannot be trusted.
    """
    if not path.exists() and not pixels.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["key"] != key or content["sha256"] != _digest(content["body"]):
            raise ValueError("checksum of the description")
        body = content["body"]
        found = Description(
            **{**body, "bad": tuple((place, reason) for place, reason in body["bad"])}
            | {name: tuple(body[name]) for name in ("mean", "std", "notes")}
        )
        if pixels.stat().st_size != found.pixel_bytes:
            raise ValueError(f"size of {pixels.name}")
        return found
    except (OSError, ValueError, KeyError, TypeError) as error:
        _logger.warning("the cache %s is damaged or incomplete (%s) and is made anew", path, error)
        return None


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
