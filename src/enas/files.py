"""Writing files so that a crash, a full disk or a second writer never leaves half a file under the final name."""

import errno
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from enas.errors import RunError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the path of a temporary file beside `path`, which takes its place when the block ends without an error.

    Raises:
        RunError: the disk is full, or the folder cannot be written; what stood at `path` is untouched.
    """
    with write_errors(path):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        os.close(handle)
    temporary = Path(name)
    try:
        with write_errors(path):
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)  # mkstemp makes files that only their owner can read
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file, or leave the old one as it was.

    Raises:
        RunError: the disk is full, or the folder cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write a whole text file as UTF-8, or leave the old one as it was.

    Raises:
        RunError: the disk is full, or the folder cannot be written.
    """
    write_bytes(path, content.encode())


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Turn an operating system's refusal to write `path` into one line for the user.

    Raises:
        RunError: the disk is full, or the place cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RunError(
                f"the disk is full: cannot write {path}; what was saved before is intact: free some space and resume"
            ) from error
        raise RunError(
            f"cannot write {path}: {error.strerror or error}; choose another path or fix the problem"
        ) from error


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The JSON objects of a file that holds one a line; none where there is no such file.

    Raises:
        RunError: it cannot be read, or a line is damaged.
    """
    try:
        lines = path.read_bytes().splitlines() if path.is_file() else []
        return [json.loads(line) for line in lines]
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path} is damaged: a line of it is not JSON") from error
