"""The tabular search: every method with every seed, on the same table."""

from pathlib import Path

from enas.architecture import decode
from enas.errors import UsageError
from enas.files import write_errors, write_text
from enas.run import Run
from enas.runtime import Runtime
from enas.space import Space
from enas.spaces import load
from enas.tabular.methods import methods
from enas.tabular.queries import Queries, read_rewards
from enas.tabular.report import Results, Trace, plot, show, to_json
from enas.tabular.settings import TabularSettings


def tabular_search(settings: TabularSettings, out: Path, runtime: Runtime) -> Results:
    """Search on looked-up accuracies: what `enas search SPACE --reward-table FILE` does.

    Leaves in the folder `tabular.json`, `tabular.svg`, `tabular.png`, and in `architecture.json` the best architecture that the
    controller found with the first seed.

    Raises:
        EnasError: table, settings or folder are unfit.
    """
    Run.check_free(out)
    results = measure(settings, load(settings.space))
    with write_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    write_text(out / "tabular.json", to_json(results))
    pictures = plot(results, out)
    first = results.traces["reinforce"][0]
    space = results.space
    size = dict(space.size(space.presets[settings.preset].supernet))
    decode(first.best, space.steps(size), space=space.name, size=size).save(out / "architecture.json")
    show(results, runtime)
    runtime.say(f"written: {', '.join(map(str, [out / 'tabular.json', *pictures, out / 'architecture.json']))}")
    return results


def measure(settings: TabularSettings, space: Space) -> Results:
    """Run every method with every seed.

    Raises:
        EnasError: the table is unfit, or has fewer architectures than queries are allowed.
    """
    size = dict(space.size(space.presets[settings.preset].supernet))
    values = read_rewards(space, size, settings.table, settings.table_key)
    config = settings.tabular
    if config.queries > len(values):
        raise UsageError(f"--queries {config.queries} is more than the {len(values):,} architectures of {space.name}")
    run = methods(space.steps(size), settings.controller, settings.search, settings.evolution)
    traces: dict[str, tuple[Trace, ...]] = {}
    for name, method in run.items():
        found = []
        for seed in range(settings.search.seed, settings.search.seed + config.seeds):
            queries = Queries(values, config.queries)
            method(queries, seed)
            found.append(Trace(seed, queries.asked))
        traces[name] = tuple(found)
    return Results(settings, space, values, traces)
