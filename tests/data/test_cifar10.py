"""CIFAR-10's binary files, made small."""

import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from enas.config import DataConfig
from enas.data import cifar10
from enas.data.cifar10 import binary_folder, extract, load_cifar10, read_cifar10
from enas.data.load import load_images
from enas.errors import DataError, RunError

RECORDS = 20
NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
FILES = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    write_files(folder, RECORDS)
    return folder


def write_files(folder: Path, records: int) -> None:
    rng = np.random.default_rng(0)
    for name in FILES:
        table = rng.integers(0, 256, (records, 3073), dtype=np.uint8)
        table[:, 0] = np.arange(records) % 10
        table.tofile(folder / name)
    (folder / "batches.meta.txt").write_text("\n".join(NAMES) + "\n\n")


def pack(folder: Path, archive: Path, extra: dict[str, bytes] | None = None) -> str:
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, arcname="cifar-10-batches-bin")
        for name, content in (extra or {}).items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return hashlib.md5(archive.read_bytes()).hexdigest()


def test_reads_records_in_order_and_holds_out_the_last(folder: Path) -> None:
    data = read_cifar10(folder, records=RECORDS, valid_images=10)
    assert data.test is not None
    assert (len(data.train), len(data.valid), len(data.test)) == (90, 10, 20)
    assert data.classes == tuple(NAMES)
    last = np.fromfile(folder / "data_batch_5.bin", dtype=np.uint8).reshape(RECORDS, 3073)[10:]
    assert data.valid.labels.tolist() == last[:, 0].tolist()
    planes = last[:, 1:].reshape(10, 3, 32, 32)
    assert np.array_equal(data.valid.images.numpy(), planes.transpose(0, 2, 3, 1))
    values = data.train.images.double() / 255
    torch.testing.assert_close(torch.tensor(data.mean).double(), values.mean((0, 1, 2)), atol=1e-6, rtol=0)
    assert "90 training / 10 validation / 20 test images" in data.notes


def test_published_size_is_the_default(folder: Path) -> None:
    with pytest.raises(DataError, match=r"data_batch_1.bin has 61,460 bytes, expected 30,730,000.*fetch CIFAR-10"):
        read_cifar10(folder)
    assert cifar10.MD5 == "c32a1d4ab5d03f1284b67883e8d87530"


@pytest.mark.parametrize("place", ["inside", "around"])
def test_a_users_folder_is_recognised(folder: Path, tmp_path: Path, place: str) -> None:
    given = folder if place == "inside" else tmp_path
    assert binary_folder(given) == folder
    with pytest.raises(DataError, match="expected 30,730,000"):
        load_images(DataConfig(dataset=str(given)), tmp_path / "cache")


def test_damage(folder: Path) -> None:
    table = np.fromfile(folder / "test_batch.bin", dtype=np.uint8)
    table[3073] = 10
    table.tofile(folder / "test_batch.bin")
    with pytest.raises(DataError, match=r"test_batch.bin holds label 10, expected 0 to 9"):
        read_cifar10(folder, records=RECORDS, valid_images=10)
    (folder / "test_batch.bin").unlink()
    with pytest.raises(DataError, match=r"cannot read .*test_batch.bin: No such file"):
        read_cifar10(folder, records=RECORDS, valid_images=10)
    (folder / "batches.meta.txt").write_text("cat\ndog\n")
    with pytest.raises(DataError, match="names 2 classes, expected 10"):
        read_cifar10(folder, records=RECORDS, valid_images=10)
    (folder / "batches.meta.txt").unlink()
    with pytest.raises(DataError, match=r"cannot read .*batches.meta.txt"):
        read_cifar10(folder, records=RECORDS, valid_images=10)


def test_extract_takes_the_expected_files_only(folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    pack(folder, archive, {"../evil.txt": b"x", "cifar-10-batches-bin/../../evil.txt": b"x", "readme.html": b"x"})
    target = tmp_path / "deep" / "down" / "out"
    extract(archive, target)
    assert sorted(path.name for path in target.iterdir()) == sorted([*FILES, "batches.meta.txt"])
    assert not list(tmp_path.rglob("evil.txt"))
    assert (target / FILES[0]).read_bytes() == (folder / FILES[0]).read_bytes()


def test_extract_refuses_links_truncation_and_what_is_incomplete(folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    (folder / "test_batch.bin").unlink()
    (folder / "test_batch.bin").symlink_to("data_batch_1.bin")
    pack(folder, archive)
    with pytest.raises(DataError, match=r"lacks test_batch.bin"):
        extract(archive, tmp_path / "out")
    archive.write_bytes(archive.read_bytes()[:100_000])
    with pytest.raises(DataError, match="is damaged"):
        extract(archive, tmp_path / "out")
    archive.write_bytes(b"nonsense")
    with pytest.raises(DataError, match="is damaged"):
        extract(archive, tmp_path / "out")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write"):
        extract(archive, tmp_path / "file" / "out")


def test_downloads_once_and_then_reads_the_cache(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "a.tar.gz"
    monkeypatch.setattr(cifar10, "MD5", pack(folder, archive))
    monkeypatch.setattr(cifar10, "URLS", (archive.as_uri(),))
    cache = tmp_path / "cache"
    for _ in range(2):
        with pytest.raises(DataError, match=r"cache.*data_batch_1.bin has 61,460 bytes"):
            load_cifar10(cache)
        archive.unlink(missing_ok=True)
    assert [path.name for path in cache.iterdir()] == ["cifar-10-batches-bin"]
    for name in ("cifar10", "cifar"):
        with pytest.raises(DataError, match=r"data_batch_1.bin has"):
            load_images(DataConfig(dataset=name), cache)
