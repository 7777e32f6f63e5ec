"""Where a command runs: device, threads, cache, console. Nothing here changes a result on the same device and threads."""

import ctypes
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console

from enas.errors import UsageError

KINDS = ("cpu", "cuda", "mps", "xpu")
"""Of devices that can train a network."""


@dataclass(frozen=True)
class Runtime:
    """Resolved once by the command line and handed on."""

    device: torch.device
    cache: Path
    """Folder of decoded data sets and downloads."""
    console: Console

    def say(self, line: str) -> None:
        """Show one line to the user, exactly as it is."""
        self.console.print(line, markup=False, emoji=False, highlight=False, soft_wrap=True)


def resolve_device(name: str) -> torch.device:
    """The device that a name stands for; "auto" is a GPU when there is one.

    Raises:
        UsageError: there is no such device on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    there = ["cpu", *(kind for kind in KINDS[1:] if _is_there(kind))]
    refusal = f"no device {name!r} here: use --device {', '.join(there)} or auto"
    if name.partition(":")[0] not in KINDS:
        raise UsageError(refusal)
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(refusal) from error
    return device


def _is_there(kind: str) -> bool:
    try:
        torch.empty(1, device=kind)
    except (RuntimeError, AssertionError):
        return False
    return True


def keep_freed_memory() -> bool:
    """Let the C library keep the memory of freed maps for the next ones instead of giving it back to the system.

    Each batch needs the same large blocks again; fetched anew, page by page, they cost up to half of a training step
    (`benchmarks/README.md`). The setting belongs to the process and is made before work begins. Only the GNU C library has it.

    Returns:
        Whether the setting was made.
    """
    if not sys.platform.startswith("linux"):
        return False
    m_trim_threshold, m_mmap_max, most = -1, -4, 2**31 - 1  # <malloc.h>
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(m_mmap_max, 0)) and bool(mallopt(m_trim_threshold, most))
