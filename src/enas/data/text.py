"""From the name of a data set, or a folder of text files, to numbered words."""

import difflib
import logging
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Int32
from torch import Tensor

from enas.config import DataConfig
from enas.data.corpora import CORPORA, download_corpus
from enas.data.encode import Corpus, Level, encode_files, encode_texts
from enas.data.progress import Progress
from enas.data.pydoc import topic_texts
from enas.data.splits import SPLITS
from enas.data.text_cache import read_corpus, write_corpus
from enas.errors import DataError

NAMES = ("pydoc", *CORPORA)
"""Of texts."""
_ALIASES = {"wikitext-2": "wikitext", "wikitext2": "wikitext", "penn": "ptb"}

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TextSpec:
    """What a network must know of a text to be built for it."""

    vocabulary: int
    """Number of different words (or characters)."""


@dataclass(frozen=True)
class TextData:
    """A text in three parts, each as the numbers of its words.

    The numbers may be memory-mapped from a file opened for reading only: index them, never write into them.
    """

    name: str
    """Name of the data set, or of the user's folder."""
    words: tuple[str, ...]
    """The vocabulary; a number is an index into it."""
    train: Int32[Tensor, " _"]
    valid: Int32[Tensor, " _"]
    test: Int32[Tensor, " _"]
    notes: tuple[str, ...]
    """Lines that tell the user what was found and what was decided."""

    @property
    def spec(self) -> TextSpec:
        """Size that a network for this text needs."""
        return TextSpec(len(self.words))


def load_text(config: DataConfig, cache: Path, *, progress: Progress | None = None) -> TextData:
    """Read the text that the settings name, encoding it the first time.

    Args:
        config: which text, and whether words or characters are numbered.
        cache: folder for downloads and encoded texts; made when needed.
        progress: told how many bytes of a download are there.

    Raises:
        DataError: no such text, or it is damaged or unfit.
        RunError: the cache folder cannot be written.
    """
    dataset = _ALIASES.get(config.dataset or "pydoc", config.dataset or "pydoc")
    if dataset == "pydoc":
        name, corpus = "pydoc", encode_texts(topic_texts(), config.level, "pydoc")
        notes = ("text: Python's own language reference (another one with another version of Python)",)
    else:
        folder = download_corpus(dataset, cache, progress) if dataset in CORPORA else _folder(dataset)
        name = dataset if dataset in CORPORA else folder.resolve().name or "text"
        corpus, where = _read_or_encode(folder, name, config.level, cache)
        notes = (f"cache: {where} (memory-mapped)",)
    if corpus.foreign:
        _logger.warning(
            "%s: %s words outside the training text's vocabulary (%s) became <unk>, which the training text does not have",
            name, f"{sum(corpus.unknown):,}", ", ".join(corpus.foreign),
        )  # fmt: skip
    parts = dict(zip(SPLITS, corpus.parts, strict=True))
    return TextData(name, corpus.words, parts["train"], parts["valid"], parts["test"], (*_describe(corpus), *notes))


def _folder(dataset: str) -> Path:
    folder = Path(dataset).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists():
        raise DataError(f"{folder} is not a folder: give the folder that holds train.txt, valid.txt and test.txt")
    if "/" in dataset or "\\" in dataset or dataset.startswith("~"):
        raise DataError(f"there is no folder {dataset}: check the path, or name one of {', '.join(NAMES)}")
    close = difflib.get_close_matches(dataset.lower(), (*NAMES, *_ALIASES), n=1)
    meant = f"; did you mean {close[0]}?" if close else ""
    raise DataError(
        f"there is no text or folder {dataset!r}: known names are {', '.join(NAMES)}, or give a folder{meant}"
    )


def _read_or_encode(folder: Path, name: str, level: Level, cache: Path) -> tuple[Corpus, Path]:
    """The encoded text, from the cache when it is there, and the file that holds it."""
    files = [folder / f"{split}.txt" for split in SPLITS]
    for file in files:
        if not file.is_file():
            raise DataError(f"{folder} has no {file.name}: a text needs train.txt, valid.txt and test.txt")
    place, found = read_corpus(files, name, level, cache)
    if found is None:
        write_corpus(place, encode_files(files, level))
        place, found = read_corpus(files, name, level, cache)
        assert found is not None, "what was just written can be read"
    return found, place.numbers


def _describe(corpus: Corpus) -> tuple[str, ...]:
    kind = "words" if corpus.level == "word" else "characters"
    counts = " / ".join(
        f"{len(part):,} {what}" for part, what in zip(corpus.parts, ("training", "validation", "test"), strict=True)
    )
    lines = [f"{counts} {kind}, vocabulary of {len(corpus.words):,}"]
    if any(corpus.unknown):
        valid, test = corpus.unknown[1:]
        lines.append(f"unknown {kind}, read as <unk>: {valid:,} in validation, {test:,} in test")
    return tuple(lines)
