"""What an architecture is really worth: looked up in a table, or measured by training it from scratch."""

import hashlib
import math
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol, final, runtime_checkable

from enas import commands
from enas.architecture import Architecture
from enas.errors import DataError
from enas.files import read_lines
from enas.interrupt import Interrupt
from enas.progress import Progress
from enas.run import TIMING, Run
from enas.runtime import Runtime
from enas.sources import Source, draw_uniformly
from enas.space import Space
from enas.table import architecture_string, read_table
from enas.train import setup as train_setup
from enas.train.loop import RESULT, Training, train_epoch
from enas.train.setup import TrainSettings

TIMED_STEPS: Final = 4
"""Steps of training that are timed for each of the architectures below, after as many that are not."""
TIMED_ARCHITECTURES: Final = 3
TIMED: Final = "timed.json"


@runtime_checkable
class Truth(Protocol):
    """The true figures of architectures."""

    space: Space

    def name(self, architecture: Architecture) -> str:
        """By which an architecture is called in results."""

    def value(self, architecture: Architecture) -> float:
        """What it is really worth.

        Raises:
            EnasError: there is no figure, or it cannot be trained.
        """

    def validation(self, architecture: Architecture) -> float:
        """The figure by which a method that trains its candidates may choose among them."""

    def seconds(self, architecture: Architecture) -> float:
        """Seconds of training it from scratch, without validation and test."""

    def mean_seconds(self) -> float:
        """Of the trainings so far, or an estimate; nan for no training."""


@final
class TableTruth:
    """Figures of a table. Plain random search chooses by them, too, which flatters it."""

    def __init__(self, space: Space, path: Path, key: str | None, seconds: float) -> None:
        """Read the table.

        Args:
            space: Whose architectures it names.
            path: The table (see `enas.table.read_table`).
            key: Name of the figure.
            seconds: Of one training.
        """
        self.space, self.path, self._seconds = space, path, seconds
        self.values = read_table(path, key)

    def name(self, architecture: Architecture) -> str:
        """The string that stands in the table."""
        return architecture_string(self.space, architecture)

    def value(self, architecture: Architecture) -> float:
        """The figure that stands in the table."""
        name = self.name(architecture)
        if name not in self.values:
            raise DataError(f"the table {self.path} has no figure for the architecture {name!r}")
        return self.values[name]

    def validation(self, architecture: Architecture) -> float:
        """The same: a table holds no other figure."""
        return self.value(architecture)

    def seconds(self, architecture: Architecture) -> float:
        """The same for all."""
        return self._seconds

    def mean_seconds(self) -> float:
        """The same again."""
        return self._seconds


@final
class TrainedTruth:
    """Trains each architecture in a run folder of its own, once, all alike."""

    def __init__(self, space: Space, settings: TrainSettings, out: Path, runtime: Runtime, *, resume: bool) -> None:
        """Train nothing yet.

        Args:
            space: Whose architectures are trained.
            settings: Of all trainings.
            out: Takes the run folders.
            runtime: Where to train.
            resume: Whether folders that are there already are gone on with.
        """
        self.space, self.settings, self.out, self.runtime, self.resume = space, settings, out, runtime, resume
        self.results: dict[str, dict[str, int | float]] = {}

    def name(self, architecture: Architecture) -> str:
        """The name of its run folder."""
        return self._folder(architecture).name

    def value(self, architecture: Architecture) -> float:
        """The metric on the test part."""
        return self._train(architecture)[f"test/{self.space.task.metric}"]

    def validation(self, architecture: Architecture) -> float:
        """The metric on the validation part."""
        return self._train(architecture)[f"valid/{self.space.task.metric}"]

    def seconds(self, architecture: Architecture) -> float:
        """Measured, over all parts of an interrupted training."""
        self._train(architecture)
        return _seconds_of(self._folder(architecture))

    def mean_seconds(self) -> float:
        """Of all that were trained."""
        return statistics.fmean(_seconds_of(self.out / name) for name in self.results) if self.results else math.nan

    def _folder(self, architecture: Architecture) -> Path:
        return self.out / hashlib.sha256(architecture.to_json().encode()).hexdigest()[:12]

    def _train(self, architecture: Architecture) -> dict[str, int | float]:
        folder = self._folder(architecture)
        if folder.name not in self.results:
            source = Source(
                architecture, self.space, f"architecture {folder.name}", self.settings.data, self.settings.preset, None
            )
            if self.resume and _is_done(folder, self.settings, architecture):
                result = Run.open(folder).read_json(RESULT)
            else:
                resume = self.resume and folder.exists()
                result = commands.train(self.settings, source, folder, self.runtime, resume=resume, advise=False)
            self.results[folder.name] = result
        return self.results[folder.name]


def _is_done(folder: Path, settings: TrainSettings, architecture: Architecture) -> bool:
    if not (folder / RESULT).is_file():
        return False
    same = TrainSettings.from_json(Run.open(folder).settings, str(folder)) == settings
    return same and Architecture.load(folder / "architecture.json") == architecture


def _seconds_of(folder: Path) -> float:
    return float(sum(line["time/epoch_seconds"] for line in read_lines(folder / TIMING)))


def estimate_seconds(space: Space, size: dict[str, int], settings: TrainSettings, runtime: Runtime) -> float:
    """Seconds that training an average architecture from scratch would take, from a few timed steps of some.

    Raises:
        EnasError: data or settings are unfit.
    """
    short = replace(settings, train=replace(settings.train, steps_per_epoch=TIMED_STEPS))
    steps = settings.train.steps_per_epoch
    per_step = []
    for architecture in draw_uniformly(space, size, TIMED_ARCHITECTURES, seed=0):
        objects = train_setup.build(short, architecture, cache=runtime.cache, device=runtime.device)
        steps = steps or objects.task.steps(objects.part, settings.train.batch_size)
        with tempfile.TemporaryDirectory() as folder:
            training = Training(objects, Run(Path(folder), {}))
            for _ in range(2):  # the first time, memory is fetched and kernels are chosen
                training.step, training.spent = 0, 0.0
                with Interrupt() as interrupt, Progress("timing", TIMED_STEPS, console=runtime.console) as bar:
                    train_epoch(training, bar, interrupt)
        per_step.append(training.spent / TIMED_STEPS)
    assert steps is not None
    return statistics.fmean(per_step) * steps * settings.train.epochs


def stored_seconds(space: Space, size: dict[str, int], settings: TrainSettings, out: Path, runtime: Runtime) -> float:
    """What `estimate_seconds` gave in this folder before, with the same settings; or estimate now, and store it.

    A comparison that is taken up again must spend the budget that it began with.

    Raises:
        EnasError: data or settings are unfit, or the folder cannot be written.
    """
    folder = Run(out, {})
    if (out / TIMED).is_file():
        stored = folder.read_json(TIMED)
        if isinstance(stored, dict) and stored.get("settings") == settings.to_json():
            return float(stored["seconds"])
    seconds = estimate_seconds(space, size, settings, runtime)
    folder.write_json(TIMED, {"seconds": seconds, "settings": settings.to_json()})
    return seconds
