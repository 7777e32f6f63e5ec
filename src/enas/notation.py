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


@dataclass(frozen=True)
class Strings:
    """The short form in which papers and tables of benchmarks write the architectures of a space, such as "02012100"."""

    write: Callable[[Architecture], str]
    """architecture -> its string, the same for equal architectures. Raises ArchitectureError when it is not of the space."""
    read: Callable[[str], Architecture]
    """The inverse. Raises ArchitectureError when the text is not such a string."""


def one_line(strings: Strings, what: str) -> Notation:
    """The notation "string" of a space that has a short form.

    Args:
        strings: The short form.
        what: What it looks like, in a few words.
    """

    def recognises(text: str) -> bool:
        try:
            strings.read(text.strip())
        except ArchitectureError:
            return False
        return True

    def read(text: str, where: str) -> Architecture:
        try:
            return strings.read(text.strip())
        except ArchitectureError as error:
            raise ArchitectureError(f"{where}: {error}") from error

    return Notation("string", what, recognises, read, lambda architecture: strings.write(architecture) + "\n")


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
