"""Command-line flags and JSON settings from frozen dataclasses: one flag a field, its docstring the help."""

import argparse
import ast
import dataclasses
import difflib
import inspect
import math
import re
import sys
import textwrap
import types
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

from enas.errors import UsageError

Config = TypeVar("Config")
TRUE, FALSE = ("true", "yes", "1", "on"), ("false", "no", "0", "off")


class Parser(argparse.ArgumentParser):
    """An `argparse` parser whose errors are one-line `UsageError`s, with a suggestion for a mistyped flag."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        """Refuse the command line.

        Raises:
            UsageError: always.
        """
        raise UsageError(f"{message.removeprefix('argument ')} (see {self.prog} --help)")

    def parse_known_args(  # type: ignore[override]  # no typed namespaces are needed
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse, and return what is unknown too; a bare switch does not swallow the word after it."""
        words = list(sys.argv[1:] if args is None else args)
        for index, word in enumerate(words):
            action = self._option_string_actions.get(word)
            switch = action is not None and isinstance(action.type, _Reader) and action.type.hint is bool
            if switch and words[index + 1 : index + 2] and words[index + 1].lower() not in (*TRUE, *FALSE):
                words[index] += "=true"
        return super().parse_known_args(words, namespace)

    def parse_args(  # type: ignore[override]  # no typed namespaces are needed
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> argparse.Namespace:
        """Parse, refusing what is unknown.

        Raises:
            UsageError: a flag is unknown or has a wrong value.
        """
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            flag = unknown[0].split("=")[0]
            # Without the dashes, which make short names alike.
            known = [option.lstrip("-") for option in self._option_string_actions if option.startswith("--")]
            close = difflib.get_close_matches(flag.lstrip("-"), known, 1, 0.7)
            hint = f"did you mean --{close[0]}?" if close else f"{self.prog} --help lists all flags"
            kind = "flag" if flag.startswith("-") else "argument"
            raise UsageError(f"unknown {kind} {flag}: {hint}")
        return parsed


def normalise(argv: Sequence[str]) -> list[str]:
    """Write flags with hyphens: --lr_max=0.1 becomes --lr-max=0.1; values stay as they are."""
    result = []
    for word in argv:
        name, equals, value = word.partition("=")
        result.append(name.replace("_", "-") + equals + value if word.startswith("--") else word)
    return result


def add_flags(
    parser: argparse.ArgumentParser,
    defaults: object,
    *,
    title: str | None = None,
    skip: Collection[str] = (),
    prefix: str = "",
) -> None:
    """Add one flag for each field of a dataclass instance; only flags that are given appear in the namespace.

    Args:
        parser: Takes the flags.
        defaults: The instance whose values are the defaults.
        title: Heading in the help; None: the first line of the class's docstring.
        skip: Fields that get no flag.
        prefix: Word and hyphen before each flag's name ("train-"), where two dataclasses share field names.

    Raises:
        UsageError: two flags would have one name.
    """
    kind = type(defaults)
    hints, helps = get_type_hints(kind), _field_docstrings(kind)
    group = parser.add_argument_group(
        title or (inspect.getdoc(kind) or kind.__name__).splitlines()[0].removesuffix(".")  # argparse adds a colon
    )
    for item in dataclasses.fields(kind):  # type: ignore[arg-type]  # an instance of a dataclass, by contract
        if item.name in skip:
            continue
        name = prefix + item.name.replace("_", "-")
        flag, no, dest = f"--{name}", f"--no-{name}", name.replace("-", "_")
        if flag in parser._option_string_actions or (hints[item.name] is bool and no in parser._option_string_actions):
            owner = next(base for base in kind.__mro__ if item.name in inspect.get_annotations(base))
            raise UsageError(f"{owner.__name__}.{item.name}: there is another flag {flag} already; rename the field")
        value = getattr(defaults, item.name)
        shown = str(value).lower() if value is None or isinstance(value, bool) else value
        text = re.sub(r"\bNone:", "none:", helps.get(item.name, ""))  # as it is written on the command line
        add_flag(group, flag, hints[item.name], f"{text} (default: {shown})")
        if hints[item.name] is bool:
            group.add_argument(no, dest=dest, action="store_false", default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def add_flag(group: argparse._ActionsContainer, flag: str, hint: Any, text: str) -> None:
    """Add one flag with a value; it appears in the namespace, under its name, only when it is given.

    Args:
        group: Takes the flag.
        flag: As it is written, such as --lr-max or --lr_max.
        hint: Type of the value; a `bool` may be given as --flag, --flag=True or --flag True.
        text: The help.
    """
    dest, text, reader = flag.removeprefix("--").replace("-", "_"), text.replace("%", "%%"), _Reader(flag, hint)
    if hint is bool:
        group.add_argument(
            flag, dest=dest, nargs="?", const=True, type=reader, default=argparse.SUPPRESS, help=text, metavar="true|false"
        )  # fmt: skip
    else:
        group.add_argument(flag, dest=dest, type=reader, default=argparse.SUPPRESS, help=text, metavar=reader.metavar)


def collect(namespace: argparse.Namespace, defaults: Config, *, prefix: str = "") -> Config:
    """The defaults with the flags that were given; `prefix` is that of `add_flags`."""
    names = [item.name for item in dataclasses.fields(defaults)]  # type: ignore[arg-type]  # a dataclass, by contract
    flags = {prefix.replace("-", "_") + name: name for name in names}
    given = {flags[dest]: value for dest, value in vars(namespace).items() if dest in flags}
    return dataclasses.replace(defaults, **given)  # type: ignore[type-var]  # a dataclass, by contract


def from_dict(kind: type[Config], data: object, where: str) -> Config:
    """Rebuild a frozen dataclass from JSON data, strictly, but for settings that are newer than the data.

    Args:
        kind: The dataclass.
        data: A mapping from field names to values.
        where: Place of the data, for error messages.

    Raises:
        UsageError: a field is unknown or of a wrong type, or one without default is missing.
    """
    if not isinstance(data, Mapping):
        raise UsageError(f"{where} must map settings to values, not {data!r}")
    hints = get_type_hints(kind)
    items = {item.name: item for item in dataclasses.fields(kind)}  # type: ignore[arg-type]  # a dataclass, by contract
    for name, item in items.items():
        # A run folder of an earlier version lacks the settings that came later: their defaults are what it did.
        if name not in data and item.default is item.default_factory is dataclasses.MISSING:
            raise UsageError(f"{where}: {name!r} is missing")
    for name in data:
        if name not in items:
            raise UsageError(f"{where}: {name!r} is unknown")
    return kind(**{name: _check(data[name], hints[name], f"{where}: {name}") for name in items if name in data})


def _check(value: Any, hint: Any, where: str) -> Any:
    options = _alternatives(hint)
    for option in options:
        if get_origin(option) is Literal and value in get_args(option):
            return value
        if option is float and type(value) in (int, float) and math.isfinite(value):
            return float(value)
        if (option is type(value) and option is not float) or (option is type(None) and value is None):
            return value
        if option is Path and isinstance(value, str):
            return Path(value)
    raise UsageError(f"{where} must be {_describe(hint)}, not {value!r}")


class _Reader:
    """Turns the text of a flag into a value of the field's type, or says in one line why not."""

    def __init__(self, flag: str, hint: Any) -> None:
        self.flag, self.hint, self.options = flag, hint, _alternatives(hint)
        self.metavar = _metavar(hint)

    def __call__(self, text: str) -> Any:
        for option in self.options:
            try:
                return _read(text, option)
            except ValueError:
                continue
        raise UsageError(f"{self.flag} expects {_describe(self.hint)}, got {text!r}")


def _read(text: str, option: Any) -> Any:
    lower = text.lower()
    if option is type(None):
        if lower == "none":
            return None
    elif option is bool:
        if lower in TRUE:
            return True
        if lower in FALSE:
            return False
    elif get_origin(option) is Literal:
        if text in get_args(option):
            return text
    elif option is float:
        number = float(text)
        if math.isfinite(number):
            return number
    else:
        return option(text)
    raise ValueError(text)


def _alternatives(hint: Any) -> tuple[Any, ...]:
    """The members of a union, None first so that the word "none" is not taken for a string."""
    if get_origin(hint) in (Union, types.UnionType):
        return tuple(sorted(get_args(hint), key=lambda option: option is not type(None)))
    return (hint,)


def _describe(hint: Any) -> str:
    words = {
        int: "a whole number",
        float: "a number",
        str: "a text",
        bool: "true or false",
        type(None): "none",
        Path: "a path",
    }
    parts = []
    for option in reversed(_alternatives(hint)):
        literal = get_origin(option) is Literal
        parts.append(" or ".join(map(str, get_args(option))) if literal else words.get(option, str(option)))
    return " or ".join(parts)


def _metavar(hint: Any) -> str:
    option = _alternatives(hint)[-1]
    if get_origin(option) is Literal:
        return "|".join(map(str, get_args(option)))
    return {int: "N", float: "X", str: "TEXT", Path: "PATH"}.get(option, "VALUE")


def _field_docstrings(kind: type) -> dict[str, str]:
    """The string under each field in the source of a dataclass and its bases; empty where there is no source."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if dataclasses.is_dataclass(base):
            found |= _own_field_docstrings(base)
    return found


def _own_field_docstrings(kind: type) -> dict[str, str]:
    try:
        source = textwrap.dedent(inspect.getsource(kind))
    except (OSError, TypeError):  # made at run time, or typed in
        return {}
    body = ast.parse(source).body[0].body  # type: ignore[attr-defined]  # the source of a class is one ClassDef
    found = {}
    for field, text in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            found[field.target.id] = " ".join(str(text.value.value).split())  # type: ignore[union-attr]  # a plain name
    return found
