"""Progress on a terminal and elsewhere."""

import io
from dataclasses import dataclass

import pytest
from rich.console import Console

from enas.progress import Progress, reading


@dataclass
class Clock:
    """Time that goes by when told."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def plain() -> tuple[Console, io.StringIO]:
    output = io.StringIO()
    return Console(file=output, width=40), output


def advance(bar: Progress, clock: Clock, steps: int) -> None:
    for _ in range(steps):
        clock.now += 1
        bar.advance(1, loss=0.5)


def test_first_line_after_ten_seconds_then_every_thirty() -> None:
    console, output = plain()
    clock = Clock()
    with Progress("search", 100, console=console, clock=clock) as bar:
        advance(bar, clock, 9)
        assert output.getvalue() == ""
        advance(bar, clock, 1)
        assert output.getvalue() == "search: 10/100, ETA 0:01:30, loss 0.5\n"
        advance(bar, clock, 29)
        assert output.getvalue().count("\n") == 1
        advance(bar, clock, 1)
    assert output.getvalue().splitlines()[1:] == ["search: 40/100, ETA 0:01:00, loss 0.5"]


def test_eta_of_a_resumed_run_counts_only_its_own_steps() -> None:
    console, output = plain()
    clock = Clock()
    with Progress("train", 100, console=console, done=70, clock=clock) as bar:
        advance(bar, clock, 10)
    assert output.getvalue() == "train: 80/100, ETA 0:00:20, loss 0.5\n"


def test_lines_are_plain_and_unbroken() -> None:
    console, output = plain()
    clock = Clock()
    with Progress("[red]search[/red] " + "x" * 60, 0, console=console, clock=clock) as bar:
        clock.now += 11
        bar.advance(0)
    assert output.getvalue() == "[red]search[/red] " + "x" * 60 + ": 0/0, ETA unknown\n"


def test_bar_on_a_terminal() -> None:
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=120)
    with Progress("search", 10, console=console, done=3) as bar:
        bar.advance(2, reward=0.25)
        console.print("a line for the user")
    shown = output.getvalue()
    assert "5/10" in shown
    assert "reward 0.25" in shown
    assert "a line for the user" in shown


def test_reading_counts_anew_when_the_total_changes_and_is_silent_while_it_is_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("enas.progress.FIRST_LINE", 0.0)
    console = Console(file=io.StringIO(), width=200)
    with reading(console) as tell:
        for done, total in ((5, 0), (1, 4), (4, 4), (2, 10)):
            tell(done, total)
    lines = console.file.getvalue().splitlines()
    assert [line.split(",")[0] for line in lines] == ["reading the data: 1/4", "reading the data: 2/10"]
