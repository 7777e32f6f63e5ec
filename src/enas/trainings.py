"""The trainings in the folder of a search: which of them trained its architecture, and where another one goes."""

import itertools
from pathlib import Path

from enas.architecture import Architecture
from enas.errors import RunError
from enas.train.loop import BEST

ARCHITECTURE = "architecture.json"


def training_in(path: Path) -> Path:
    """The folder of a training: `path`, or its `train` where it is the folder of a search.

    Raises:
        RunError: the search has derived another architecture since `train` was trained.
    """
    inner = path / "train"
    if (path / BEST).is_file() or not (inner / BEST).is_file():
        return path
    derived = path / ARCHITECTURE
    if not derived.is_file():
        return inner
    architecture = Architecture.load(derived)
    if Architecture.load(inner / ARCHITECTURE) == architecture:
        return inner
    done = training_of(path, architecture)
    if done is not None and (done / BEST).is_file():
        remedy = f"name {done}, which trained the new one"
    else:
        remedy = f"train it with 'enas train {path} --out {done or free_folder(inner)}{' --resume' if done else ''}'"
    raise RunError(f"{inner} was trained before {derived} was derived anew: {remedy}, or name {inner} itself")


def training_of(search: Path, architecture: Architecture) -> Path | None:
    """The folder beside or at `train` that trains an architecture, finished or not; None: there is none."""
    for file in sorted(search.glob(f"train*/{ARCHITECTURE}")):
        if Architecture.load(file) == architecture:
            return file.parent
    return None


def free_folder(path: Path) -> Path:
    """`path`, or the first of `path-2`, `path-3`, ... that does not exist."""
    names = itertools.chain([path], (path.with_name(f"{path.name}-{number}") for number in itertools.count(2)))
    return next(name for name in names if not name.exists())
