"""Labels of images that are not sorted into class folders: from a table, or from the file names."""

import csv
import io
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from enas.data.splits import Split
from enas.errors import DataError

TABLE = "labels.csv"

_PREFIX = re.compile(r"(.+?)[-_.]\d+")


def labels_from_names(paths: Iterable[str]) -> dict[str, str] | None:
    """Take the label from names such as cat_0001.jpg, cat-12.png and cat.3.jpg.

    Returns:
        label of each path; None unless every name has one, there are at least two, and some label occurs twice.
    """
    labels = {}
    for path in paths:
        match = _PREFIX.fullmatch(PurePosixPath(path).stem)
        if match is None:
            return None
        labels[path] = match[1]
    distinct = len(set(labels.values()))
    return labels if 2 <= distinct < len(labels) else None


def labels_from_tables(
    root: Path, paths: Mapping[Split, list[str]], shared: list[str], own: Mapping[Split, list[str]]
) -> dict[str, str] | None:
    """Read the labels of all images from tables.

    Args:
        root: the data set's folder.
        paths: images of each split, relative to the root.
        shared: tables beside the folders of the splits, relative to the root.
        own: tables inside the folder of each split; they go before the shared one.

    Returns:
        label of each path; None where there are no tables.

    Raises:
        DataError: a table is unreadable, names missing images or one twice, or lacks some.
    """
    if not shared and not any(own.values()):
        return None
    labels: dict[str, str] = {}
    common: list[str] = []
    for split, images in paths.items():
        if own[split]:
            labels |= _read_table(root, own[split][0], images)
        elif shared:
            common += images
        else:
            raise DataError(f"{root}: the {split} images have no {TABLE}, though others have: add one for {images[0]}")
    if common:
        labels |= _read_table(root, shared[0], common)
    return labels


def _read_table(root: Path, table: str, images: list[str]) -> dict[str, str]:
    path = root / table
    names = _names(table, images)
    labels: dict[str, str] = {}
    lines: dict[str, int] = {}
    for number, (name, label) in _rows(path, names):
        matches = names.get(name.replace("\\", "/").removeprefix("./"), [])
        if not matches:
            raise DataError(f"{path} line {number}: there is no image {name}: add it, or remove the line")
        if len(matches) > 1:
            raise DataError(f"{path} line {number}: {name} may be {matches[0]} or {matches[1]}: write the whole path")
        image = matches[0]
        if image in labels:
            raise DataError(f"{path} names {name} twice (lines {lines[image]} and {number}): remove one of them")
        labels[image], lines[image] = label, number
    missing = [image for image in images if image not in labels]
    if missing:
        raise DataError(f"{path} has no label for {len(missing):,} images, such as {missing[0]}: add a line for each")
    return labels


def _names(table: str, images: list[str]) -> dict[str, list[str]]:
    """All the ways a table may name each image: path from the root or the table, file name; with or without suffix."""
    names: dict[str, list[str]] = {}
    for image in images:
        path = PurePosixPath(image)
        ways = {image, path.name}
        if path.is_relative_to(PurePosixPath(table).parent):
            ways.add(str(path.relative_to(PurePosixPath(table).parent)))
        ways |= {way.removesuffix(path.suffix) for way in ways}
        for way in ways:
            names.setdefault(way, []).append(image)
    return names


def _rows(path: Path, names: Mapping[str, list[str]]) -> Iterable[tuple[int, tuple[str, str]]]:
    """The rows below the header, if there is one, with their line numbers."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}: {error}; it must be UTF-8 text: file name,label") from error
    delimiter = "\t" if "\t" in text.partition("\n")[0] else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    first = True
    for row in reader:
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if len(cells) != 2 or not all(cells):
            raise DataError(f"{path} line {reader.line_num}: expected two columns, file name and label")
        # A header names no image and has no suffix: "file,label".
        is_header = first and cells[0] not in names and not PurePosixPath(cells[0]).suffix
        first = False
        if not is_header:
            yield reader.line_num, (cells[0], cells[1])
