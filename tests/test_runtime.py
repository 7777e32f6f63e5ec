"""Devices by name, and lines for the user exactly as they are."""

import io
from pathlib import Path

import pytest
import torch
from rich.console import Console

from enas.errors import UsageError
from enas.runtime import Runtime, resolve_device


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
    assert str(error.value) == f"no device {name!r} here: use --device cpu, cuda or auto"


def test_a_line_is_shown_as_it_is_and_is_not_wrapped() -> None:
    console = Console(file=io.StringIO(), width=20, force_terminal=True)
    runtime = Runtime(torch.device("cpu"), Path("cache"), console)
    lines = ["[red]not markup[/red] 123 'text'", "word " * 30 + "end"]
    for line in lines:
        runtime.say(line)
    assert console.file.getvalue() == "".join(f"{line}\n" for line in lines)
