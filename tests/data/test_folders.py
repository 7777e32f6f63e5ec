"""All forms of a user's folder, and everything that can be wrong with one."""

import logging
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from enas.config import DataConfig
from enas.data.folders import load_folder
from enas.data.images import ImageData, ImageSpec
from enas.data.layouts import EXTENSIONS, find_layout
from enas.errors import DataError


def save(path: Path, value: int = 100, *, size: tuple[int, int] = (8, 8), mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value if mode in ("L", "I;16") else (value,) * len(mode)).save(path)


def save_classes(root: Path, names: Iterable[str], count: int, **kwargs: object) -> None:
    """Images of different values, so that one can be told from another."""
    for i, name in enumerate(names):
        for j in range(count):
            save(root / name / f"{j}.png", (7 * i + j) % 256, **kwargs)


def load(root: Path, tmp_path: Path, **settings: object) -> ImageData:
    return load_folder(root, DataConfig(**settings), tmp_path / "cache")


def counts(data: ImageData) -> tuple[int, int, int | None]:
    return len(data.train), len(data.valid), None if data.test is None else len(data.test)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "pets"
    root.mkdir()
    return root


@pytest.mark.parametrize("valid", ["valid", "val", "validation", "Val"])
def test_splits_with_class_folders(root: Path, tmp_path: Path, valid: str) -> None:
    for split, count in (("train", 4), (valid, 2), ("test", 3)):
        save_classes(root / split, ["dog", "cat"], count)
    data = load(root, tmp_path)
    assert data.name == "pets"
    assert data.classes == ("cat", "dog")
    assert counts(data) == (8, 4, 6)
    assert data.train.labels.tolist() == [0] * 4 + [1] * 4
    # save_classes gives dog images values from 0 and cat images values from 7
    assert data.train.images[:, 0, 0, 0].tolist() == [7, 8, 9, 10, 0, 1, 2, 3]
    assert data.notes[0] == "2 classes, 3 channels, 8x8 pixels (height x width)"
    assert data.notes[1] == "8 training / 4 validation / 6 test images"


def test_missing_validation_is_held_out_and_missing_test_is_noted(root: Path, tmp_path: Path) -> None:
    save_classes(root / "train", ["a", "b"], 20)
    data = load(root, tmp_path, valid_fraction=0.25)
    assert counts(data) == (30, 10, None)
    assert torch.bincount(data.valid.labels).tolist() == [5, 5]
    assert any("no test images" in note for note in data.notes)
    assert "30 training / 10 validation / no test images" in data.notes


def test_class_folders_without_splits(root: Path, tmp_path: Path) -> None:
    save_classes(root, ["a", "b"], 20)
    data = load(root, tmp_path)
    assert counts(data) == (32, 4, 4)
    assert data.test is not None
    values = [split.images[:, 0, 0, 0] + 100 * split.labels for split in (data.train, data.valid, data.test)]
    together = torch.cat(values).sort().values.tolist()
    assert together == sorted([*range(20), *range(107, 127)])
    other = load(root, tmp_path, data_seed=1)
    assert other.test is not None
    assert torch.equal(other.test.images, data.test.images)
    assert not torch.equal(other.valid.images, data.valid.images)
    assert torch.equal(load(root, tmp_path).valid.images, data.valid.images)


def test_class_folders_may_be_deep(root: Path, tmp_path: Path) -> None:
    save_classes(root / "train" / "a", ["images", "more"], 3)
    save_classes(root / "train" / "b", ["images"], 3)
    assert counts(load(root, tmp_path)) == (7, 2, None)


def test_flat_splits_with_one_table(root: Path, tmp_path: Path) -> None:
    for name in ("train/1.png", "train/2.png", "valid/3.png", "test/4.png"):
        save(root / name)
    (root / "labels.csv").write_text("file name,label\ntrain/1.png,x\n2.png,y\nvalid/3,y\n./test/4.png,x\n")
    data = load(root, tmp_path)
    assert data.classes == ("x", "y")
    assert data.train.labels.tolist() == [0, 1]
    assert data.valid.labels.tolist() == [1]
    assert data.test is not None
    assert data.test.labels.tolist() == [0]


def test_flat_splits_with_a_table_each_separated_by_tabs(root: Path, tmp_path: Path) -> None:
    for split in ("train", "val"):
        for name in ("1.png", "2.png"):
            save(root / split / name)
        (root / split / "labels.csv").write_text('﻿1.png\t"a, b"\n\n2.png\tc\n', encoding="utf-8")
    data = load(root, tmp_path)
    assert data.classes == ("a, b", "c")
    assert counts(data) == (2, 2, None)


def test_flat_splits_with_labels_in_the_names(root: Path, tmp_path: Path) -> None:
    for name in ("train/cat_0001.png", "train/big-dog-12.png", "train/cat.3.png", "valid/big-dog_4.png"):
        save(root / name)
    data = load(root, tmp_path)
    assert data.classes == ("big-dog", "cat")
    assert data.train.labels.tolist() == [0, 1, 1]


@pytest.mark.parametrize("names", [("img_1", "img_2"), ("cat_1", "cat_2", "dog"), ("a_1", "b_2")])
def test_flat_without_labels(root: Path, tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        save(root / "train" / f"{name}.png")
    with pytest.raises(DataError, match=r"pets: the images have no labels: .*folder for each class, add a labels.csv"):
        load(root, tmp_path)


def test_flat_folder_with_a_table(root: Path, tmp_path: Path) -> None:
    for i in range(10):
        save(root / f"{i}.png", i)
    (root / "labels.csv").write_text("".join(f"{i}.png,{'odd' if i % 2 else 'even'}\n" for i in range(10)))
    data = load(root, tmp_path)
    assert counts(data) == (8, 2, None)
    assert torch.equal(data.train.images[:, 0, 0, 0] % 2, data.train.labels.to(torch.uint8))


@pytest.mark.parametrize("classes", [2, 37, 1000])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_numbers_of_classes_and_channels(root: Path, tmp_path: Path, classes: int, mode: str) -> None:
    save_classes(root, [f"class{i:04}" for i in range(classes)], 3, mode=mode, size=(4, 4))
    data = load(root, tmp_path)
    assert data.spec == ImageSpec(channels=len(mode), height=4, width=4, classes=classes)
    assert counts(data) == (classes, classes, classes)
    for split in (data.train, data.valid, data.test):
        assert split is not None
        assert split.labels.tolist() == list(range(classes))


@pytest.mark.parametrize(
    ("size", "image_size", "expected"),
    [
        ((28, 28), None, (28, 28)),
        ((32, 32), None, (32, 32)),
        ((64, 64), None, (64, 64)),
        ((40, 24), None, (24, 40)),
        ((100, 100), None, (32, 32)),
        ((100, 100), 100, (100, 100)),
        ((65, 20), None, (32, 32)),
        ((28, 28), 64, (64, 64)),
    ],
)
def test_sizes(
    root: Path, tmp_path: Path, size: tuple[int, int], image_size: int | None, expected: tuple[int, int]
) -> None:
    save_classes(root, ["a", "b"], 3, size=size)
    data = load(root, tmp_path, image_size=image_size)
    assert (data.spec.height, data.spec.width) == expected
    assert any("resized to" in note for note in data.notes) == (size != expected[::-1])
    if size != expected[::-1]:
        note = f"resized to {expected[0]}x{expected[1]} pixels from {size[1]}x{size[0]}; --image-size sets another size"
        assert note in data.notes
    assert any("cropped" in note for note in data.notes) == (size == (65, 20))


def test_mixed_sizes_and_colours_are_noted(root: Path, tmp_path: Path) -> None:
    save_classes(root / "train", ["a"], 3, size=(20, 30))
    save_classes(root / "train", ["b"], 3, size=(10, 10), mode="L")
    data = load(root, tmp_path)
    assert data.spec == ImageSpec(channels=3, height=32, width=32, classes=2)
    assert "resized to 32x32 pixels from sizes between 10x10 and 30x20; --image-size sets another size" in data.notes
    assert "3 images that are not square are cropped to the square in their middle" in data.notes
    assert "3 grey images become colour images like the others" in data.notes


def test_every_extension_and_nothing_else(root: Path, tmp_path: Path) -> None:
    for i, extension in enumerate(sorted(EXTENSIONS)):
        for name in ("a", "b"):
            save(
                root / name / f"{i}{extension.upper() if i % 2 else extension}",
                mode="L" if "pgm" in extension else "RGB",
            )
    for name in ("readme.txt", "a/Thumbs.db", "b/.hidden.png", ".DS_Store", "__MACOSX/a/x.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    save(root / "preview.png")
    data = load(root, tmp_path)
    assert sum(filter(None, counts(data))) == 2 * len(EXTENSIONS)
    assert data.classes == ("a", "b")
    assert "5 other files ignored" in data.notes


def test_folders_that_are_none(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no folder .*nowhere: check the path"):
        find_layout(root / "nowhere")
    (root / "file").write_text("")
    with pytest.raises(DataError, match=r"file is not a folder"):
        find_layout(root / "file")
    with pytest.raises(DataError, match=r"pets holds no images: put images \(.bmp .gif"):
        load(root, tmp_path)


def test_confused_layouts(root: Path, tmp_path: Path) -> None:
    save_classes(root / "val", ["a", "b"], 1)
    with pytest.raises(DataError, match="has val but no train folder"):
        load(root, tmp_path)
    save_classes(root / "train", ["a", "b"], 1)
    save_classes(root / "valid", ["a", "b"], 1)
    with pytest.raises(DataError, match="has both val and valid: keep one"):
        load(root, tmp_path)
    (root / "valid").rename(root / "elsewhere")
    save(root / "test" / "1.png")
    with pytest.raises(DataError, match="train has a folder for each class, but test has none with images"):
        load(root, tmp_path)


def test_an_empty_split(root: Path, tmp_path: Path) -> None:
    for i in range(4):
        save(root / "train" / f"{'ab'[i % 2]}_{i}.png")
    (root / "valid").mkdir()
    with pytest.raises(DataError, match=r"pets/valid holds no images: fill the valid folder or remove it"):
        load(root, tmp_path)


def test_classes_that_do_not_fit(root: Path, tmp_path: Path) -> None:
    save_classes(root / "train", ["a"], 3)
    with pytest.raises(DataError, match=r"pets has one class only \('a'\): at least two"):
        load(root, tmp_path)
    (root / "train" / "b").mkdir()
    with pytest.raises(DataError, match=r"class folder .*pets/train/b holds no image: fill it or remove it"):
        load(root, tmp_path)
    save_classes(root / "train", ["b"], 1)
    with pytest.raises(DataError, match=r"class 'b' has too few images to split: 1, at least 2 are needed"):
        load(root, tmp_path)
    save_classes(root / "test", ["a", "c"], 1)
    with pytest.raises(DataError, match=r"class 'c' is in test \(test/c/0.png\) but not in train"):
        load(root, tmp_path)


def test_too_few_images_for_three_splits(root: Path, tmp_path: Path) -> None:
    save_classes(root, ["a", "b"], 2)
    with pytest.raises(DataError, match="class 'a' has too few images to split: 2, at least 3 are needed"):
        load(root, tmp_path)


@pytest.mark.parametrize("damage", ["truncated", "text", "empty"])
def test_bad_images(root: Path, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        for i in range(6):
            (root / "train" / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(root / "train" / name / f"{i}.jpg")
    bad = root / "train" / "b" / "3.jpg"
    content = {"truncated": bad.read_bytes()[:-400], "text": b"no image", "empty": b""}[damage]
    bad.write_bytes(content)
    with pytest.raises(DataError, match=r"cannot read the image .*train/b/3.jpg \(.+\): .*--skip-bad-images"):
        load(root, tmp_path)
    with caplog.at_level(logging.WARNING):
        data = load(root, tmp_path, skip_bad_images=True)
    assert len(data.train) + len(data.valid) == 11
    assert torch.bincount(torch.cat([data.train.labels, data.valid.labels])).tolist() == [6, 5]
    assert any("unreadable images left out: 1, such as train/b/3.jpg" in note for note in data.notes)
    assert "train/b/3.jpg" in caplog.text
    again = load(root, tmp_path, skip_bad_images=True)
    assert again.notes == data.notes
    assert torch.equal(again.train.images, data.train.images)
    assert torch.equal(again.train.labels, data.train.labels)


def test_only_bad_images(root: Path, tmp_path: Path) -> None:
    save_classes(root / "train", ["a", "b"], 3)
    for path in (root / "train" / "b").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match="class 'b' has no readable training image left"):
        load(root, tmp_path, skip_bad_images=True)
    for path in (root / "train" / "a").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match="none of the 6 images can be read"):
        load(root, tmp_path, skip_bad_images=True)
