"""How many threads a process gets, and when it is told that they are too many."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from enas.processors import SLACK, busy_elsewhere, oversubscription, usable_processors


def bound() -> int:
    return len(os.sched_getaffinity(0))


needs_affinity = pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system binds no processes")


@needs_affinity
@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu.max": "100000 100000\n"}, 1),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "190000 100000\n"}, 1),
        ({"cpu.max": "100000000 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu.max": "nonsense\n"}, None),
        ({}, None),
    ],
)
def test_a_container_has_no_more_processors_than_its_quota(
    tmp_path: Path, files: dict[str, str], quota: int | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert usable_processors(tmp_path) == (bound() if quota is None else quota)


@needs_affinity
def test_a_process_that_is_bound_to_one_processor_has_one(tmp_path: Path) -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert usable_processors(tmp_path) == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("threads", "usable", "others", "machine", "advice"),
    [
        (2, 2, 0.0, 2, None),
        (2, 2, SLACK, 2, None),
        (2, 2, None, 2, None),
        (1, 2, 1.0, 2, None),
        (1, 2, 9.0, 2, None),
        (3, 2, 0.0, 8, "--threads 2"),
        (3, 2, None, 8, "--threads 2"),
        (2, 2, 1.1, 2, "--threads 1"),
        (2, 2, 5.0, 2, "--threads 1"),
        (8, 8, 3.0, 8, "--threads 5"),
        (4, 4, 10.0, 64, None),
    ],
)
def test_too_many_threads_are_told_with_a_number_that_fits(
    threads: int, usable: int, others: float | None, machine: int, advice: str | None
) -> None:
    line = oversubscription(threads, usable, others, machine)
    if advice is None:
        assert line is None
    else:
        assert line is not None
        assert advice in line
        assert "\n" not in line


def test_the_load_of_other_programs_is_read(tmp_path: Path) -> None:
    load = tmp_path / "loadavg"
    load.write_text("0.50 0.40 0.30 4/200 1234\n")
    assert busy_elsewhere(load) == 3
    load.write_text("0.50 0.40 0.30 1/200 1234\n")
    assert busy_elsewhere(load) == 0
    load.write_text("nonsense")
    assert busy_elsewhere(load) is None
    assert busy_elsewhere(tmp_path / "none") is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the load is read on Linux only")
def test_a_busy_program_is_seen() -> None:
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        time.sleep(0.3)
        seen = busy_elsewhere()
    finally:
        busy.kill()
        busy.wait()
    assert seen is not None
    assert seen > 0.4
