"""Devices by name, and lines for the user exactly as they are."""

import io
import platform
from pathlib import Path

import pytest
import torch
from rich.console import Console

from enas.errors import UsageError
from enas.runtime import Runtime, keep_freed_memory, resolve_device


def test_the_processor_is_always_there() -> None:
    assert resolve_device("cpu") == torch.device("cpu")


def test_auto_is_a_gpu_exactly_when_there_is_one() -> None:
    device = resolve_device("auto")
    assert (torch.ones(2, device=device) + 1).tolist() == [2.0, 2.0]
    assert (device.type == "cuda") == (torch.cuda.device_count() > 0)


@pytest.mark.parametrize("name", ["gpu9", "", "cuda:99", "CPU:x", "mps:7"])
def test_a_device_that_is_not_here_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(UsageError) as error:
        resolve_device(name)
    message = str(error.value)
    assert message.startswith(f"no device {name!r} here: use --device cpu")
    assert message.endswith(" or auto")
    assert ("cuda" in message.partition(" here: ")[2]) == torch.cuda.is_available(), "only what is there is named"


def test_a_line_is_shown_as_it_is_and_is_not_wrapped() -> None:
    console = Console(file=io.StringIO(), width=20, force_terminal=True)
    runtime = Runtime(torch.device("cpu"), Path("cache"), console)
    lines = ["[red]not markup[/red] 123 'text'", "word " * 30 + "end"]
    for line in lines:
        runtime.say(line)
    assert console.file.getvalue() == "".join(f"{line}\n" for line in lines)


@pytest.mark.parametrize("name", ["hpu", "meta", "privateuseone"])
def test_devices_that_cannot_compute_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="no device"):
        resolve_device(name)


def test_a_line_with_colons_is_shown_as_it_is() -> None:
    console = Console(file=io.StringIO())
    Runtime(torch.device("cpu"), Path("c"), console).say("run in runs/:smile:")
    assert console.file.getvalue() == "run in runs/:smile:\n"


def test_freed_memory_is_kept_where_the_c_library_can() -> None:
    glibc = platform.libc_ver()[0] == "glibc"
    assert keep_freed_memory() is glibc
