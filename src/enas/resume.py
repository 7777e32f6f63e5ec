"""Taking up a run: with the settings that it was started with, or not at all."""

from dataclasses import fields
from pathlib import Path
from typing import TypeVar

from enas.errors import UsageError
from enas.run import CONFIG, Run
from enas.runtime import Runtime
from enas.search.setup import SearchSettings
from enas.train.setup import TrainSettings

Settings = TypeVar("Settings", SearchSettings, TrainSettings)
FREE_ON_RESUME = {"max_hours", "checkpoint_minutes"}
"""Settings that may change when a run is taken up again: they do not change its result."""
TO_GO_ON = "to go on, leave out changed flags; for a new run give another --out"


def open_or_check(settings: Settings, out: Path, resume: bool, runtime: Runtime) -> Run | None:
    """The run to go on with; None when one can be made in this folder.

    Args:
        settings: What the command line says.
        out: The folder.
        resume: Whether the user asked to go on.
        runtime: Where to say that there is no run yet.

    Raises:
        EnasError: there is a run and the user did not ask to go on, its settings are others, or the folder is occupied.
    """
    if not resume or not (out / CONFIG).is_file():
        Run.check_free(out)
        if resume:
            runtime.say(f"no run in {out} yet: starting one")
        return None
    run = Run.open(out)
    stored = type(settings).from_json(run.settings, str(out))
    for part in fields(settings):
        old, new = getattr(stored, part.name), getattr(settings, part.name)
        if old == new:
            continue
        if isinstance(old, str):
            raise UsageError(f"{out} was started with {part.name} {old!r}, not {new!r}: {TO_GO_ON}")
        for item in fields(old):
            before, now = getattr(old, item.name), getattr(new, item.name)
            if before != now and item.name not in FREE_ON_RESUME:
                flag = item.name.replace("_", "-")
                raise UsageError(f"{out} was started with --{flag} {before}, not {now}: {TO_GO_ON}")
    return run
