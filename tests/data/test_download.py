"""Downloads from files and from a server on this machine."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from enas.data.download import download, file_digest
from enas.errors import DataError, RunError

CONTENT = bytes(range(256)) * 5000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/gone":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT if self.path == "/whole" else CONTENT[:1000])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


@pytest.mark.parametrize("digest", [SHA256, MD5, MD5.upper()])
def test_file_url(tmp_path: Path, digest: str) -> None:
    source = tmp_path / "source"
    source.write_bytes(CONTENT)
    target = tmp_path / "new" / "target"
    assert download("data", [source.as_uri()], digest, target) == target
    assert target.read_bytes() == CONTENT
    assert file_digest(target, "sha256") == SHA256


def test_mirrors_are_tried_in_turn(tmp_path: Path, server: str, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[tuple[int, int]] = []
    target = tmp_path / "target"
    urls = [f"{server}/gone", f"{server}/half", f"{server}/whole"]
    with caplog.at_level("INFO"):
        download("data", urls, SHA256, target, lambda done, total: seen.append((done, total)))
    assert target.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert "404" in caplog.text
    assert "wrong checksum" in caplog.text
    assert all(record.levelname == "INFO" for record in caplog.records), "the user need not know of a slow mirror"


def test_what_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(CONTENT)
    download("data", [], SHA256, target)


def test_a_damaged_file_is_fetched_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(CONTENT)
    target.write_bytes(CONTENT[:10])
    download("data", [source.as_uri()], SHA256, target)
    assert target.read_bytes() == CONTENT
    assert "is damaged (wrong checksum)" in caplog.text


def test_when_all_fail_one_line_says_what_to_do(tmp_path: Path, server: str) -> None:
    target = tmp_path / "target"
    missing = (tmp_path / "missing").as_uri()
    with pytest.raises(DataError) as caught:
        download("data", [missing, f"{server}/gone", f"{server}/half", "nonsense"], SHA256, target)
    message = str(caught.value)
    assert "\n" not in message
    for words in (missing, "404", "wrong checksum", "nonsense", f"put it at {target}", "give the folder"):
        assert words in message
    assert list(tmp_path.iterdir()) == []


def test_an_unreachable_server(tmp_path: Path, server: str) -> None:
    port = int(server.rsplit(":", 1)[1])
    with pytest.raises(DataError, match="cannot download data"):
        download("data", [f"https://127.0.0.1:{port}/whole"], SHA256, tmp_path / "target")


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write"):
        download("data", [], SHA256, tmp_path / "file" / "target")
