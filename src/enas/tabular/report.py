"""Figures of a tabular search: on the terminal, as JSON and as a picture."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

from rich.table import Table

from enas.architecture import decode
from enas.files import replacing
from enas.picture import METADATA
from enas.runtime import Runtime
from enas.space import Space
from enas.tabular.queries import Codes
from enas.tabular.settings import TabularSettings

SHARES: Final = (0.01, 0.005, 0.001)
"""Of the whole table: the best ones of which one is to be found."""
SHOWN_QUERIES: Final = (25, 50, 100, 200, 500)
"""After which the terminal shows the best accuracy."""
COLOURS: Final = {"reinforce": "#d55e00", "evolution": "#0072b2", "random": "#777777"}


@dataclass(frozen=True)
class Trace:
    """One run of one method."""

    seed: int
    asked: Mapping[Codes, float]
    """Accuracies in percent, in the order of the queries."""

    @property
    def best(self) -> Codes:
        """The best architecture that was asked for."""
        return max(self.asked, key=lambda codes: self.asked[codes])

    def queries_to(self, value: float) -> int | float:
        """The number of the query that first reached an accuracy; infinite when none did."""
        return next((n for n, found in enumerate(self.asked.values(), 1) if found >= value), math.inf)

    def curve(self, queries: int) -> list[float]:
        """Best accuracy after each query; flat where the run ended early."""
        best = list(accumulate(self.asked.values(), max))
        return best + [best[-1]] * (queries - len(best))


@dataclass(frozen=True)
class Results:
    """All that was measured."""

    settings: TabularSettings
    space: Space
    values: Mapping[Codes, float]
    traces: Mapping[str, tuple[Trace, ...]]
    """By method, one a seed."""

    def target(self, share: float) -> float:
        """The accuracy that the best share of the table reaches."""
        return sorted(self.values.values(), reverse=True)[math.ceil(share * len(self.values)) - 1]

    def quantiles(self, method: str) -> list[tuple[int | float, int | float, int | float]]:
        """Lower quartile, median and upper quartile of the best accuracy over the seeds, after each query."""
        curves = [trace.curve(self.settings.tabular.queries) for trace in self.traces[method]]
        return [quartiles(column) for column in zip(*curves, strict=True)]


def quartiles(values: Sequence[int | float]) -> tuple[int | float, int | float, int | float]:
    """Lower quartile, median, upper quartile, each a value that is there or the mean of two; infinite ones last."""
    ranked = sorted(values)

    def middle(part: Sequence[int | float]) -> int | float:
        low, high = part[(len(part) - 1) // 2], part[len(part) // 2]
        return low if low == high else (low + high) / 2

    half = (len(ranked) + 1) // 2
    return middle(ranked[:half]), middle(ranked), middle(ranked[-half:])


def show(results: Results, runtime: Runtime) -> None:
    """Print two tables: queries until a target is reached, and the best accuracy after some queries."""
    count, budget = results.settings.tabular.seeds, results.settings.tabular.queries
    runtime.say(f"{len(results.values):,} architectures; a query is a distinct one, and repeated ones are free")
    targets = [(f"top {share * 100:g} %", results.target(share)) for share in SHARES]
    table = Table(title=f"Queries until found, median of {count} seeds (quartiles; found by)")
    table.add_column("method")
    for name, value in targets:
        table.add_column(f"{name}: {value:.2f}", justify="right")
    for method, traces in results.traces.items():
        cells = []
        for _, value in targets:
            reached = [trace.queries_to(value) for trace in traces]
            low, median, high = (_number(part, budget) for part in quartiles(reached))
            cells.append(f"{median} ({low} to {high}; {sum(map(math.isfinite, reached))} of {count})")
        table.add_row(method, *cells)
    runtime.console.print(table)
    shown = [n for n in SHOWN_QUERIES if n <= budget] or [budget]
    table = Table(title=f"Best accuracy in percent, median of {count} seeds")
    table.add_column("after queries")
    for n in shown:
        table.add_column(str(n), justify="right")
    for method in results.traces:
        curve = results.quantiles(method)
        table.add_row(method, *(f"{curve[n - 1][1]:.2f}" for n in shown))
    table.add_row("best of the table", *[""] * (len(shown) - 1), f"{max(results.values.values()):.2f}")
    runtime.console.print(table)


def _number(value: int | float, budget: int) -> str:
    return f"{value:g}" if math.isfinite(value) else f"over {budget}"


def to_json(results: Results) -> str:
    """The text of `tabular.json`; null stands for a target that was not reached."""
    targets = {f"{share * 100:g} %": results.target(share) for share in SHARES}
    methods: dict[str, Any] = {}
    for method, traces in results.traces.items():
        reached = {name: [trace.queries_to(value) for trace in traces] for name, value in targets.items()}
        methods[method] = {
            "median_queries_to": {name: _finite(quartiles(numbers)[1]) for name, numbers in reached.items()},
            "runs": [
                {
                    "seed": trace.seed,
                    "queries": len(trace.asked),
                    "queries_to": {name: _finite(numbers[index]) for name, numbers in reached.items()},
                    "best": max(trace.asked.values()),
                    "architecture": _string(results, trace.best),
                }
                for index, trace in enumerate(traces)
            ],
            "best_after": {
                name: [round(row[place], 4) for row in results.quantiles(method)]
                for place, name in enumerate(("lower_quartile", "median", "upper_quartile"))
            },
        }
    data = {
        "settings": results.settings.to_json(),
        "architectures": len(results.values),
        "best": max(results.values.values()),
        "top": {
            name: {"accuracy": value, "architectures": sum(other >= value for other in results.values.values())}
            for name, value in targets.items()
        },
        "methods": methods,
    }
    return json.dumps(data, indent=1) + "\n"


def _finite(value: int | float) -> int | float | None:
    return value if math.isfinite(value) else None


def _string(results: Results, codes: Codes) -> str:
    space = results.space
    size = dict(space.size(space.presets[results.settings.preset].supernet))
    assert space.strings is not None
    return space.strings.write(decode(codes, space.steps(size), space=space.name, size=size))


def plot(results: Results, out: Path) -> list[Path]:
    """Write `tabular.svg` and `tabular.png`: best accuracy against queries, median and quartiles of the seeds.

    Raises:
        RunError: the disk is full, or the folder cannot be written.
    """
    import matplotlib
    from matplotlib.figure import Figure

    files = [out / "tabular.svg", out / "tabular.png"]
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rc("svg", fonttype="none", hashsalt="enas")
        matplotlib.rc("axes.spines", top=False, right=False)
        figure = Figure(figsize=(6, 4), dpi=150, layout="constrained")
        axes = figure.subplots()
        for method in results.traces:
            low, median, high = zip(*results.quantiles(method), strict=True)
            numbers = range(1, len(median) + 1)
            axes.plot(numbers, median, color=COLOURS[method], label=method)
            axes.fill_between(numbers, low, high, color=COLOURS[method], alpha=0.2, linewidth=0)
        for share in SHARES:
            axes.axhline(results.target(share), color="#bbbbbb", linewidth=0.8, zorder=0)
        ranked = sorted(results.values.values())
        axes.set(
            xscale="log",
            ylim=(ranked[len(ranked) // 2], ranked[-1] + 0.05 * (ranked[-1] - ranked[len(ranked) // 2])),
            xlabel="queries (distinct architectures looked up)",
            ylabel="best accuracy so far, %",
            title=f"{results.space.name}, {results.settings.tabular.seeds} seeds: median and quartiles",
        )
        axes.legend(frameon=False, loc="lower right")
        for file in files:
            form = file.suffix[1:]
            with replacing(file) as temporary:
                figure.savefig(
                    temporary, format=form, metadata={"Title": f"{results.space.name} from a table", **METADATA[form]}
                )
    return files
