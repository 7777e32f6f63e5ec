"""Found against random: the same training for the architecture of a search and for architectures drawn by chance."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

from rich.table import Table

from enas import commands
from enas.architecture import Architecture
from enas.errors import UsageError
from enas.files import write_text
from enas.run import Run
from enas.runtime import Runtime
from enas.sources import Source, draw_uniformly
from enas.tasks.task import Task
from enas.train.loop import RESULT
from enas.train.setup import TrainSettings


@dataclass(frozen=True)
class Comparison:
    """The metric (accuracy, perplexity) of the found architecture and of each random one on the test split."""

    found: float
    random: tuple[float, ...]

    @property
    def random_mean(self) -> float:
        """Mean of the random architectures."""
        return sum(self.random) / len(self.random)

    @property
    def random_deviation(self) -> float:
        """Standard deviation of the random architectures; nan for a single one."""
        if len(self.random) < 2:
            return float("nan")
        return math.sqrt(sum((value - self.random_mean) ** 2 for value in self.random) / (len(self.random) - 1))


def compare(
    settings: TrainSettings, source: Source, random: int, out: Path, runtime: Runtime, *, resume: bool = False
) -> Comparison:
    """Train the found architecture and `random` uniformly drawn ones alike, and test them all.

    Each training is a run of its own under `out` and is taken up where it stood with `resume`. A training of the found
    architecture that `enas train` has done with the same settings is not done again.

    Raises:
        EnasError: data, settings or folder are unfit, or the data has no test split.
        Interrupted: the user asked to stop; all is saved.
    """
    if random < 1:
        raise UsageError(f"--random must be at least 1, got {random}")
    task: Task = source.space.task.load(settings.data, settings.augment, cache=runtime.cache, device=runtime.device)
    task.examples("test")  # refused now rather than after the first training
    drawn = draw_uniformly(source.space, dict(source.architecture.size), random, seed=settings.train.seed)
    rivals = {"found": source} | {
        f"random{index}": replace(source, architecture=architecture, where=f"random architecture {index}", run=None)
        for index, architecture in enumerate(drawn)
    }
    results = {}
    for name, rival in rivals.items():
        trained = name == "found" and _trained_before(settings, source)
        folder = trained or out / name
        results[name] = commands.train(settings, rival, folder, runtime, resume=resume or bool(trained), advise=False)
    values = {name: result[f"test/{task.metric}"] for name, result in results.items()}
    comparison = Comparison(values["found"], tuple(values[f"random{index}"] for index in range(random)))
    _show(results, task.metric, comparison, out, runtime)
    return comparison


def _trained_before(settings: TrainSettings, source: Source) -> Path | None:
    """The folder in which `enas train` has already trained the found architecture with these settings."""
    if source.run is None or not (source.run / "train" / RESULT).is_file():
        return None
    folder = source.run / "train"
    same = TrainSettings.from_json(Run.open(folder).settings, str(folder)) == settings
    return folder if same and Architecture.load(folder / "architecture.json") == source.architecture else None


def _show(
    results: dict[str, dict[str, int | float]], metric: str, comparison: Comparison, out: Path, runtime: Runtime
) -> None:
    table = Table(title=f"Test {metric}, trained from scratch alike")
    for name in ("architecture", "parameters", f"test {metric}"):
        table.add_column(name, justify="left" if name == "architecture" else "right")
    lines = [f"architecture,parameters,test {metric}"]
    for name, result in results.items():
        row = (name, f"{int(result['parameters'])}", f"{result[f'test/{metric}']:.4f}")
        table.add_row(*row)
        lines.append(",".join(row))
    count = len(comparison.random)
    deviation = f" +- {comparison.random_deviation:.4f}" if count > 1 else ""
    table.add_row(f"mean of {count} random", "", f"{comparison.random_mean:.4f}{deviation}")
    table.add_row("found minus random", "", f"{comparison.found - comparison.random_mean:+.4f}")
    runtime.console.print(table)
    write_text(out / "compare.csv", "\n".join(lines) + "\n")
