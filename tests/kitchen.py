"""Settings of a kitchen, with a field of each kind that flags can have."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from enas.flags import Parser, add_flags


@dataclass(frozen=True)
class Settings:
    """Settings of a kitchen.

    More text that does not belong in a heading.
    """

    cups: int = 3
    """Number of cups."""
    sugar_share: float = 0.5
    """Share of sugar, 50% as
    a rule."""
    title: str = "tea"
    """What is brewed."""
    milk: bool = False
    """Whether there is milk."""
    kind: Literal["green", "black"] = "green"
    """Leaves."""
    folder: Path = Path("kitchen")
    """Where."""
    minutes: int | None = None
    """How long; None: until it is good."""
    guest: str | None = "you"
    """Who comes; None: nobody."""
    degrees: float | None = 80.0
    """How hot; None: as it comes."""
    list_file: Path | None = None
    """List of guests; None: no list."""
    plain: int = 1


def parser() -> Parser:
    made = Parser(prog="enas brew")
    add_flags(made, Settings())
    return made
