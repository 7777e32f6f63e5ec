"""Texts as numbers: words by white space with <eos> at the end of each line, or characters.

The vocabulary is that of the training text, in alphabetical order.
"""

import codecs
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Int32
from torch import Tensor

from enas.data.splits import SPLITS
from enas.errors import DataError

Level = Literal["word", "char"]
EOS, UNKNOWN = "<eos>", "<unk>"
_CHUNK_BYTES = 1 << 24


@dataclass(frozen=True)
class Corpus:
    """Three encoded texts with one vocabulary."""

    level: Level
    words: tuple[str, ...]
    """The vocabulary; a number is an index into it."""
    parts: tuple[Int32[Tensor, " _"], ...]
    """Training, validation and test text."""
    unknown: tuple[int, ...]
    """How many words of each part are not in the training text."""
    foreign: tuple[str, ...]
    """Some of the unknown words, where <unk> is no word of the training text either; otherwise empty."""


def encode_files(files: Sequence[Path], level: Level) -> Corpus:
    """Encode the files of training, validation and test, in pieces of some megabytes.

    Raises:
        DataError: a file is empty, not UTF-8 or unreadable, or there is only one word.
    """
    return _encode([(str(file), _read(file)) for file in files], level)


def encode_texts(texts: Sequence[str], level: Level, where: str) -> Corpus:
    """Encode training, validation and test text.

    Raises:
        DataError: one is empty, or there is only one word.
    """
    return _encode([(f"{where} ({split})", iter([text])) for split, text in zip(SPLITS, texts, strict=True)], level)


def words_of(text: str, level: Level) -> list[str]:
    """The words or characters of a text; the end of a line is a word of its own, but the end of the text is none."""
    found = [word for piece in _split([text], level) for word in piece]
    return found if text.endswith("\n") else found[:-1]


def _encode(sources: Sequence[tuple[str, Iterable[str]]], level: Level) -> Corpus:
    (where, pieces), *others = sources
    index: defaultdict[str, int] = defaultdict()
    index.default_factory = index.__len__  # each new word gets the next number
    train = _numbers(where, (list(map(index.__getitem__, piece)) for piece in _split(pieces, level)))
    if len(index) < 2:
        only = next(iter(index))
        raise DataError(f"{where} has one {level} only ({only!r}): at least two are needed to learn from")
    index.default_factory = None
    words = sorted(index)
    rank = np.empty(len(words), np.int32)
    for new, word in enumerate(words):
        rank[index[word]] = new
    numbers = {word: new for new, word in enumerate(words)}
    known = UNKNOWN in numbers
    lost = numbers.get(UNKNOWN, len(words))
    parts, unknown, foreign = [rank[train]], [0], dict[str, None]()
    for where, pieces in others:
        missing = 0
        rows = []
        for piece in _split(pieces, level):
            row = [numbers.get(word, -1) for word in piece]
            strange = [word for word, number in zip(piece, row, strict=True) if number < 0] if -1 in row else []
            missing += len(strange)
            foreign.update(dict.fromkeys(strange if len(foreign) < 3 else ()))
            rows.append(row)
        part = _numbers(where, rows)
        part[part < 0] = lost
        parts.append(part)
        unknown.append(missing)
    if known or not sum(unknown):
        foreign.clear()
    vocabulary = (*words, UNKNOWN) if foreign else tuple(words)
    tensors = tuple(torch.from_numpy(part) for part in parts)
    return Corpus(level, vocabulary, tensors, tuple(unknown), tuple(foreign)[:3])


def _numbers(where: str, rows: Iterable[Sequence[int]]) -> np.ndarray:
    arrays = [np.asarray(row, np.int32) for row in rows if len(row)]
    if not arrays:
        raise DataError(f"{where} is empty: put text into it")
    return np.concatenate(arrays)


def _split(pieces: Iterable[str], level: Level) -> Iterator[Sequence[str]]:
    """Words or characters of pieces that end with whole lines; the end of a line is a word of its own."""
    for piece in filter(None, pieces):
        text = piece if piece.endswith("\n") else f"{piece}\n"
        if level == "word":
            yield text.replace("\n", f" {EOS} ").split()
        else:
            yield [EOS if letter == "\n" else letter for letter in text.replace("\r\n", "\n")]


def _read(file: Path) -> Iterator[str]:
    """The text of a file in pieces of whole lines (or all of it, where it has only one)."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    rest, done = "", 0
    try:
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                text = rest + decoder.decode(chunk)
                done += len(chunk)
                end = text.rfind("\n") + 1
                rest = text[end:]
                if end:
                    yield text[:end]
        rest += decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        line = f"after byte {done:,}" if done else f"at byte {error.start:,}"
        raise DataError(f"{file} is not UTF-8 text ({error.reason} {line}): save it as UTF-8") from error
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror or error}; check its permissions") from error
    if rest:
        yield rest
