"""Which images of a user's folder train, which validate and which test."""

import math
from dataclasses import dataclass
from pathlib import Path

import torch

from enas.data.layouts import ImageFile, Layout
from enas.data.splits import SPLITS, Split, hold_out
from enas.errors import DataError

_TEST_FRACTION = 0.1
_TEST_SEED = 0


@dataclass(frozen=True)
class Plan:
    """All images, in the order of their splits, so that each split is one piece of the decoded images."""

    root: Path
    """The user's folder."""
    classes: tuple[str, ...]
    """Names in order."""
    files: list[ImageFile]
    """Training images first, then validation, then test."""
    labels: list[int]
    """Class of each file."""
    splits: list[Split]
    """Split of each file."""
    notes: tuple[str, ...]
    """Lines for the user."""


def make_plan(root: Path, layout: Layout, valid_fraction: float, data_seed: int) -> Plan:
    """Complete the splits of a folder.

    A missing validation split is drawn from the training images. A missing test split is drawn only where the folder
    has no splits but a folder for each class, and does not depend on the seed, so that runs with different seeds are
    measured on the same images.

    Args:
        root: the folder.
        layout: what it holds.
        valid_fraction: share of each class that validates, of all its images where the folder has no splits.
        data_seed: decides which.

    Raises:
        DataError: a class has too few images.
    """
    splits = dict(layout.splits)
    notes = []
    share_of_rest = valid_fraction
    if layout.has_class_folders and not layout.has_splits:
        # Two are left for training and validation.
        splits["train"], splits["test"] = _divide(root, layout, splits["train"], _TEST_FRACTION, 2, _TEST_SEED)
        notes.append(f"split: {_TEST_FRACTION:.0%} of each class held out for the test, always the same images")
        share_of_rest = valid_fraction / (1 - _TEST_FRACTION)
    elif "test" not in splits:
        notes.append("no test images: final networks are measured on the validation images only")
    if "valid" not in splits:
        notes.append(f"split: {valid_fraction:.0%} of each class held out for validation with data_seed {data_seed}")
        splits["train"], splits["valid"] = _divide(root, layout, splits["train"], share_of_rest, 1, data_seed)
    rows = [(file, label, split) for split in SPLITS for file, label in splits.get(split, ())]
    return Plan(
        root=root,
        classes=layout.classes,
        files=[file for file, _, _ in rows],
        labels=[label for _, label, _ in rows],
        splits=[split for _, _, split in rows],
        notes=(*layout.notes, *notes),
    )


_Pairs = list[tuple[ImageFile, int]]


def _divide(
    root: Path, layout: Layout, pairs: _Pairs, fraction: float, least_left: int, seed: int
) -> tuple[_Pairs, _Pairs]:
    """Hold out a share of each class, at least one image."""
    labels = torch.tensor([label for _, label in pairs])
    counts = []
    for name, size in zip(layout.classes, torch.bincount(labels).tolist(), strict=True):
        if size <= least_left:
            raise DataError(
                f"{root}: class {name!r} has too few images to split: {size:,}, at least {least_left + 1} are needed"
            )
        counts.append(min(max(1, math.floor(fraction * size + 0.5)), size - least_left))
    kept, held = hold_out(labels, counts, torch.Generator().manual_seed(seed))
    return [pairs[i] for i in kept.tolist()], [pairs[i] for i in held.tolist()]
