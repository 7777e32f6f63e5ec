"""Figures of a comparison of methods: on the terminal, and as JSON."""

import json
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from rich.table import Table

from enas.runtime import Runtime
from enas.space import Space
from enas.study.correlation import Correlation
from enas.study.methods import Choice
from enas.study.settings import StudySettings
from enas.study.truth import Truth

SHOWN_EPOCHS = 4
"""Epochs at which the table shows tau; `compare.json` has all."""


@dataclass(frozen=True)
class Results:
    """All that was measured."""

    settings: StudySettings
    space: Space
    choices: tuple[Choice, ...]
    correlations: tuple[Correlation, ...]
    training_seconds: float
    """Of training one architecture from scratch: measured, or with a table estimated from some steps."""
    table: tuple[float, ...] | None
    """All figures of the table; None: architectures were trained."""

    def values(self, method: str) -> list[float]:
        """True figures of a method's choices, one a seed."""
        return [choice.value for choice in self.choices if choice.method == method]

    def better_share(self, value: float) -> float | None:
        """Share of the table that is better; None without a table."""
        if self.table is None:
            return None
        return sum(self.space.task.direction * (other - value) > 0 for other in self.table) / len(self.table)


@dataclass(frozen=True)
class Cost:
    """What a search costs against training its candidates from scratch (Pham et al. 2018, section 1: "1000x")."""

    search_seconds: float
    """Mean over the seeds."""
    candidates: int
    """Architectures that it scores, each time counted."""
    training_seconds: float
    """Of one of them, from scratch."""

    @property
    def times(self) -> float:
        """How many times longer it takes to train all candidates."""
        return self.candidates * self.training_seconds / self.search_seconds


def cost(results: Results) -> Cost | None:
    """Cost of the ENAS searches, or else of random search with weight sharing; None: there is no search."""
    for method in ("enas", "shared-random"):
        own = [choice for choice in results.choices if choice.method == method]
        if own:
            seconds = statistics.fmean(choice.seconds for choice in own)
            return Cost(seconds, own[0].scored, results.training_seconds)
    return None


def to_json(results: Results, truth: Truth) -> str:
    """The text of `compare.json`."""
    settings, spent = results.settings, cost(results)
    content = {
        "space": results.space.name,
        "preset": settings.search.preset,
        "metric": results.space.task.metric,
        "table": None if settings.table is None else str(settings.table),
        "seeds": list(settings.seeds),
        "methods": {method: _method_json(method, results, truth) for method in settings.methods},
        "correlations": [_correlation_json(item, results) for item in results.correlations],
        "cost": None if spent is None else _plain(asdict(spent) | {"times": spent.times}),
        "search": settings.search.to_json(),
        "train": settings.train.to_json(),
    }
    return json.dumps(content, indent=1) + "\n"


def _method_json(method: str, results: Results, truth: Truth) -> dict[str, object]:
    values = results.values(method)
    choices = [
        {
            "seed": choice.seed,
            "architecture": truth.name(choice.architecture),
            "choices": dict(choice.architecture.choices),
            "value": choice.value,
            "better_share": results.better_share(choice.value),
            "seconds": choice.seconds,
            "scored": choice.scored,
        }
        for choice in results.choices
        if choice.method == method
    ]
    return _plain({"mean": statistics.fmean(values), "standard_deviation": deviation(values), "choices": choices})


def _correlation_json(item: Correlation, results: Results) -> dict[str, object]:
    """The figures; single architectures after the last epoch only."""
    own = (other for other in results.correlations if (other.method, other.seed) == (item.method, item.seed))
    figures = asdict(item)
    if item.epoch < max(other.epoch for other in own):
        del figures["points"]
    return _plain(figures)


def _plain(figures: dict[str, object]) -> dict[str, object]:
    """What is undefined is null in JSON."""
    return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in figures.items()}


def show(results: Results, runtime: Runtime) -> None:
    """Print the tables."""
    runtime.console.print(_choices_table(results))
    for line in _gains(results):
        runtime.say(line)
    if results.correlations:
        runtime.console.print(_correlation_table(results))
    spent = cost(results)
    if spent is not None and not math.isnan(spent.times):
        measured = "measured" if results.table is None else "estimated from some steps"
        runtime.say(
            f"cost: a search takes {spent.search_seconds:.1f} s and scores {spent.candidates:,} architectures, repeats "
            f"counted; training each from scratch would take {spent.candidates:,} x {spent.training_seconds:.1f} s "
            f"({measured}), {spent.times:.0f} times as long"
        )


def _choices_table(results: Results) -> Table:
    metric, methods = results.space.task.metric, results.settings.methods
    source = "looked up" if results.table is not None else "trained from scratch"
    table = Table(title=f"What the chosen architectures are worth: {metric}, {source}")
    for name in ("method", "scored", "seconds", "mean +- deviation", "each seed"):
        table.add_column(name, justify="left" if name == "method" else "right", no_wrap=True)
    if results.table is not None:
        table.add_column("better ones", justify="right")
    for method in methods:
        own, values = [choice for choice in results.choices if choice.method == method], results.values(method)
        seconds = statistics.fmean(choice.seconds for choice in own)
        each = "\n".join(f"{value:.4f}" for value in values)
        row = [method, _range(choice.scored for choice in own), f"{seconds:.1f}", _spread(values, 4), each]
        if results.table is not None:
            shares = [results.better_share(value) or 0.0 for value in values]
            row.append(f"{100 * statistics.fmean(shares):.2f} %")
        table.add_row(*row)
    if results.table is not None:
        table.add_row("whole table", f"{len(results.table)}", "", _spread(results.table, 4))
    return table


def _gains(results: Results) -> Iterable[str]:
    """What the first method gains over each other one, seed by seed."""
    first, *others = results.settings.methods
    for other in others:
        gains = [own - rival for own, rival in zip(results.values(first), results.values(other), strict=True)]
        error = f" +- {deviation(gains) / math.sqrt(len(gains)):.4f} (standard error)" if len(gains) > 1 else ""
        yield f"{first} minus {other}, each seed with itself: {statistics.fmean(gains):+.4f}{error}"


def _correlation_table(results: Results) -> Table:
    epochs = sorted({item.epoch for item in results.correlations})
    shown = sorted({epochs[math.ceil(len(epochs) * part / SHOWN_EPOCHS) - 1] for part in range(1, SHOWN_EPOCHS + 1)})
    table = Table(
        title="Scores with shared weights against the truth: tau-b after some epochs, the rest after the last"
    )
    for name in ("method", "architectures", *(f"tau, {epoch}" for epoch in shown), "Spearman", "top"):
        table.add_column(name, justify="left" if name == "method" else "right", no_wrap=name == "method")
    for method, origin in dict.fromkeys((item.method, item.origin) for item in results.correlations):
        own = [item for item in results.correlations if (item.method, item.origin) == (method, origin)]
        last = [item for item in own if item.epoch == epochs[-1]]
        count = _range(len(item.points) for item in last)
        taus = [[item.kendall for item in own if item.epoch == epoch] for epoch in shown]
        figures = [*taus, [item.spearman for item in last], [item.precision for item in last]]
        table.add_row(method, f"{count} {origin}", *(_spread(values).replace(" +-", "\n+-") for values in figures))
    return table


def deviation(values: Sequence[float]) -> float:
    """Standard deviation over the seeds; nan for a single one."""
    return statistics.stdev(values) if len(values) > 1 else math.nan


def _spread(values: Sequence[float], digits: int = 2) -> str:
    """Mean and standard deviation of those that are defined."""
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return "-"
    return f"{statistics.fmean(known):.{digits}f}" + (f" +- {deviation(known):.{digits}f}" if len(known) > 1 else "")


def _range(values: Iterable[int]) -> str:
    known = sorted(set(values))
    return f"{known[0]}" if len(known) == 1 else f"{known[0]} to {known[-1]}" if known else "-"
