"""Where a command runs: device, threads, cache, console. Nothing here changes a result on the same device and threads."""

from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console

from enas.errors import UsageError


@dataclass(frozen=True)
class Runtime:
    """Resolved once by the command line and handed on."""

    device: torch.device
    cache: Path
    """Folder of decoded data sets and downloads."""
    console: Console

    def say(self, line: str) -> None:
        """Show one line to the user, exactly as it is."""
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)


def resolve_device(name: str) -> torch.device:
    """The device that a name stands for; "auto" is a GPU when there is one.

    Raises:
        UsageError: there is no such device on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"no device {name!r} here: use --device cpu, cuda or auto") from error
    return device
