"""An architecture as named choices: to and from the controller's integers, to and from JSON.

`architecture.json` is the only thing that search hands to training. It can be read by a person and compared line by line:

    {"format": 1, "space": "macro", "size": {"layers": 12}, "choices": {"layer0.op": "conv3x3", "layer1.skips": ["stem"], ...}}
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from enas.decisions import Decision, Input, Op, Skips, Step, code_length, columns, decisions
from enas.errors import ArchitectureError
from enas.files import write_text
from enas.space_file import found_again

FORMAT = 1
"""Version of the JSON form; it rises when older files cannot be read any more."""


@dataclass(frozen=True)
class Architecture:
    """What was chosen, by name; equal architectures have equal fields."""

    space: str
    """Name of the search space ("macro"), or the dotted path of a user's space."""
    size: Mapping[str, int]
    """The numbers from which the space rebuilds its questions and wiring, such as {"layers": 12}."""
    choices: Mapping[str, str | tuple[str, ...]]
    """Answer to each question: the name of an operation or node, or the names of all chosen nodes."""

    def to_json(self) -> str:
        """The JSON text of `architecture.json`, one choice a line, in the order of the questions."""
        listed = {key: list(value) if isinstance(value, tuple) else value for key, value in self.choices.items()}
        lines = ",\n".join(f"    {json.dumps(key)}: {json.dumps(value)}" for key, value in listed.items())
        head = f'  "format": {FORMAT},\n  "space": {json.dumps(self.space)},\n  "size": {json.dumps(dict(self.size))},'
        return f'{{\n{head}\n  "choices": {{\n{lines}\n  }}\n}}\n'

    @classmethod
    def from_json(cls, text: str, where: str = "architecture") -> "Architecture":
        """Read `architecture.json`; nothing unknown, missing or of a wrong type is accepted.

        Args:
            text: The JSON text.
            where: The file's name, for error messages.

        Raises:
            ArchitectureError: the text is not such a file.
        """
        data = _parse(text, where)
        _expect_keys(data, {"format", "space", "size", "choices"}, where)
        if data["format"] != FORMAT or isinstance(data["format"], bool):
            raise ArchitectureError(
                f"{where}: format {data['format']!r} is unknown; this version reads format {FORMAT}"
            )
        if not isinstance(data["space"], str):
            raise ArchitectureError(f"{where}: 'space' must be a name, not {data['space']!r}")
        size, choices = data["size"], data["choices"]
        if not isinstance(size, dict) or not all(type(value) is int for value in size.values()):
            raise ArchitectureError(f"{where}: 'size' must map names to whole numbers, not {size!r}")
        if not isinstance(choices, dict):
            raise ArchitectureError(f"{where}: 'choices' must map questions to answers, not {choices!r}")
        return cls(data["space"], size, {key: _answer(key, value, where) for key, value in choices.items()})

    def save(self, path: Path) -> None:
        """Write `architecture.json` in one piece.

        Raises:
            RunError: the file cannot be written.
        """
        write_text(path, self.to_json())

    @classmethod
    def load(cls, path: Path) -> "Architecture":
        """Read a file written by `save`.

        Raises:
            ArchitectureError: the file is missing, or not such a file.
            UsageError: the space is a file, which was moved.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except OSError as error:
            raise ArchitectureError(f"cannot read {path}: {error.strerror or error}; give a file or a run") from error
        except UnicodeDecodeError as error:
            raise ArchitectureError(f"{path} is not a text file: it cannot be an architecture.json") from error
        found = cls.from_json(text, str(path))
        return replace(found, space=found_again(found.space, str(path)))


def decode(codes: Sequence[int], steps: Sequence[Step], *, space: str, size: Mapping[str, int]) -> Architecture:
    """The architecture that a row of the controller's integers stands for.

    Args:
        codes: One integer for each code column of `steps`.
        steps: The questions of the space at this size.
        space: Name of the space.
        size: The numbers from which `steps` was made.

    Raises:
        ArchitectureError: too few or too many codes, or one out of range.
    """
    if len(codes) != code_length(steps):
        raise ArchitectureError(f"{space} needs {code_length(steps)} codes at size {dict(size)}, got {len(codes)}")
    choices: dict[str, str | tuple[str, ...]] = {}
    at = 0
    for decision in decisions(steps):
        width = columns(decision)
        choices[decision.name] = _decode_one(decision, codes[at : at + width])
        at += width
    return Architecture(space, dict(size), choices)


def encode(architecture: Architecture, steps: Sequence[Step], where: str = "architecture") -> tuple[int, ...]:
    """The integers that stand for an architecture; the inverse of `decode`.

    Raises:
        ArchitectureError: a question of `steps` has no answer or one that is not on offer, or an answer has no question.
    """
    codes: list[int] = []
    asked = decisions(steps)
    _expect_keys(architecture.choices, {decision.name for decision in asked}, f"{where}: choices")
    for decision in asked:
        codes.extend(_encode_one(decision, architecture.choices[decision.name], where))
    return tuple(codes)


def _decode_one(decision: Decision, codes: Sequence[int]) -> str | tuple[str, ...]:
    options = _options(decision)
    limit = 2 if isinstance(decision, Skips) else len(options)
    for code in codes:
        if not 0 <= code < limit:
            raise ArchitectureError(f"{decision.name}: code {code} is out of range, expected 0 to {limit - 1}")
    if isinstance(decision, Skips):
        return tuple(name for name, code in zip(options, codes, strict=True) if code)
    return options[codes[0]]


def _encode_one(decision: Decision, answer: str | tuple[str, ...], where: str) -> tuple[int, ...]:
    options = _options(decision)
    many = isinstance(decision, Skips)
    if many != isinstance(answer, tuple):
        expected = "a list of names" if many else "one name"
        raise ArchitectureError(f"{where}: {decision.name} must be {expected}, not {answer!r}")
    names = answer if isinstance(answer, tuple) else (answer,)
    for name in names:
        if name not in options:
            raise ArchitectureError(f"{where}: {decision.name} cannot be {name!r}; on offer: {', '.join(options)}")
    if many:
        if len(set(names)) != len(names):
            raise ArchitectureError(f"{where}: {decision.name} names a node twice: {list(names)}")
        return tuple(int(name in names) for name in options)
    return (options.index(names[0]),)


def _options(decision: Decision) -> tuple[str, ...]:
    match decision:
        case Op():
            return decision.vocabulary.options
        case Input() | Skips():
            return decision.candidates


def _parse(text: str, where: str) -> dict[str, Any]:
    def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        for key in keys:
            if keys.count(key) > 1:
                raise ArchitectureError(f"{where}: {key!r} stands there twice")
        return dict(pairs)

    try:
        data = json.loads(text, object_pairs_hook=without_duplicates)
    except (json.JSONDecodeError, RecursionError) as error:
        line = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise ArchitectureError(f"{where}{line} is not valid JSON: it is damaged or no architecture.json") from error
    if not isinstance(data, dict):
        raise ArchitectureError(f"{where}: expected a JSON object with format, space, size and choices")
    return data


def _answer(key: str, value: object, where: str) -> str | tuple[str, ...]:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return tuple(value)
    raise ArchitectureError(f"{where}: {key} must be a name or a list of names, not {value!r}")


def _expect_keys(data: Mapping[str, object], expected: set[str], where: str) -> None:
    missing = sorted(expected - data.keys())
    unknown = sorted(data.keys() - expected)
    if missing:
        raise ArchitectureError(f"{where}: {missing[0]!r} is missing")
    if unknown:
        raise ArchitectureError(f"{where}: {unknown[0]!r} is unknown")
