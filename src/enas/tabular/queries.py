"""The table as a function from codes to accuracy that counts what is asked."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from enas.architecture import encode
from enas.decisions import choices_of, columns, decisions
from enas.errors import ArchitectureError, DataError, UsageError
from enas.space import Space
from enas.table import read_table

Codes = tuple[int, ...]
PERCENT = 100.0


def read_rewards(space: Space, size: Mapping[str, int], path: Path, key: str | None) -> dict[Codes, float]:
    """All accuracies of a space, in percent, from a table as `enas.table.read_table` reads it.

    A table whose figures are all at most 1 holds shares, which are multiplied by 100.

    Args:
        space: Whose architectures the table names.
        size: Of its architectures.
        path: The table.
        key: Name of the figure.

    Raises:
        UsageError: the space has no string form, or is not scored by something that is better when higher.
        DataError: the table cannot be read, names what is no architecture of the space, or lacks one.
    """
    if space.strings is None:
        raise UsageError(f"{space.name} has no string form of its architectures, by which a table could name them")
    if space.task.direction != 1:
        raise UsageError(f"{space.name} is scored by {space.task.metric}: a reward table holds accuracies")
    steps = space.steps(size)
    values: dict[Codes, float] = {}
    for name, value in read_table(path, key).items():
        try:
            codes = encode(space.strings.read(name), steps)
        except ArchitectureError as error:
            raise DataError(f"the table {path}: {error}") from error
        if codes in values:
            raise DataError(
                f"the table {path} has the architecture {space.strings.write(space.strings.read(name))} twice"
            )
        values[codes] = value
    total = math.prod(choices_of(question) ** columns(question) for question in decisions(steps))
    if len(values) != total:
        raise DataError(
            f"the table {path} has {len(values):,} of the {total:,} architectures of {space.name}: all are needed"
        )
    low, high = min(values.values()), max(values.values())
    if low < 0 or high > PERCENT:
        raise DataError(
            f"the table {path} holds figures from {low:g} to {high:g}: accuracies lie in 0 to 1, or 0 to 100"
        )
    return {codes: value * PERCENT for codes, value in values.items()} if high <= 1 else values


class FinishedError(Exception):
    """A method may look up no more architectures; it ends the method and never reaches the user."""


@dataclass
class Queries:
    """Answers from a table, counted.

    A query is a distinct architecture: asking for one again is free, as it would be for anyone who keeps the accuracies of
    finished trainings.
    """

    values: Mapping[Codes, float]
    """Accuracy of every architecture, in percent."""
    budget: int
    """Queries that may be made."""
    goal: float = math.inf
    """An accuracy with which the method ends, since nothing better is asked of it."""
    asked: dict[Codes, float] = field(default_factory=dict)
    """What was asked so far, in the order of the queries."""

    def __call__(self, codes: Codes) -> float:
        """The accuracy of an architecture, in percent.

        Raises:
            FinishedError: it would be one query too many, or the goal is reached, or nothing is left to ask for.
        """
        if codes not in self.asked:
            if len(self.asked) == self.budget:
                raise FinishedError
            self.asked[codes] = self.values[codes]
            if self.asked[codes] >= self.goal or len(self.asked) == len(self.values):
                raise FinishedError
        return self.asked[codes]
