"""How far a long piece of work is: a bar on a terminal, a plain line now and then elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from types import TracebackType
from typing import Final, final

from rich import progress as bars
from rich.console import Console

FIRST_LINE: Final = 10.0
"""Seconds before the first plain line."""
NEXT_LINE: Final = 30.0
"""Seconds between plain lines."""


@contextmanager
def reading(console: Console, description: str = "reading the data") -> Iterator[Callable[[int, int], None]]:
    """Gives a function to be told how much of the data is read, and how much there is; 0 while that is unknown."""
    with ExitStack() as stack:
        bar: Progress | None = None

        def tell(done: int, total: int) -> None:
            nonlocal bar
            if total and (bar is None or bar.total != total):
                stack.pop_all().close()
                bar = stack.enter_context(Progress(description, total, console=console))
            if bar is not None and total:
                bar.advance(done - bar.done)

        yield tell


@final
class Progress:
    """Shows how many steps of a piece of work are done, and when it will end."""

    def __init__(
        self,
        description: str,
        total: int,
        *,
        console: Console,
        done: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Show nothing yet; that begins when it is entered.

        Args:
            description: What is under way, in a word.
            total: Steps in all.
            console: Where to show it.
            done: Steps that an earlier part of an interrupted run did.
            clock: Seconds that go by.
        """
        self.description, self.total, self.done = description, total, done
        self._console, self._clock = console, clock
        self._begin, self._start = done, clock()
        self._due = self._start + FIRST_LINE
        self._shown: dict[str, float] = {}
        self._bar: bars.Progress | None = None
        self._task = bars.TaskID(0)

    def __enter__(self) -> "Progress":
        self._start = self._clock()
        self._due = self._start + FIRST_LINE
        if self._console.is_terminal:
            self._bar = bars.Progress(
                bars.TextColumn("{task.description}", markup=False),
                bars.BarColumn(),
                bars.MofNCompleteColumn(),
                bars.TimeRemainingColumn(),
                bars.TextColumn("{task.fields[shown]}", markup=False),
                console=self._console,
                transient=True,
            )
            self._task = self._bar.add_task(self.description, total=self.total, completed=self.done, shown="")
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def advance(self, n: int = 1, **shown: float) -> None:
        """Tell that `n` more steps are done.

        Args:
            n: How many.
            **shown: Figures to show beside; they stay until they are given anew.
        """
        self.done += n
        self._shown.update(shown)
        if self._bar is not None:
            self._bar.update(self._task, completed=self.done, shown=self._figures())
        elif not self._console.is_terminal and self._clock() >= self._due:
            self._due = self._clock() + NEXT_LINE
            self._console.print(self._line(), markup=False, emoji=False, highlight=False, soft_wrap=True)

    def _figures(self) -> str:
        return ", ".join(f"{name} {value:.4g}" for name, value in self._shown.items())

    def _line(self) -> str:
        rate = (self.done - self._begin) / max(self._clock() - self._start, 1e-9)
        left = max(self.total - self.done, 0)
        eta = str(timedelta(seconds=round(left / rate))) if rate > 0 else "unknown"
        figures = self._figures()
        return f"{self.description}: {self.done}/{self.total}, ETA {eta}" + (f", {figures}" if figures else "")
