"""Tables of labels that are wrong."""

from pathlib import Path

import pytest
from PIL import Image

from enas.config import DataConfig
from enas.data.folders import load_folder
from enas.errors import DataError


def save(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4)).save(path)


def load(root: Path, tmp_path: Path) -> None:
    load_folder(root, DataConfig(), tmp_path / "cache")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "pets"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("1.png,a\n2.png,b\n3.png,a\n", r"labels.csv line 3: there is no image 3.png"),
        ("1.png,a\n2.png,b\n1.png,b\n", r"labels.csv names 1.png twice \(lines 1 and 3\)"),
        ("1.png,a\n", r"labels.csv has no label for 1 images, such as 2.png"),
        ("1.png,a,b\n2.png,b\n", r"labels.csv line 1: expected two columns"),
        ("1.png,\n2.png,b\n", r"labels.csv line 1: expected two columns"),
        ("", r"labels.csv has no label for 2 images"),
        ("1.png,a\n2.png,a\n", r"one class only \('a'\)"),
    ],
)
def test_wrong_tables(root: Path, tmp_path: Path, table: str, message: str) -> None:
    save(root / "1.png")
    save(root / "2.png")
    (root / "labels.csv").write_text(table)
    with pytest.raises(DataError, match=message):
        load(root, tmp_path)


def test_tables_that_cannot_be_read_or_matched(root: Path, tmp_path: Path) -> None:
    for name in ("train/1.png", "train/2.png", "test/1.png"):
        save(root / name)
    (root / "labels.csv").write_text("1.png,a\n2.png,b\n")
    with pytest.raises(DataError, match=r"1.png may be train/1.png or test/1.png: write the whole path"):
        load(root, tmp_path)
    (root / "labels.csv").write_bytes(b"1.png,\xff\n")
    with pytest.raises(DataError, match=r"cannot read .*labels.csv.*UTF-8"):
        load(root, tmp_path)
    (root / "labels.csv").unlink()
    (root / "train" / "labels.csv").write_text("1.png,a\n2.png,b\n")
    with pytest.raises(DataError, match=r"the test images have no labels.csv"):
        load(root, tmp_path)
