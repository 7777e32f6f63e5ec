"""Fetching a published file once, and trusting it only when its checksum is right."""

import hashlib
import http.client
import logging
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

from enas.data.progress import Progress
from enas.errors import DataError
from enas.files import replacing, write_errors

_CHUNK_BYTES = 1 << 20
_TIMEOUT_SECONDS = 30.0
_ALGORITHMS = {32: "md5", 40: "git", 64: "sha256"}
"""By the length of the digest in hexadecimal; "git" is the id of a blob: sha1 of its length and content."""

_logger = logging.getLogger(__name__)


def download(name: str, urls: Sequence[str], digest: str, target: Path, progress: Progress | None = None) -> Path:
    """Fetch a file from the first mirror that delivers it whole, unless it is there already.

    Args:
        name: what the user calls the data, for messages.
        urls: mirrors, tried in turn.
        digest: md5, sha256 or git's blob id of the content, in hexadecimal; its length tells which.
        target: where the file goes; nothing appears there before the checksum is right.
        progress: told the bytes fetched so far and in all.

    Returns:
        `target`.

    Raises:
        DataError: no mirror delivered the right file.
        RunError: the disk is full, or the folder cannot be written.
    """
    if target.is_file():
        if file_digest(target, _ALGORITHMS[len(digest)]) == digest.lower():
            return target
        _logger.warning("%s is damaged (wrong checksum); it is downloaded again", target)
    with write_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    failures = []
    for url in urls:
        try:
            with replacing(target) as temporary:
                _fetch(url, temporary, digest.lower(), progress)
            return target
        except _Refused as refusal:
            failures.append(f"{url} ({refusal})")
            _logger.info("cannot download %s from %s: %s", name, url, refusal)
    raise DataError(
        f"cannot download {name}: {'; '.join(failures)}; check the connection, or fetch the file elsewhere and "
        f"put it at {target}, or give the folder with the unpacked data in place of the name"
    )


def file_digest(path: Path, algorithm: str) -> str:
    """Checksum of a file, in hexadecimal; `algorithm` is a name of hashlib, or "git" for the id of a blob."""
    seen = hashlib.new("sha1" if algorithm == "git" else algorithm, usedforsecurity=False)
    if algorithm == "git":
        seen.update(b"blob %d\0" % path.stat().st_size)
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: seen).hexdigest()


class _Refused(Exception):
    """A mirror did not deliver; the message says why."""


def _fetch(url: str, target: Path, digest: str, progress: Progress | None) -> None:
    done = 0
    with target.open("wb") as file:
        for chunk, total in _chunks(url):
            file.write(chunk)
            done += len(chunk)
            if progress is not None:
                progress(done, total)
    seen = file_digest(target, _ALGORITHMS[len(digest)])
    if seen != digest:
        raise _Refused(f"wrong checksum: {seen} of {done:,} bytes, expected {digest}")


def _chunks(url: str) -> Iterator[tuple[bytes, int]]:
    """Yield the content piece by piece, each with the announced length; errors of the network become `_Refused`."""
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "enas"})
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
            total = int(response.headers.get("Content-Length") or 0)
            while chunk := response.read(_CHUNK_BYTES):
                yield chunk, total
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _Refused(str(error) or type(error).__name__) from error
