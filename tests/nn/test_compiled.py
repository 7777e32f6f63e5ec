"""The kernels are compiled once; where that cannot be, one line says so and nothing else happens."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from enas.nn import native

if native.library() is None:
    pytest.skip("no C compiler here", allow_module_level=True)


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


PRINT = "import logging; logging.basicConfig(); from enas.nn import native; print(native.library() is not None)"


def test_compiled_once_and_shared_by_processes(tmp_path: Path) -> None:
    assert run(PRINT, XDG_CACHE_HOME=str(tmp_path)).stdout == "True\n"
    (made,) = (tmp_path / "enas").iterdir()
    written = made.stat().st_mtime_ns
    assert run(PRINT, XDG_CACHE_HOME=str(tmp_path), CC="cc").stdout == "True\n"
    assert [path.stat().st_mtime_ns for path in (tmp_path / "enas").iterdir()] == [written]


def test_one_openmp_serves_pytorch_and_the_kernels() -> None:
    code = "from enas.nn import native; native.library(); print(open('/proc/self/maps').read())"
    if not Path("/proc/self/maps").exists():
        pytest.skip("only where the system lists what is loaded")
    maps = run(code).stdout.splitlines()
    assert len({line.split()[-1] for line in maps if "gomp" in line or "iomp" in line}) == 1


@pytest.mark.parametrize("value", ["off", "0", "No"])
def test_the_switch(value: str) -> None:
    done = run(PRINT, ENAS_KERNELS=value)
    assert (done.stdout, done.stderr) == ("False\n", "")


def test_no_compiler_is_said_in_one_line(tmp_path: Path) -> None:
    done = run(PRINT, CC="no-such-compiler", XDG_CACHE_HOME=str(tmp_path))
    assert done.stdout == "False\n"
    assert len(done.stderr.splitlines()) == 1
    assert "no C compiler" in done.stderr


def test_a_compiler_that_fails_is_said_in_one_line(tmp_path: Path) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && exit 0\necho "error: no such flag" >&2\necho more >&2\nexit 1\n'
    )
    compiler.chmod(0o755)
    done = run(PRINT, CC=str(compiler), XDG_CACHE_HOME=str(tmp_path))
    assert done.stdout == "False\n"
    assert len(done.stderr.splitlines()) == 1
    assert "error: no such flag" in done.stderr
    assert list((tmp_path / "enas").iterdir()) == []


def test_a_damaged_file_is_compiled_anew(tmp_path: Path) -> None:
    run(PRINT, XDG_CACHE_HOME=str(tmp_path))
    (made,) = (tmp_path / "enas").iterdir()
    made.write_bytes(b"damaged")
    done = run(PRINT, XDG_CACHE_HOME=str(tmp_path))
    assert done.stdout == "True\n"
    assert len(done.stderr.splitlines()) == 1
    assert "damaged" in done.stderr


def test_a_compiler_may_have_arguments(tmp_path: Path) -> None:
    assert run(PRINT, CC="cc -DNOTHING", XDG_CACHE_HOME=str(tmp_path)).stdout == "True\n"


def test_a_compiler_without_a_version_is_said_in_one_line(tmp_path: Path) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\necho 'error: no tools' >&2\nexit 1\n")
    compiler.chmod(0o755)
    done = run(PRINT, CC=str(compiler), XDG_CACHE_HOME=str(tmp_path))
    assert done.stdout == "False\n"
    assert len(done.stderr.splitlines()) == 1
    assert "error: no tools" in done.stderr


def test_without_a_place_to_keep_it_each_process_compiles_for_itself(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run(PRINT, XDG_CACHE_HOME=str(tmp_path / "file"), TMPDIR=str(tmp_path))
    assert (done.stdout, done.stderr) == ("True\n", "")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_who_traces_sees_pytorchs_operations() -> None:
    code = """
import torch
from enas.nn.pool import max_pool
x = torch.randn(2, 3, 5, 5).contiguous(memory_format=torch.channels_last)
print(torch.equal(torch.jit.trace(max_pool, x)(x), max_pool(x)))
"""
    assert run(code).stdout == "True\n"
