"""What became of an old flag: a new one, a value that is always so, or nothing, and then it is said.

A fate depends on what the command turns into: "search rnn", "train macro", ..., or "derive" and "test".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from enas.errors import UsageError

SPACES = ("rnn", "macro", "micro")


def as_text(value: Any) -> str:
    """A value as it is written on the command line."""
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True)
class Becomes:
    """The value goes to one or more new flags."""

    flags: tuple[str, ...]
    turn: Callable[[Any], str] = as_text
    """What the new flags get for the old value. Raises UsageError when there is nothing."""
    also: tuple[tuple[str, str], ...] = ()
    """Further new flags with fixed values, without which these have no effect."""


@dataclass(frozen=True)
class Always:
    """Only some values can be had, and these are had anyhow; others are refused."""

    values: tuple[Any, ...]
    why: str


@dataclass(frozen=True)
class Without:
    """The flag has no effect, which is said, except of values that are had anyhow."""

    why: str
    unless: tuple[Any, ...] = ()


Fate = Becomes | Always | Without


@dataclass(frozen=True)
class Flag:
    """An old flag."""

    name: str
    """With underscores, without dashes."""
    hint: Any
    """Type of its value."""
    text: str
    """What became of it: the help, and a row of docs/coming-from.md."""
    fates: Mapping[str, Fate] | None = field(default_factory=dict)
    """"search rnn" and so on -> fate; where there is none, it has no effect. None: `translate` reads it."""


@dataclass
class Words:
    """A command of this program under construction."""

    target: str
    """What it does: "search rnn", "train macro", "derive", ..."""
    flags: dict[str, str] = field(default_factory=dict)
    """New flag -> value."""
    origins: dict[str, str] = field(default_factory=dict)
    """New flag -> the old flag it comes from."""
    notes: dict[str, list[str]] = field(default_factory=dict)
    """Reason -> old flags that have no effect for it."""

    def set(self, flag: str, value: str, origin: str) -> None:
        """Give a new flag a value.

        Raises:
            UsageError: another old flag has given it another value.
        """
        if self.flags.setdefault(flag, value) != value:
            raise UsageError(
                f"--{origin} makes {flag} {value}, and --{self.origins[flag]} makes it {self.flags[flag]}: give one of them"
            )
        self.origins.setdefault(flag, origin)

    def take(self, flag: Flag, value: Any) -> None:
        """Do with an old flag what became of it.

        Raises:
            UsageError: the value cannot be had any more.
        """
        if flag.fates is None:
            return
        fate = flag.fates.get(self.target)
        match fate:
            case Becomes():
                for name in fate.flags:
                    self.set(name, fate.turn(value), flag.name)
                for name, fixed in fate.also:
                    self.set(name, fixed, flag.name)
            case Always() if value not in fate.values:
                raise UsageError(f"--{flag.name} {as_text(value)}: {fate.why}")
            case Without() if value not in fate.unless:
                self.note(fate.why, flag.name)
            case None:
                self.note(f"it does not concern enas {self.target}", flag.name)

    def note(self, reason: str, name: str) -> None:
        """Remember that an old flag has no effect."""
        self.notes.setdefault(reason, []).append(f"--{name}")


def on_search(fate: Fate, spaces: tuple[str, ...] = SPACES) -> dict[str, Fate]:
    """The same fate in searches of some spaces."""
    return {f"search {space}": fate for space in spaces}


def on_train(fate: Fate, spaces: tuple[str, ...] = SPACES) -> dict[str, Fate]:
    """The same fate in trainings of architectures of some spaces."""
    return {f"train {space}": fate for space in spaces}


def on_both(fate: Fate, spaces: tuple[str, ...] = SPACES) -> dict[str, Fate]:
    """The same fate in searches and trainings."""
    return on_search(fate, spaces) | on_train(fate, spaces)


def everywhere(fate: Fate) -> dict[str, Fate]:
    """The same fate whatever the command does."""
    return {**on_both(fate), "derive": fate, "test": fate}


def off_at_zero(value: float) -> str:
    """Zero means off, which is "none" here."""
    return as_text(value) if value else "none"


def dropped(keep: float) -> str:
    """The probability of dropping, from that of keeping."""
    return as_text(round(1 - keep, 10))


def twice(factor: float) -> str:
    """Weight decay, from the factor of a sum of squares in the loss."""
    return as_text(2 * factor)


def whole(value: float) -> str:
    """A whole number that used to be written as any number.

    Raises:
        UsageError: it is not whole.
    """
    if value != int(value):
        raise UsageError(f"a whole number of epochs is needed, not {value}")
    return as_text(int(value))
