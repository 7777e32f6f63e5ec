"""The comparison itself: every method with every seed, then the figures."""

from dataclasses import replace
from pathlib import Path

from enas.commands import freeze
from enas.errors import RunError
from enas.files import write_errors, write_text
from enas.runtime import Runtime
from enas.search.scoring import Decoder
from enas.space import Space
from enas.spaces import load
from enas.study import methods
from enas.study.correlation import Correlation, correlate
from enas.study.methods import Choice
from enas.study.plot import plot
from enas.study.report import Results, show, to_json
from enas.study.settings import METHODS, StudySettings
from enas.study.truth import TableTruth, TrainedTruth, Truth, stored_seconds
from enas.table import read_table
from enas.tasks.task import Task


def study(settings: StudySettings, out: Path, runtime: Runtime, *, resume: bool = False) -> Results:
    """Compare methods of search over several seeds: what `enas compare SPACE` does.

    Each search and each training is a run of its own under `out`, and is taken up where it stood with `resume`; more seeds or
    methods may then be asked for.

    Raises:
        EnasError: data, settings, table or folder are unfit, or the data has no test part where architectures are trained.
        Interrupted: the user asked to stop; all is saved.
    """
    settings = replace(settings, search=freeze(settings.search), train=freeze(settings.train))
    if out.exists() and any(out.iterdir()) and not resume:
        raise RunError(f"folder {out} is not empty: --resume goes on with what is there, --out NAME starts anew")
    space = load(settings.search.space)
    size = dict(space.size(settings.search.supernet))
    task: Task = space.task.load(
        settings.train.data, settings.train.augment, cache=runtime.cache, device=runtime.device
    )
    if settings.table is None:
        task.examples("test")  # refused now rather than after the first search
    with write_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    truth = _truth(settings, space, size, out, runtime, resume)
    runtime.say(plan(settings))
    choices: list[Choice] = []
    correlations: list[Correlation] = []
    decoder = Decoder(space.name, space.steps(size), size)
    in_order = sorted(
        settings.methods, key=METHODS.index
    )  # plain random search last: it spends the seconds of a search
    for seed in settings.seeds:
        for method in in_order:
            folder = out / f"{method}-{seed}"
            runtime.say(f"== {method}, seed {seed}")
            if method == "random":
                spent = [choice.seconds for choice in choices if choice.seed == seed]
                choices.append(
                    methods.choose_randomly(
                        space, size, seed, truth, trainings=settings.random, seconds=spent[0] if spent else None
                    )
                )
            else:
                choices.append(methods.search(settings.search, method, seed, truth, folder, runtime, task, resume))
                correlations += correlate(method, seed, folder, truth, decoder)
    table = tuple(truth.values.values()) if isinstance(truth, TableTruth) else None
    results = Results(settings, space, tuple(choices), tuple(correlations), truth.mean_seconds(), table)
    write_text(out / "compare.json", to_json(results, truth))
    pictures = plot(results, out)
    show(results, runtime)
    runtime.say(f"written: {', '.join(map(str, [out / 'compare.json', *pictures]))}")
    return results


def plan(settings: StudySettings) -> str:
    """What will be run, in one line."""
    searches = len(settings.seeds) * sum(method != "random" for method in settings.methods)
    words = f"plan: {searches} searches"
    if settings.table is not None:
        return f"{words}, true figures from {settings.table}"
    words += f" and {searches} trainings of what they choose"
    kinds = 1 + ("enas" in settings.methods) * len(settings.seeds)  # uniform ones, and those of each seed's policy
    if searches and (probes := kinds * settings.search.search.probe_samples):
        words += f", up to {probes} trainings for the rank correlation (--probe-samples 0: none)"
    if "random" in settings.methods:
        each = "as many as the seconds of a search pay for" if settings.random is None else settings.random
        words += f", random search: {each} trainings a seed"
    return words


def _truth(
    settings: StudySettings, space: Space, size: dict[str, int], out: Path, runtime: Runtime, resume: bool
) -> Truth:
    if settings.table is None:
        return TrainedTruth(space, settings.train, out / "trained", runtime, resume=resume)
    read_table(settings.table, settings.table_key)  # refused now rather than after the timing
    seconds = stored_seconds(space, size, settings.train, out, runtime)
    return TableTruth(space, settings.table, settings.table_key, seconds)
