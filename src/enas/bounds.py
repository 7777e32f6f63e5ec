"""Limits of settings, declared beside the field: `epochs: Annotated[int, Bounds(1)] = 310`."""

import dataclasses
import types
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from enas.errors import UsageError


@dataclass(frozen=True)
class Bounds:
    """The values that a number may take; None: no limit on that side."""

    low: int | float | None = None
    high: int | float | None = None
    open_low: bool = False
    """Whether `low` itself is refused."""
    open_high: bool = False
    """Whether `high` itself is refused."""

    def complaint(self, value: int | float) -> str | None:
        """What the value must be, when it is not."""
        if self.low is not None and (value <= self.low if self.open_low else value < self.low):
            return f"must be {'more than' if self.open_low else 'at least'} {self.low}"
        if self.high is not None and (value >= self.high if self.open_high else value > self.high):
            return f"must be {'less than' if self.open_high else 'at most'} {self.high}"
        return None


Count = Annotated[int, Bounds(1)]
Natural = Annotated[int, Bounds(0)]
Seed = Annotated[int, Bounds(0, 2**62)]
Positive = Annotated[float, Bounds(0, open_low=True)]
NotNegative = Annotated[float, Bounds(0)]
Share = Annotated[float, Bounds(0, 1)]
Decay = Annotated[float, Bounds(0, 1, open_high=True)]


def check(config: object) -> None:
    """Refuse a dataclass instance with a number outside its bounds.

    Raises:
        UsageError: names the flag, the limit and the value.
    """
    hints = get_type_hints(type(config), include_extras=True)
    for item in dataclasses.fields(config):  # type: ignore[arg-type]  # an instance of a dataclass, by contract
        value = getattr(config, item.name)
        for bounds in _bounds(hints[item.name]):
            complaint = None if value is None else bounds.complaint(value)
            if complaint is not None:
                none = " or none" if _may_be_none(hints[item.name]) else ""
                raise UsageError(f"--{item.name.replace('_', '-')} {complaint}{none}, got {value}")


def _bounds(hint: Any) -> list[Bounds]:
    if get_origin(hint) is Annotated:
        return [extra for extra in get_args(hint)[1:] if isinstance(extra, Bounds)]
    if get_origin(hint) in (Union, types.UnionType):
        return [bounds for option in get_args(hint) for bounds in _bounds(option)]
    return []


def _may_be_none(hint: Any) -> bool:
    return type(None) in get_args(hint)
