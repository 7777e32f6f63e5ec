"""Tables of accuracies: what the architectures of a space are worth, looked up instead of trained."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from enas.architecture import Architecture, encode
from enas.errors import DataError
from enas.space import Space

KEYS: Final = ("accuracy", "mean_acc", "test_accuracy", "test_acc")
"""Names under which a figure is looked for when none is given."""


def architecture_string(space: Space, architecture: Architecture) -> str:
    """The name of an architecture in tables: the space's own short form, or else the controller's codes with blanks between.

    Raises:
        ArchitectureError: it is not one of the space.
    """
    if space.strings is not None:
        return space.strings.write(architecture)
    return " ".join(map(str, encode(architecture, space.steps(architecture.size))))


def read_table(path: Path, key: str | None = None) -> dict[str, float]:
    """Read a table from architecture string to figure.

    Args:
        path: A JSON object from string to number, or from string to object with the figure under `key`; or a CSV file with a
            header, whose first column is the string.
        key: Field or column of the figure; None: accuracy, mean_acc, test_accuracy or test_acc, or the only one there is.

    Raises:
        DataError: there is no such file, it is not such a table, or the figure is missing.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"cannot read the table {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a text file: give a table as JSON or CSV") from error
    rows = _from_json(text, path) if text.lstrip().startswith("{") else _from_csv(text, path)
    if not rows:
        raise DataError(f"the table {path} is empty")
    return {name: _figure(row, key, name, path) for name, row in rows.items()}


def _from_json(text: str, path: Path) -> Mapping[str, Any]:
    try:
        rows: dict[str, Any] = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"the table {path} is not valid JSON ({' '.join(str(error).split())})") from error
    return rows


def _from_csv(text: str, path: Path) -> Mapping[str, Any]:
    reader = csv.reader(io.StringIO(text))
    header = next(reader, [])
    if len(header) < 2:
        raise DataError(
            f"the table {path} needs a header with two columns at least: the string of an architecture, and a figure"
        )
    rows: dict[str, Any] = {}
    for row in reader:
        if not row:
            continue
        if len(row) != len(header):
            raise DataError(f"line {reader.line_num} of the table {path} has {len(row)} columns, not {len(header)}")
        if row[0] in rows:
            raise DataError(f"the table {path} has {row[0]!r} twice")
        rows[row[0]] = dict(zip(header[1:], map(_number, row[1:]), strict=True))
    return rows


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _figure(row: Any, key: str | None, name: str, path: Path) -> float:
    value = row
    if isinstance(row, Mapping):
        field = key or _only(row, name, path)
        if field not in row:
            raise DataError(f"the table {path} has no {field!r} for {name!r}; there are {', '.join(row)}")
        value = row[field]
    elif key is not None:
        raise DataError(f"the table {path} holds plain numbers: leave out the name {key!r}")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise DataError(f"the table {path} holds {value!r} for {name!r}: a number is expected")
    return float(value)


def _only(row: Mapping[str, Any], name: str, path: Path) -> str:
    known = [field for field in KEYS if isinstance(row.get(field), int | float)]
    numbers: Sequence[str] = known[:1] or [field for field, value in row.items() if isinstance(value, int | float)]
    if len(numbers) != 1:
        raise DataError(f"the table {path} has {', '.join(row)} for {name!r}: say which with --table-key")
    return numbers[0]
