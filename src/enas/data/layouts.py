"""Recognising how a user's folder of images is laid out, and which label each image has.

- train/cat/1.jpg, valid/cat/2.jpg, test/cat/3.jpg: splits with a folder for each class;
- cat/1.jpg, dog/2.jpg: a folder for each class, no splits;
- train/1.jpg, valid/2.jpg, test/3.jpg: splits, with labels.csv or labels in the file names;
- 1.jpg, 2.jpg: no splits, with labels.csv or labels in the file names.
"""

import logging
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from enas.data.labels import TABLE, labels_from_names, labels_from_tables
from enas.data.splits import SPLITS, Split
from enas.errors import DataError

EXTENSIONS = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"))

_SPLITS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "val": "valid",
    "validation": "valid",
    "test": "test",
    "testing": "test",
}

_logger = logging.getLogger(__name__)


class ImageFile(NamedTuple):
    """A file that claims to be an image."""

    path: str
    """Relative to the data set's folder, with forward slashes."""
    size: int
    """In bytes."""
    mtime_ns: int
    """When it was last changed, in nanoseconds."""


@dataclass(frozen=True)
class Layout:
    """What a folder of images holds."""

    classes: tuple[str, ...]
    """Names in order."""
    splits: dict[Split, list[tuple[ImageFile, int]]]
    """The images of each split that the folder has, with their labels, ordered by path."""
    notes: tuple[str, ...]
    """Lines for the user."""
    has_splits: bool
    """Whether the folder names splits; otherwise all images are in `train`."""
    has_class_folders: bool
    """Whether the labels are names of folders."""


@dataclass
class _Branch:
    """The images of a folder: directly in it, and below each of its sub-folders; and how many other files there are."""

    name: str
    direct: list[ImageFile] = field(default_factory=list)
    below: dict[str, list[ImageFile]] = field(default_factory=dict)
    tables: list[str] = field(default_factory=list)
    others: int = 0


def find_layout(root: Path) -> Layout:
    """Look through a folder, without opening any image.

    Raises:
        DataError: the folder does not exist, holds no images, or is in no form that labels can be read from.
    """
    if not root.exists():
        raise DataError(f"there is no folder {root}: check the path")
    if not root.is_dir():
        raise DataError(f"{root} is not a folder: give the folder that holds the images")
    branches, tables, others = _split_branches(root)
    if not any(branch.direct or branch.below for branch in branches.values()):
        raise DataError(f"{root} holds no images: put images ({' '.join(sorted(EXTENSIONS))}) into it")
    has_splits = "." not in {branch.name for branch in branches.values()}
    by_folder = {split: any(branch.below.values()) for split, branch in branches.items()}
    if len(set(by_folder.values())) > 1:
        foldered, flat = (next(branches[s].name for s in by_folder if by_folder[s] is kind) for kind in (True, False))
        raise DataError(
            f"{root}: {foldered} has a folder for each class, but {flat} has none with images: lay out all splits alike"
        )
    ignored = others + sum(branch.others for branch in branches.values())
    if any(by_folder.values()):
        labelled, stray = _labels_from_folders(root, branches)
        ignored += stray + len(tables) + sum(len(branch.tables) for branch in branches.values())
        how = "labels: names of the class folders"
    else:
        labelled, how = _labels_of_flat(root, branches, tables)
    classes = _check_classes(root, labelled)
    index = {name: i for i, name in enumerate(classes)}
    return Layout(
        classes=classes,
        splits={s: sorted((file, index[label]) for file, label in pairs) for s, pairs in labelled.items()},
        notes=(how, f"{ignored:,} other files ignored") if ignored else (how,),
        has_splits=has_splits,
        has_class_folders=any(by_folder.values()),
    )


def _split_branches(root: Path) -> tuple[dict[Split, _Branch], list[str], int]:
    """The folder of each split, or the root as `train`; with the label tables and the number of other files outside."""
    named: dict[Split, str] = {}
    for entry in _entries(root):
        split = _SPLITS.get(entry.name.lower()) if entry.is_dir() else None
        if split is not None and split in named:
            raise DataError(f"{root} has both {named[split]} and {entry.name}: keep one of them")
        if split is not None:
            named[split] = entry.name
    if not named:
        branch = _scan(root, ".")
        return {"train": branch}, [], 0
    if "train" not in named:
        raise DataError(f"{root} has {sorted(named.values())[0]} but no train folder: name the training images' so")
    top = _scan(root, ".", skip=frozenset(named.values()))
    others = top.others + len(top.direct) + sum(len(files) for files in top.below.values())
    found = {split: _scan(root, named[split]) for split in SPLITS if split in named}
    return found, top.tables, others


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder, by name."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"cannot read the folder {folder}: {error.strerror}; check its permissions") from error


def _scan(root: Path, name: str, skip: frozenset[str] = frozenset()) -> _Branch:
    branch = _Branch(name)
    prefix = "" if name == "." else f"{name}/"
    for entry in _entries(root / name):
        if _is_hidden(entry):
            branch.others += entry.is_file()
        elif entry.is_dir():
            if entry.name not in skip:
                branch.below[entry.name] = []
                _collect(root, f"{prefix}{entry.name}", branch.below[entry.name], branch)
        elif entry.name.lower() == TABLE:
            branch.tables.append(f"{prefix}{entry.name}")
        else:
            _add(entry, prefix, branch.direct, branch)
    return branch


def _collect(root: Path, name: str, found: list[ImageFile], branch: _Branch) -> None:
    """Gather the images at any depth below a class folder."""
    for entry in _entries(root / name):
        # Links to folders are followed one level deep only: a link to a parent would never end.
        if _is_hidden(entry):
            branch.others += entry.is_file()
        elif entry.is_dir(follow_symlinks=False):
            _collect(root, f"{name}/{entry.name}", found, branch)
        else:
            _add(entry, f"{name}/", found, branch)


def _is_hidden(entry: os.DirEntry[str]) -> bool:
    return entry.name.startswith((".", "__MACOSX"))


def _add(entry: os.DirEntry[str], prefix: str, found: list[ImageFile], branch: _Branch) -> None:
    if os.path.splitext(entry.name)[1].lower() not in EXTENSIONS or not entry.is_file():
        branch.others += 1
        return
    status = entry.stat()
    found.append(ImageFile(f"{prefix}{entry.name}", status.st_size, status.st_mtime_ns))


_Labelled = dict[Split, list[tuple[ImageFile, str]]]


def _labels_from_folders(root: Path, branches: dict[Split, _Branch]) -> tuple[_Labelled, int]:
    """Label the images with the names of their folders; also count the images that lie outside class folders."""
    labelled: _Labelled = {}
    for split, branch in branches.items():
        for label, files in branch.below.items():
            if not files:
                raise DataError(f"class folder {root / branch.name / label} holds no image: fill it or remove it")
        labelled[split] = [(file, label) for label, files in branch.below.items() for file in files]
        if branch.direct:
            _logger.warning(
                "%s: %d images lie outside the class folders and are ignored", root / branch.name, len(branch.direct)
            )
    return labelled, sum(len(branch.direct) for branch in branches.values())


def _labels_of_flat(root: Path, branches: dict[Split, _Branch], tables: list[str]) -> tuple[_Labelled, str]:
    paths = {split: [file.path for file in branch.direct] for split, branch in branches.items()}
    for split, branch in branches.items():
        if not branch.direct:
            raise DataError(f"{root / branch.name} holds no images: fill the {split} folder or remove it")
    found = labels_from_tables(root, paths, tables, {split: branch.tables for split, branch in branches.items()})
    how = f"labels: {TABLE}"
    if found is None:
        found = labels_from_names([path for split in paths for path in paths[split]])
        how = "labels: first part of the file names"
    if found is None:
        raise DataError(
            f"{root}: the images have no labels: sort them into a folder for each class, add a {TABLE} "
            "(file name,label), or begin each file name with its class (cat_0001.jpg)"
        )
    return {split: [(file, found[file.path]) for file in b.direct] for split, b in branches.items()}, how


def _check_classes(root: Path, labelled: _Labelled) -> tuple[str, ...]:
    known = Counter(label for _, label in labelled["train"])
    for split, pairs in labelled.items():
        for file, label in pairs:
            if label not in known:
                raise DataError(
                    f"{root}: class {label!r} is in {split} ({file.path}) but not in train: add training images of it"
                )
    if len(known) < 2:
        raise DataError(f"{root} has one class only ({next(iter(known))!r}): at least two are needed to learn from")
    return tuple(sorted(known))
