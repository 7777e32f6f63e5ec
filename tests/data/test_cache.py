"""Decoded images on disk: made once, read again, mended when damaged."""

import json
import os
import resource
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from enas.config import DataConfig
from enas.data import folders
from enas.data.cache import read_pixels, write_pixels
from enas.data.folders import load_folder
from enas.data.images import ImageData, channel_statistics
from enas.data.parallel import map_chunks
from enas.errors import RunError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for split, count in (("train", 30), ("valid", 5), ("test", 4)):
        for name in ("a", "b"):
            (tmp_path / "root" / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 256, (6, 5, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "root" / split / name / f"{i:03}.png")
    return tmp_path / "root"


def load(root: Path, memory_bytes: int = 1 << 30, **settings: object) -> tuple[ImageData, list[tuple[int, int]]]:
    """The data, and the progress; without progress nothing was decoded."""
    seen: list[tuple[int, int]] = []
    cache = root.parent / "cache"
    data = load_folder(
        root,
        DataConfig(**settings),
        cache,
        progress=lambda done, total: seen.append((done, total)),
        memory_bytes=memory_bytes,
    )
    return data, seen


def equal(first: ImageData, second: ImageData) -> bool:
    for one, other in ((first.train, second.train), (first.valid, second.valid), (first.test, second.test)):
        assert one is not None
        assert other is not None
        if not (torch.equal(one.images, other.images) and torch.equal(one.labels, other.labels)):
            return False
    return (first.mean, first.std, first.classes) == (second.mean, second.std, second.classes)


def test_pixels_are_those_of_the_files(root: Path) -> None:
    data, _ = load(root)
    expected = [np.asarray(Image.open(path)) for path in sorted((root / "train").rglob("*.png"))]
    assert np.array_equal(data.train.images.numpy(), np.stack(expected))
    assert (data.mean, data.std) == channel_statistics(data.train.images)


def test_the_second_time_nothing_is_decoded(root: Path) -> None:
    first, seen = load(root)
    assert seen[-1] == (156, 156)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    second, seen = load(root)
    assert seen == []
    assert equal(first, second)
    assert first.notes == second.notes
    assert sorted(path.suffix for path in (root.parent / "cache").iterdir()) == [".json", ".u8"]


def test_large_sets_stay_on_disk(root: Path) -> None:
    in_memory, _ = load(root)
    mapped, seen = load(root, memory_bytes=100)
    assert seen == []
    assert equal(in_memory, mapped)
    assert mapped.notes[-1].endswith("(memory-mapped, streamed from disk)")
    assert in_memory.notes[-1].endswith("(in memory)")
    assert "cache: " in mapped.notes[-1]
    index = torch.tensor([3, 59, 3])
    assert torch.equal(mapped.train.images[index], in_memory.train.images[index])
    assert mapped.train.images.untyped_storage().data_ptr() == mapped.valid.images.untyped_storage().data_ptr()


def test_mapped_pages_do_not_count_as_own_memory(tmp_path: Path) -> None:
    path = tmp_path / "pixels.u8"
    write_pixels(path, (np.full((100, 64, 64, 3), i, dtype=np.uint8) for i in range(20)))
    images = read_pixels(path, (2000, 64, 64, 3), memory_bytes=0)
    assert images[::100, 0, 0, 0].tolist() == list(range(20))
    mapping = next(line for line in Path("/proc/self/maps").read_text().splitlines() if str(path) in line)
    assert mapping.split()[1] == "r--s"


def test_changed_files_and_settings_are_decoded_again(root: Path) -> None:
    load(root)
    image = root / "train" / "a" / "000.png"
    Image.new("RGB", (5, 6), (1, 2, 3)).save(image)
    data, seen = load(root)
    assert seen
    assert data.train.images[0, 0, 0].tolist() == [1, 2, 3]
    content = image.read_bytes()
    os.utime(image, ns=(1, 1))
    assert load(root)[1]
    assert load(root, image_size=7)[1]
    assert load(root, skip_bad_images=True)[1]
    assert not load(root)[1]
    assert image.read_bytes() == content


def test_a_set_without_splits_is_decoded_again_for_another_seed(root: Path) -> None:
    assert load(root / "train")[1]
    assert load(root / "train", data_seed=1)[1]
    assert not load(root / "train", data_seed=1)[1]


@pytest.mark.parametrize(
    "damage",
    ["short pixels", "no pixels", "no json", "bad json", "other json", "list json", "changed json", "binary json"],
)
def test_damage_is_mended(root: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    first, _ = load(root)
    cache = root.parent / "cache"
    pixels, description = next(cache.glob("*.u8")), next(cache.glob("*.json"))
    text = description.read_text()
    if damage == "short pixels":
        pixels.write_bytes(pixels.read_bytes()[:-1])
    elif damage == "no pixels":
        pixels.unlink()
    elif damage == "no json":
        description.unlink()
    elif damage == "bad json":
        description.write_text(text[:-10])
    elif damage == "other json":
        description.write_text(json.dumps({"key": 1}))
    elif damage == "list json":
        description.write_text("[1]")
    elif damage == "changed json":
        description.write_text(text.replace('"height": 6', '"height": 5'))
    else:
        description.write_bytes(b"\xff\xfe\x00")
    second, seen = load(root)
    assert seen
    assert equal(first, second)
    assert "is damaged or incomplete" in caplog.text
    assert not load(root)[1]


def test_a_full_disk_is_one_line_and_leaves_nothing(root: Path) -> None:
    cache = root.parent / "cache"
    cache.mkdir()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(RunError, match=r"cannot write .*\.u8"):
            load(root)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert list(cache.iterdir()) == []


def test_a_cache_folder_that_cannot_be_made(root: Path) -> None:
    (root.parent / "cache").write_text("")
    with pytest.raises(RunError, match="cannot write"):
        load(root)


def test_chunk_size_does_not_matter(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = load(root)
    monkeypatch.setattr(folders, "_CHUNK_BYTES", 1)
    monkeypatch.setattr(folders, "_CHUNK_IMAGES", 7)
    bad = root / "train" / "a" / "029.png"
    bad.write_bytes(bad.read_bytes()[:-30])
    second, _ = load(root, skip_bad_images=True)
    kept = torch.arange(60) != 29
    assert torch.equal(second.train.images, first.train.images[kept])
    assert torch.equal(second.train.labels, first.train.labels[kept])
    assert torch.equal(second.valid.images, first.valid.images)


def test_map_chunks_keeps_the_order_and_passes_errors_on() -> None:
    assert list(map_chunks(sum, range(10), 4)) == [(4, 6), (8, 22), (10, 17)]
    assert list(map_chunks(sum, [], 4)) == []

    def fail(items: object) -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        list(map_chunks(fail, range(1000), 1))
