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
    compiler = shutil.which(os.environ.get("CC") or "cc")
    if compiler is None or os.name != "posix":
        _logger.warning("no C compiler (cc): networks of images are computed without the package's own, faster kernels")
        return None
    try:
        path = folder() / f"kernels-{_digest(compiler)}.so"
        if not path.exists():
            _compile(compiler, path)
        return ctypes.CDLL(str(path))
    except subprocess.CalledProcessError as error:
        lines = (error.stderr or "").strip().splitlines() or [f"status {error.returncode}"]
        reason = next((line for line in lines if "error" in line), lines[0])
        _logger.warning("%s cannot compile the package's kernels, slower forms are used: %s", compiler, reason)
    except OSError as error:
        _logger.warning("the package's compiled kernels cannot be used, slower forms are: %s", error)
    return None


def folder() -> Path:
    """Where compiled kernels are kept: in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "enas"


def _digest(compiler: str) -> str:
    """Changes with the source, the flags, the compiler and the processor: code for one processor may not run on another."""
    found = hashlib.sha256()
    for source in sorted(SOURCES.glob("*.[ch]")):
        found.update(source.read_bytes())
    version = subprocess.run([compiler, "--version"], check=True, capture_output=True).stdout
    found.update(b"\0".join([*(flag.encode() for flag in FLAGS), version, _processor().encode()]))
    return found.hexdigest()[:16]


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    keys = ("model name", "flags", "Features", "CPU part")
    return "\n".join([platform.machine(), *sorted({line for line in lines if line.startswith(keys)})])


def _compile(compiler: str, path: Path) -> None:
    """Compile beside the final place, then rename: another process may do the same at this moment.

    OpenMP is not linked: its functions are those that PyTorch has loaded, so that both share their threads.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        objects = []
        for source in sorted(SOURCES.glob("*.c")):
            objects.append(Path(scratch) / f"{source.stem}.o")
            _run([compiler, *FLAGS, "-c", str(source), "-o", str(objects[-1])])
        made = Path(scratch) / path.name
        _run([compiler, "-shared", *map(str, objects), "-o", str(made), "-lm"])
        made.replace(path)


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
