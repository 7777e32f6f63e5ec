"""The package's kernels in C, compiled for this very processor when they are first needed.

That takes two seconds; the result is kept in the user's cache folder. Where there is no compiler there are no kernels, and the
environment variable ENAS_KERNELS turns them off.
"""

import ctypes
import functools
import hashlib
import logging
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

SOURCES: Final = Path(__file__).parent / "kernels"
SWITCH: Final = "ENAS_KERNELS"
FLAGS: Final = (
    "-O3",
    "-march=native",
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fopenmp",
    "-fPIC",
)
_logger = logging.getLogger(__name__)


@functools.cache
def library() -> ctypes.CDLL | None:
    """The compiled kernels; None, with a word to the user, where there are none."""
    if os.environ.get(SWITCH, "on").lower() in ("off", "0", "no", "false"):
        return None
    compiler = shlex.split(os.environ.get("CC", "")) or ["cc"]
    if os.name != "posix" or shutil.which(compiler[0]) is None:
        _logger.warning("no C compiler (%s) here: the package's own kernels are not used, which is slower", compiler[0])
        return None
    try:
        name = f"kernels-{_digest(compiler)}.so"
        if (kept := folder()) is not None:
            return _load(compiler, kept / name)
        with tempfile.TemporaryDirectory() as scratch:  # what is loaded may be deleted
            return _load(compiler, Path(scratch) / name)
    except subprocess.CalledProcessError as error:
        lines = (error.stderr or "").strip().splitlines() or [f"status {error.returncode}"]
        reason = next((line for line in lines if "error" in line), lines[0])
        _logger.warning("%s cannot compile the package's kernels, slower forms are used: %s", compiler[0], reason)
    except OSError as error:
        _logger.warning("the package's compiled kernels cannot be used (they need gcc), slower forms are: %s", error)
    return None


def _load(compiler: Sequence[str], path: Path) -> ctypes.CDLL:
    if path.exists():
        try:
            return ctypes.CDLL(str(path))
        except OSError:
            _logger.warning("%s is damaged and is compiled anew", path)
    _compile(compiler, path)
    return ctypes.CDLL(str(path))


def folder() -> Path | None:
    """Where compiled kernels are kept: in the user's cache folder, which is made; None: nothing can be kept there."""
    try:
        found = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "enas"
        found.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # RuntimeError: the user has no home
        return None
    return found if os.access(found, os.W_OK) else None


def _digest(compiler: Sequence[str]) -> str:
    """Changes with the source, the flags, the compiler and the processor: code for one processor may not run on another."""
    found = hashlib.sha256()
    for source in sorted(SOURCES.glob("*.[ch]")):
        found.update(source.read_bytes())
    version = _run([*compiler, "--version"])
    found.update("\0".join([*compiler, *FLAGS, version, _processor()]).encode())
    return found.hexdigest()[:16]


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    keys = ("model name", "flags", "Features", "CPU part")
    return "\n".join([platform.machine(), *sorted({line for line in lines if line.startswith(keys)})])


def _compile(compiler: Sequence[str], path: Path) -> None:
    """Compile beside the final place, then rename: another process may do the same at this moment.

    OpenMP is not linked: its functions are those that PyTorch has loaded, so that both share their threads.
    """
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        objects = []
        for source in sorted(SOURCES.glob("*.c")):
            objects.append(Path(scratch) / f"{source.stem}.o")
            _run([*compiler, *FLAGS, "-c", str(source), "-o", str(objects[-1])])
        made = Path(scratch) / path.name
        _run([*compiler, "-shared", *map(str, objects), "-o", str(made), "-lm"])
        with made.open("rb") as file:
            os.fsync(file.fileno())
        made.replace(path)


def _run(command: Sequence[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, errors="replace").stdout
