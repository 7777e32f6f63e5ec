"""A file is written whole or not at all, and what the operating system refuses becomes one line."""

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from enas.errors import RunError
from enas.files import read_lines, replacing, write_bytes, write_errors, write_text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_written_is_there_and_nothing_else(folder: Path) -> None:
    write_bytes(folder / "data", b"\x00\xff\r\n")
    write_text(folder / "text", "Straße\n")
    assert (folder / "data").read_bytes() == b"\x00\xff\r\n"
    assert (folder / "text").read_bytes() == "Straße\n".encode()
    assert names(folder) == ["data", "text"]


def test_an_old_file_is_replaced(folder: Path) -> None:
    write_text(folder / "a", "a long old text")
    write_text(folder / "a", "new")
    assert (folder / "a").read_text() == "new"
    assert names(folder) == ["a"]


def test_the_old_file_stands_until_the_block_ends(folder: Path) -> None:
    write_text(folder / "a", "old")
    with replacing(folder / "a") as temporary:
        assert temporary.parent == folder
        temporary.write_text("half")
        assert (folder / "a").read_text() == "old"
    assert (folder / "a").read_text() == "half"


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt()])
def test_an_error_in_the_block_leaves_the_old_file_and_no_rubbish(folder: Path, error: BaseException) -> None:
    write_text(folder / "a", "old")

    def fail() -> None:
        with replacing(folder / "a") as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert (folder / "a").read_text() == "old"
    assert names(folder) == ["a"]


def test_a_new_file_is_not_made_when_its_writing_fails(folder: Path) -> None:
    def fail() -> None:
        with replacing(folder / "a"):
            raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        fail()
    assert names(folder) == []


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_files_are_readable_as_the_umask_says(folder: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        write_text(folder / "a", "x")
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / "a").stat().st_mode) == mode


def one_line(action: Callable[[], object]) -> str:
    with pytest.raises(RunError) as error:
        action()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_missing_folder_and_a_folder_in_the_way_are_told(folder: Path) -> None:
    missing = folder / "missing" / "a"
    message = one_line(lambda: write_text(missing, "x"))
    assert message == f"cannot write {missing}: No such file or directory; choose another path or fix the problem"
    (folder / "taken" / "inner").mkdir(parents=True)
    message = one_line(lambda: write_text(folder / "taken", "x"))
    assert message.startswith(f"cannot write {folder / 'taken'}: ")
    assert names(folder) == ["taken"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_with_what_to_do(folder: Path, number: int) -> None:
    write_text(folder / "a", "old")

    def fill() -> None:
        with replacing(folder / "a") as temporary:
            temporary.write_text("half")
            raise OSError(number, os.strerror(number))

    message = one_line(fill)
    assert message == (
        f"the disk is full: cannot write {folder / 'a'}; what was saved before is intact: free some space and resume"
    )
    assert (folder / "a").read_text() == "old"
    assert names(folder) == ["a"]


def test_other_refusals_keep_their_reason_and_their_cause() -> None:
    cause = OSError(errno.EROFS, "Read-only file system")

    def refuse() -> None:
        with write_errors(Path("/place")):
            raise cause

    with pytest.raises(RunError) as error:
        refuse()
    assert str(error.value) == "cannot write /place: Read-only file system; choose another path or fix the problem"
    assert error.value.__cause__ is cause


def test_errors_that_are_not_the_systems_pass_through() -> None:
    def fail() -> None:
        with write_errors(Path("/place")):
            raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine$"):
        fail()


def test_lines_of_json_come_back_and_a_damaged_one_is_refused(folder: Path) -> None:
    assert read_lines(folder / "none.jsonl") == []
    write_text(folder / "log.jsonl", '{"step": 1}\n{"step": 2, "x": [1.5]}\n')
    assert read_lines(folder / "log.jsonl") == [{"step": 1}, {"step": 2, "x": [1.5]}]
    write_text(folder / "log.jsonl", '{"step": 1}\n{"st')
    with pytest.raises(RunError, match=r"log.jsonl is damaged: a line of it is not JSON$"):
        read_lines(folder / "log.jsonl")
