"""The search spaces: one folder each, with the same file names in all of them; and spaces of a user's own, from a file."""

import difflib
import importlib
import importlib.util
import os
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from enas.architecture import Architecture
from enas.errors import UsageError
from enas.space import Space, file_and_attribute

FOLDER = Path(__file__).parent
_FORMS = "module.attribute, or a file as in folder/file.py"


def names() -> tuple[str, ...]:
    """Names of the spaces that come with the program: the folders beside this file, with a dash for each underscore."""
    return tuple(sorted(path.parent.name.replace("_", "-") for path in FOLDER.glob("*/__init__.py")))


def _package(name: str) -> str:
    """The folder of a space of the program: a dash cannot stand in the name of a Python package."""
    return name.replace("-", "_")


def load(name: str) -> Space:
    """A space by its name, or one of the user's own, in one of two forms.

    `module.attribute` is a dotted path; the current folder is searched too. `folder/file.py:ATTRIBUTE`, or `folder/file.py` for
    the attribute SPACE, is a file; the space's name is then its whole path, so that a run is taken up from any folder.

    Raises:
        UsageError: there is no such space, or its module cannot be loaded.
    """
    if name in names():
        return importlib.import_module(f"enas.spaces.{_package(name)}").SPACE
    found = file_and_attribute(name)
    if found is not None:
        path, attribute = os.path.abspath(os.path.expanduser(found[0])), found[1]
        return _named(_load_file(Path(path), name), attribute, f"{path}:{attribute}")
    if "." not in name:
        close = difflib.get_close_matches(name, names(), 1)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names())}, or one of your own: {_FORMS}"
        raise UsageError(f"unknown space {name!r}: {hint}")
    if not all(part.isidentifier() for part in name.split(".")):
        raise UsageError(f"cannot load the space {name!r}: give {_FORMS}")
    dotted, _, attribute = name.rpartition(".")
    _search_in(os.getcwd())
    try:
        module = importlib.import_module(dotted)
    except Exception as error:  # the module is the user's: anything can go wrong in it
        raise UsageError(f"cannot load the space {name!r}: {_reason(error)}") from error
    return _named(module, attribute, name)


def _load_file(path: Path, name: str) -> ModuleType:
    """The module of a file, which is loaded once: its classes must stay the same."""
    key = f"enas_space:{path}"
    if key in sys.modules:
        return sys.modules[key]
    if not path.is_file():
        raise UsageError(f"cannot load the space {name!r}: there is no file {path}")
    specification = importlib.util.spec_from_file_location(key, path)
    assert specification is not None, "the name ends in .py"
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    _search_in(str(path.parent))
    sys.modules[key] = module  # where dataclasses look for the names in their annotations
    try:
        specification.loader.exec_module(module)
    except Exception as error:  # the module is the user's: anything can go wrong in it
        del sys.modules[key]
        raise UsageError(f"cannot load the space {name!r}: {_reason(error)}") from error
    return module


def _search_in(folder: str) -> None:
    """Let modules of a folder be imported, as `python FILE` and `python -m` do; a console script does not."""
    if folder not in sys.path:
        sys.path.insert(0, folder)


def _named(module: ModuleType, attribute: str, name: str) -> Space:
    space = getattr(module, attribute, None)
    if space is None:
        others = [key for key, value in vars(module).items() if isinstance(value, Space)]
        hint = f"its spaces are {', '.join(others)}" if others else "it holds no space"
        raise UsageError(f"cannot load the space {name!r}: the module has no {attribute}; {hint}")
    if not isinstance(space, Space):
        raise UsageError(f"{name} is a {type(space).__name__}, not an enas.space.Space")
    return replace(space, name=name)  # by which an architecture finds its space again


def _reason(error: Exception) -> str:
    """What went wrong in a user's module, and where, in one line."""
    text = " ".join(str(error).split())
    if isinstance(error, (ModuleNotFoundError, SyntaxError)):
        return text
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {text} ({last.filename}, line {last.lineno})"


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
