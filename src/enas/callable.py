"""Packages and modules that can also be called: `enas.search` is the package of the search, and `enas.search(...)` runs one.

Python lets a module have a class of its own ("Customizing module attribute access" in its data model). A name that only the
function had would be lost as soon as the package is imported, since the import system then puts the package in its place.
"""

import importlib
import sys
from types import ModuleType
from typing import Any


class CallableModule(ModuleType):
    """A module whose call is that of the function of its name in `enas.api`."""

    def __call__(self, *args: Any, **settings: Any) -> Any:
        """Call the function; `help(enas.api)` says what it takes."""
        name = self.__name__.rpartition(".")[2]
        return getattr(importlib.import_module("enas.api"), name)(*args, **settings)


def make_callable(name: str) -> None:
    """Let a module be called, for which it calls this with its own `__name__`."""
    sys.modules[name].__class__ = CallableModule
