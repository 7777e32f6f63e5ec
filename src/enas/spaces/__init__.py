"""The search spaces: one folder each, with the same file names in all of them."""

import difflib
import importlib
from dataclasses import replace
from pathlib import Path

from enas.architecture import Architecture
from enas.errors import UsageError
from enas.space import Space

FOLDER = Path(__file__).parent


def names() -> tuple[str, ...]:
    """Names of the spaces that come with the program: the folders beside this file, with a dash for each underscore."""
    return tuple(sorted(path.parent.name.replace("_", "-") for path in FOLDER.glob("*/__init__.py")))


def _package(name: str) -> str:
    """The folder of a space of the program: a dash cannot stand in the name of a Python package."""
    return name.replace("-", "_")


def load(name: str) -> Space:
    """A space by its name, or by the dotted path of a `Space` in a module of the user's own.

    Raises:
        UsageError: there is no such space.
    """
    if name in names():
        return importlib.import_module(f"enas.spaces.{_package(name)}").SPACE
    if "." not in name:
        close = difflib.get_close_matches(name, names(), 1)
        hint = (
            f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names())}, or module.attribute of your own"
        )
        raise UsageError(f"unknown space {name!r}: {hint}")
    module, _, attribute = name.rpartition(".")
    if not all(part.isidentifier() for part in name.split(".")):
        raise UsageError(f"cannot load the space {name!r}: give module.attribute")
    try:
        space = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"cannot load the space {name!r}: {error}") from error
    if not isinstance(space, Space):
        raise UsageError(f"{name} is a {type(space).__name__}, not an enas.space.Space")
    return replace(space, name=name)  # by which an architecture finds its space again


def published(name: str) -> Architecture:
    """A published architecture by its name, such as "enas-macro".

    Raises:
        UsageError: there is no such architecture.
    """
    known = {}
    for space_name in names():
        for key, file in load(space_name).published.items():
            known[key] = FOLDER / _package(space_name) / "published" / file
    if name not in known:
        raise UsageError(f"unknown published architecture {name!r}: known are {', '.join(sorted(known))}")
    return Architecture.load(known[name])
