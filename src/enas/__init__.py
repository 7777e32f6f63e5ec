"""ENAS: efficient neural architecture search via parameter sharing (Pham et al. 2018, arXiv 1802.03268).

`enas.search`, `enas.train` and the other public names are those of `enas.api`; they are imported when they are first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from enas.api import build, derive, draw, export, load, search, test, train
    from enas.architecture import Architecture
    from enas.data.images import ImageSpec
    from enas.data.text import TextSpec

__version__ = "0.1.0"
__all__ = [
    "Architecture",
    "ImageSpec",
    "TextSpec",
    "__version__",
    "build",
    "derive",
    "draw",
    "export",
    "load",
    "search",
    "test",
    "train",
]
_MODULES = ("draw", "export", "search", "train")
"""Names that are modules too, which can be called (`enas.callable`)."""
_HOMES = {"Architecture": "enas.architecture", "ImageSpec": "enas.data.images", "TextSpec": "enas.data.text"}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in __all__:
        raise AttributeError(f"module 'enas' has no attribute {name!r}")
    if name in _MODULES:
        return importlib.import_module(f"enas.{name}")
    return getattr(importlib.import_module(_HOMES.get(name, "enas.api")), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
