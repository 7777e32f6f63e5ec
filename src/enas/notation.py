"""`Notation`: how another program writes an architecture of a space down, such as the numbers of the authors' scripts."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from enas.architecture import Architecture
from enas.errors import ArchitectureError

_SEPARATORS = re.compile(r"[\s,\[\]()]+")
"""Blanks, and what Python and NumPy print around numbers: an architecture may be copied from a log."""


@dataclass(frozen=True)
class Notation:
    """One way to write architectures of a space; a space may offer several (`Space.notations`)."""

    name: str
    """What `enas convert --to` calls it."""
    what: str
    """What it looks like, in a few words."""
    recognises: Callable[[str], bool]
    """Whether a text is meant in this notation, whether or not it is right."""
    read: Callable[[str, str], Architecture]
    """(text, its name for messages) -> architecture. Raises ArchitectureError when the text is wrong."""
    write: Callable[[Architecture], str]
    """architecture -> text, with a line's end. Raises ArchitectureError when the notation cannot say it."""


def are_numbers(text: str) -> bool:
    """Whether a text holds whole numbers and nothing else, parted by blanks, commas or brackets."""
    words = _words(text)
    return bool(words) and all(word.isascii() and word.isdecimal() for word in words)


def read_numbers(text: str, where: str) -> list[int]:
    """The whole numbers of a text.

    Raises:
        ArchitectureError: something else stands there, or a number has more than nine digits.
    """
    words = _words(text)
    for word in words:
        if not (word.isascii() and word.isdecimal() and len(word) < 10):
            raise ArchitectureError(f"{where}: {word!r} is not a small whole number")
    return [int(word) for word in words]


def write_numbers(rows: list[list[int]]) -> str:
    """Numbers as text, one row a line."""
    return "".join(" ".join(map(str, row)) + "\n" for row in rows)


def _words(text: str) -> list[str]:
    return [word for word in _SEPARATORS.split(text) if word]
