"""Texts as numbers: words and characters, unknown words, the cache, the embedded text, and what is said of bad input."""

import time
from pathlib import Path

import pytest
import torch
from torch import Tensor

from enas.config import DataConfig
from enas.data import corpora
from enas.data.download import download, file_digest
from enas.data.encode import encode_files, encode_texts
from enas.data.pydoc import topic_texts
from enas.data.text import TextData, load_text
from enas.errors import DataError

PTB = Path(__file__).parents[3] / "shared" / "data" / "ptb"


def folder(path: Path, train: str = "b a\na c\n", valid: str = "a b\n", test: str = "c\n") -> Path:
    path.mkdir()
    for name, text in (("train", train), ("valid", valid), ("test", test)):
        (path / f"{name}.txt").write_text(text, encoding="utf-8", newline="")
    return path


def load(path: Path, cache: Path, level: str = "word") -> TextData:
    return load_text(DataConfig(dataset=str(path), level=level), cache)  # type: ignore[arg-type]  # a Literal


def words(data: TextData, part: Tensor) -> list[str]:
    return [data.words[i] for i in part.tolist()]


def test_words_are_numbered_in_alphabetical_order_with_an_end_for_each_line(tmp_path: Path) -> None:
    data = load(folder(tmp_path / "t"), tmp_path / "cache")
    assert data.words == ("<eos>", "a", "b", "c")
    assert data.train.dtype == torch.int32
    assert words(data, data.train) == ["b", "a", "<eos>", "a", "c", "<eos>"]
    assert words(data, data.test) == ["c", "<eos>"]
    assert data.spec.vocabulary == 4


def test_an_empty_line_is_a_line_and_the_last_line_needs_no_end(tmp_path: Path) -> None:
    data = load(folder(tmp_path / "t", train=" a \r\n\n  b", valid="b", test="a\n"), tmp_path / "cache")
    assert words(data, data.train) == ["a", "<eos>", "<eos>", "b", "<eos>"]


def test_characters(tmp_path: Path) -> None:
    data = load(folder(tmp_path / "t", train="ab b\r\n", valid="b\n", test="a"), tmp_path / "cache", "char")
    assert words(data, data.train) == ["a", "b", " ", "b", "<eos>"]
    assert words(data, data.test) == ["a", "<eos>"]


def test_unknown_words_are_counted_and_warned_of_only_without_an_unk(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = load(folder(tmp_path / "one", valid="a x y x\n"), tmp_path / "cache")
    assert data.words[-1] == "<unk>"
    assert words(data, data.valid) == ["a", "<unk>", "<unk>", "<unk>", "<eos>"]
    assert len(caplog.messages) == 1
    assert "3 words" in caplog.messages[0]
    assert "x, y" in caplog.messages[0]
    assert "unknown words, read as <unk>: 3 in validation, 0 in test" in data.notes
    caplog.clear()
    data = load(folder(tmp_path / "two", train="a <unk> b\n", valid="x\n", test="b\n"), tmp_path / "cache")
    assert data.words == ("<eos>", "<unk>", "a", "b")
    assert words(data, data.valid) == ["<unk>", "<eos>"]
    assert not caplog.messages


def test_a_text_is_encoded_once_and_again_when_it_changes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source, cache = folder(tmp_path / "t"), tmp_path / "cache"
    first = load(source, cache)
    (numbers,) = cache.glob("*.i32")
    before = numbers.stat().st_mtime_ns
    second = load(source, cache)
    assert numbers.stat().st_mtime_ns == before
    assert (second.words, second.train.tolist()) == (first.words, first.train.tolist())
    expected = first.train.tolist()
    numbers.unlink()
    numbers.write_bytes(b"1234")
    assert load(source, cache).train.tolist() == expected
    assert "damaged or incomplete" in caplog.messages[0]
    (source / "train.txt").write_text("b a\na d\n", encoding="utf-8")
    assert load(source, cache).words == ("<eos>", "a", "b", "d", "<unk>")


def test_pieces_of_a_file_give_the_same_as_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = folder(tmp_path / "t", train="\u00e4 b\nc d d\n\n\u20ac f\nlong line without an end")
    files = [source / f"{name}.txt" for name in ("train", "valid", "test")]
    whole = encode_files(files, "word")
    monkeypatch.setattr("enas.data.encode._CHUNK_BYTES", 3)  # also cuts letters of two and three bytes
    assert [part.tolist() for part in encode_files(files, "word").parts] == [part.tolist() for part in whole.parts]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"train": ""}, "train.txt is empty"),
        ({"valid": ""}, "valid.txt is empty"),
        ({"train": "\n\n\n"}, "has one word only ('<eos>')"),
    ],
)
def test_unfit_texts_get_one_line(change: dict[str, str], words: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        load(folder(tmp_path / "t", **change), tmp_path / "cache")
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_vocabulary_of_one_character_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has one char only"):
        load(folder(tmp_path / "t", train="\n\n"), tmp_path / "cache", "char")


def test_other_encodings_and_missing_files_get_one_line(tmp_path: Path) -> None:
    source = folder(tmp_path / "t")
    (source / "test.txt").write_bytes("caf\u00e9\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"test\.txt is not UTF-8 text \(.* at byte 3\): save it as UTF-8$"):
        load(source, tmp_path / "cache")
    (source / "valid.txt").unlink()
    with pytest.raises(DataError, match=r"has no valid\.txt: a text needs train\.txt, valid\.txt and test\.txt$"):
        load(source, tmp_path / "cache")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ptbb", "did you mean ptb?"),
        ("/no/such/folder", "there is no folder /no/such/folder"),
        (__file__, "is not a folder"),
    ],
)
def test_unknown_names_get_one_line(name: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        load_text(DataConfig(dataset=name), tmp_path)
    assert words in str(error.value)


def test_the_embedded_text_is_the_same_each_time_and_knows_all_its_words(tmp_path: Path) -> None:
    assert topic_texts() == topic_texts()
    data = load_text(DataConfig(), tmp_path)
    assert data.name == "pydoc"
    assert len(data.train) > 50_000
    assert len(data.valid) > 5_000
    assert len(data.test) > 5_000
    assert 1_000 < len(data.words) < 4_000
    assert not any("read as <unk>" in note for note in data.notes)
    assert not list(tmp_path.iterdir())
    assert len(load_text(DataConfig(level="char"), tmp_path).words) < 200


def test_encode_texts_names_the_empty_part() -> None:
    with pytest.raises(DataError, match=r"mine \(valid\) is empty"):
        encode_texts(["a b", "", "a"], "word", "mine")


def test_a_blob_of_git_is_told_by_its_id(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"hello\n")
    blob = "ce013625030ba8dba906f756967f9e9ca394464a"  # what git calls this content
    assert file_digest(tmp_path / "a", "git") == blob
    assert download("a", [(tmp_path / "a").as_uri()], blob, tmp_path / "b").read_bytes() == b"hello\n"
    with pytest.raises(DataError, match="wrong checksum"):
        download("a", [(tmp_path / "a").as_uri()], "0" * 40, tmp_path / "c")


def test_a_named_text_is_downloaded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = folder(tmp_path / "there")
    digests = {split: file_digest(source / f"{split}.txt", "sha256") for split in ("train", "valid", "test")}
    mirrors = ((tmp_path / "not" / "here").as_uri() + "/{split}.txt", source.as_uri() + "/{split}.txt")
    monkeypatch.setitem(corpora.CORPORA, "ptb", corpora.Published(mirrors, digests))
    first = load_text(DataConfig(dataset="ptb"), tmp_path / "cache")
    for file in source.iterdir():
        file.unlink()
    again = load_text(DataConfig(dataset="ptb"), tmp_path / "cache")
    assert first.words == again.words == ("<eos>", "a", "b", "c")
    assert first.name == "ptb"


@pytest.mark.skipif(not PTB.is_dir(), reason="no Penn Treebank here")
def test_penn_treebank_has_its_known_numbers(tmp_path: Path) -> None:
    begin = time.process_time()
    data = load(PTB, tmp_path)
    assert time.process_time() - begin < 3
    assert (len(data.train), len(data.valid), len(data.test)) == (929_589, 73_760, 82_430)
    assert len(data.words) == 10_000
    assert not any("unknown" in note for note in data.notes)
