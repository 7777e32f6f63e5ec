"""Processor threads: how many a process may use, how many it gets, and a word where there are too many. No PyTorch here."""

import os
import statistics
import time
from pathlib import Path
from typing import Final

CONTROL_GROUP: Final = Path("/sys/fs/cgroup")
LOAD: Final = Path("/proc/loadavg")
LOOKS: Final = 10
SLACK: Final = 0.7
"""Processors that other programs may keep busy before a word is said: there is always some work on a machine."""


def usable_processors(control_group: Path = CONTROL_GROUP) -> int:
    """Processors that this process may use: those it is bound to, and of these no more than a container's quota."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(control_group)
    return bound if quota is None else max(1, min(bound, int(quota)))


def _quota(control_group: Path) -> float | None:
    """Processors' worth of time that a container has (control groups of version 2 or 1); None: no limit."""
    try:
        if (control_group / "cpu.max").exists():
            limit, period = (control_group / "cpu.max").read_text().split()
        else:
            limit, period = ((control_group / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return float(limit) / float(period) if float(limit) > 0 else None  # "max" is no number, and -1 no limit
    except (OSError, ValueError, ZeroDivisionError):
        return None


def busy_elsewhere(load: Path = LOAD) -> float | None:
    """Processors that other programs keep busy now, in a look of a tenth of a second; None: not known on this system."""
    running = []
    for _ in range(LOOKS):
        time.sleep(0.1 / LOOKS)
        try:
            running.append(int(load.read_text().split()[3].partition("/")[0]))
        except (OSError, ValueError, IndexError):
            return None
    return max(0.0, statistics.fmean(running) - 1)  # one of those that run is this one


def oversubscription(threads: int, usable: int, others: float | None, machine: int) -> str | None:
    """One line for the user where threads would wait for one another; None: all is well.

    Args:
        threads: Of this process.
        usable: Processors it may use.
        others: Processors that other programs keep busy; None: not known.
        machine: Processors of the machine.
    """
    if threads > usable:
        return f"{threads} threads on {usable} usable processors wait for one another: use --threads {usable} or fewer"
    free = machine - (others or 0.0)
    if others is None or threads == 1 or threads <= free + SLACK:
        return None
    return (
        f"other programs keep {others:.1f} of {machine} processors busy, and {threads} threads would wait for one another: "
        f"--threads {max(1, round(free))} may be faster"
    )
