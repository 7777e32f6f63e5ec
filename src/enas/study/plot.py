"""The picture of a comparison: scores with shared weights against the truth, and rank correlation over the epochs."""

import math
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from enas.files import replacing
from enas.picture import METADATA
from enas.study.report import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS: Final = {"uniform": "#0072b2", "policy": "#d55e00"}
"""Of Okabe and Ito: told apart by colour-blind readers too."""
DASHES: Final = {"enas": "-", "shared-random": "--"}
SIDE: Final = 3.6
"""Width and height of a panel, in inches."""


def plot(results: Results, out: Path) -> list[Path]:
    """Write `compare.svg` and `compare.png`; nothing where no architecture was probed.

    Raises:
        RunError: the disk is full, or the folder cannot be written.
    """
    if not results.correlations:
        return []
    import matplotlib
    from matplotlib.figure import Figure

    methods = list(dict.fromkeys(item.method for item in results.correlations))
    files = [out / "compare.svg", out / "compare.png"]
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rc("svg", fonttype="none", hashsalt="enas")
        matplotlib.rc("axes.spines", top=False, right=False)
        figure = Figure(figsize=(SIDE * (len(methods) + 1), SIDE), dpi=150, layout="constrained")
        *scatters, lines = figure.subplots(1, len(methods) + 1)
        for axes, method in zip(scatters, methods, strict=True):
            _scatter(axes, method, results)
        _lines(lines, results)
        for file in files:
            form = file.suffix[1:]
            with replacing(file) as temporary:
                figure.savefig(
                    temporary, format=form, metadata={"Title": f"compare {results.space.name}", **METADATA[form]}
                )
    return files


def _scatter(axes: "Axes", method: str, results: Results) -> None:
    """Each probed architecture after the last epoch, all seeds together."""
    metric = results.space.task.metric
    own = [item for item in results.correlations if item.method == method]
    last = max(item.epoch for item in own)
    for origin, colour in COLOURS.items():
        points = [point for item in own if item.origin == origin and item.epoch == last for point in item.points]
        if points:
            style: dict[str, Any] = {"s": 10, "alpha": 0.6, "linewidths": 0, "color": colour, "label": origin}
            axes.scatter([score for _, score, _ in points], [value for _, _, value in points], **style)
    axes.set(title=f"{method}, epoch {last}", xlabel=f"{metric} with shared weights", ylabel=f"true {metric}")
    axes.legend(frameon=False)


def _lines(axes: "Axes", results: Results) -> None:
    """Mean of tau over the seeds, for each method and origin."""
    for method, origin in dict.fromkeys((item.method, item.origin) for item in results.correlations):
        by_epoch: dict[int, list[float]] = {}
        for item in results.correlations:
            if (item.method, item.origin) == (method, origin) and not math.isnan(item.kendall):
                by_epoch.setdefault(item.epoch, []).append(item.kendall)
        means = [statistics.fmean(values) for values in by_epoch.values()]
        style: dict[str, Any] = {"color": COLOURS[origin], "linestyle": DASHES[method], "marker": "."}
        axes.plot(list(by_epoch), means, label=f"{method}, {origin}", **style)
    axes.axhline(0, color="#999999", linewidth=0.8)
    axes.set(title="rank correlation", xlabel="epoch", ylabel="Kendall's tau-b")
    axes.legend(frameon=False)
