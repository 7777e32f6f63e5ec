"""Encoded texts in one file, made once and then memory-mapped.

Beside the numbers (`NAME.i32`: training, validation and test text, one after another) lies their description (`NAME.json`),
which is written last: numbers without it count for nothing. Where the two do not fit, both are made anew.
"""

import hashlib
import json
import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from enas.data.cache import cache_key
from enas.data.encode import Corpus, Level
from enas.data.splits import SPLITS
from enas.errors import DataError
from enas.files import replacing, write_errors, write_text

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where an encoded text is kept."""

    numbers: Path
    description: Path
    key: str
    """Hash of everything that the encoded text depends on."""


def read_corpus(files: Sequence[Path], name: str, level: Level, cache: Path) -> tuple[Place, Corpus | None]:
    """Look for the encoded form of three files.

    Args:
        files: training, validation and test text, as they are now: their sizes and times decide.
        name: what the user calls the text.
        level: words or characters.
        cache: folder of encoded texts.

    Returns:
        Where it belongs, and the text when it is there and whole.

    Raises:
        DataError: a file cannot be looked at.
    """
    try:
        status = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    except OSError as error:
        raise DataError(f"cannot read {error.filename}: {error.strerror}; check its permissions") from error
    key = cache_key({"kind": "text", "level": level}, status)
    numbers = cache / f"{name[:40]}-{level}-{key[:16]}.i32"
    place = Place(numbers, numbers.with_suffix(".json"), key)
    return place, _read(place, level)


def write_corpus(place: Place, corpus: Corpus) -> None:
    """Keep an encoded text.

    Raises:
        RunError: the disk is full, or the folder cannot be written.
    """
    with write_errors(place.numbers):
        place.numbers.parent.mkdir(parents=True, exist_ok=True)
    with replacing(place.numbers) as temporary, temporary.open("wb") as stream:
        for part in corpus.parts:
            stream.write(part.numpy().data)
    body = {
        "words": corpus.words,
        "lengths": [len(part) for part in corpus.parts],
        "unknown": corpus.unknown,
        "foreign": corpus.foreign,
    }
    write_text(place.description, json.dumps({"key": place.key, "sha256": _digest(body), "body": body}))


def _read(place: Place, level: Level) -> Corpus | None:
    if not place.description.exists() and not place.numbers.exists():
        return None
    try:
        content = json.loads(place.description.read_text(encoding="utf-8"))
        body = content["body"]
        if content["key"] != place.key or content["sha256"] != _digest(body):
            raise ValueError("checksum of the description")
        lengths = body["lengths"]
        if len(lengths) != len(SPLITS) or place.numbers.stat().st_size != 4 * sum(lengths):
            raise ValueError(f"size of {place.numbers.name}")
        mapped = np.memmap(place.numbers, dtype=np.int32, mode="r")
        with warnings.catch_warnings():
            # A writable mapping would count as memory, and the kernel refuses more of it than there is.
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            parts = torch.from_numpy(mapped).split(lengths)
        return Corpus(level, tuple(body["words"]), tuple(parts), tuple(body["unknown"]), tuple(body["foreign"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        _logger.warning("the cache %s is damaged or incomplete (%s) and is made anew", place.description, error)
        return None


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
