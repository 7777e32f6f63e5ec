"""What each piece of the search brings: variants of one search over several seeds, judged by a table of true accuracies.

    python benchmarks/search_quality.py nasbench-macro --table FILE --dataset FOLDER [--variants base uniform] [--seeds 0 1 2]

For each variant: the true accuracy of the derived architecture (mean and standard deviation over the seeds), the share of the
table that is better, Kendall's tau-b between scores with shared weights and truth over uniformly drawn architectures, and the
seconds of a search. Each search is a run folder under --out; started again, the script goes on where it stood. The results are
written after every search. A variant is a dictionary of fields of `SearchConfig` (a name before a dot: of another part); --set
FIELD=VALUE changes all of them alike.
"""

import argparse
import json
import statistics
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from enas.config import DataConfig
from enas.errors import EnasError, UsageError
from enas.files import write_text
from enas.flags import from_dict
from enas.runtime import Runtime, keep_freed_memory, resolve_device
from enas.search.scoring import Decoder
from enas.search.setup import SearchSettings, check_sampling
from enas.spaces import load
from enas.study.correlation import correlate
from enas.study.methods import search
from enas.study.truth import TableTruth

VARIANTS: dict[str, dict[str, Any]] = {
    "base": {},
    "no-warm-up": {"warmup_epochs": 0, "warmup_sampling": "uniform"},
    "uniform-warm-up": {"warmup_sampling": "uniform"},
    "never-policy": {"weights_sampling": "fair"},
    "three-a-step": {"architectures_per_step": 3, "steps_per_epoch": 1 / 3},
    "average": {"scoring_average": 0.999},
    "running-statistics": {"batch_norm": "running"},
    "fixed-batch": {"fix_reward_batch": True},
    "large-batch": {"reward_batch_size": 2.0, "controller_samples": 0.5},
    "moving-average": {"baseline": "average", "baseline_decay": 0.9, "normalise_advantage": False},
    "not-normalised": {"normalise_advantage": False},
    "wide-policy": {"controller.tanh_constant": 2.5},
    "reuse": {"policy_updates": 3},
    "entropy-schedule": {"entropy_weight": 0.03, "entropy_weight_end": 0.0},
    "one-stage": {"derive_stages": 1, "derive_samples": 100, "derive_examples": 2000},
    "shared-random": {},
}
"""Changes to the preset. A fraction for a whole-number field is a share of the preset's (for steps_per_epoch, of
a pass over the data). "shared-random" is random search with weight sharing at the budget of "base"."""
PROBES = 200
"""Uniformly drawn architectures over which tau is measured."""
PROBE_EVERY = 10
"""Epochs between two such measurements."""


def arguments() -> argparse.Namespace:
    """Flags of this script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("space")
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--table-key")
    parser.add_argument("--dataset", help="default: the embedded data")
    parser.add_argument("--preset", default="cpu")
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS), metavar="VARIANT")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--set", nargs="+", default=[], metavar="FIELD=VALUE", dest="changes")
    parser.add_argument("--out", type=Path, default=Path("runs") / "search_quality")
    parser.add_argument("--name", help="of the result (default: SPACE-PRESET)")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--cache-dir", type=Path, default=Path.home() / ".cache" / "enas")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", default="auto")
    return parser.parse_args()


def changed(settings: SearchSettings, changes: dict[str, Any], steps: int) -> SearchSettings:
    """Settings with changes, checked as those of a `config.json` are.

    Args:
        settings: To be changed.
        changes: From field of `SearchConfig`, or part.field, to value.
        steps: In one pass over the training data.
    """
    for name, value in changes.items():
        part, _, field = name.rpartition(".")
        part = part or "search"
        config = getattr(settings, part, None)
        if not is_dataclass(config) or field not in {item.name for item in fields(config)}:
            raise UsageError(f"{name} is no setting of a search")
        data = {item.name: getattr(config, item.name) for item in fields(config)}
        old = data[field] or steps if field == "steps_per_epoch" else data[field]
        if isinstance(value, float) and isinstance(old, int) and not isinstance(old, bool):
            value = max(1, round(value * old))
        data[field] = value
        settings = replace(settings, **{part: from_dict(type(config), data, name)})
    return settings


def parse(words: list[str]) -> dict[str, Any]:
    """FIELD=VALUE, the value as JSON or else a text."""
    found: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"--set needs FIELD=VALUE, got {word!r}")
        try:
            found[name.replace("-", "_")] = json.loads(value)
        except ValueError:
            found[name.replace("-", "_")] = value
    return found


def main() -> None:
    """Search, judge, print and write."""
    options = arguments()
    if options.threads:
        torch.set_num_threads(options.threads)
    keep_freed_memory()
    runtime = Runtime(resolve_device(options.device), options.cache_dir, Console())
    space = load(options.space)
    base = SearchSettings.from_preset(space, options.preset, DataConfig(dataset=options.dataset))
    base = replace(base, search=replace(base.search, probe_samples=PROBES, probe_every=PROBE_EVERY))
    task = space.task.load(base.data, base.augment, cache=runtime.cache, device=runtime.device)
    base = changed(base, parse(options.changes), task.steps("train", base.search.batch_size))
    steps = task.steps("train", base.search.batch_size)
    size = dict(space.size(base.supernet))
    decoder = Decoder(space.name, space.steps(size), size)
    truth = TableTruth(space, options.table, options.table_key, seconds=float("nan"))
    variants = {name: changed(base, VARIANTS[name], steps) for name in options.variants}
    for settings in variants.values():
        check_sampling(settings.search, decoder.steps)  # refused now rather than after the searches before
    result: dict[str, Any] = {
        "space": space.name,
        "preset": options.preset,
        "dataset": base.data.dataset and Path(base.data.dataset).name,
        "changes": parse(options.changes),
        "threads": torch.get_num_threads(),
        "device": str(runtime.device),
        "torch": str(torch.__version__),
        "variants": {},
    }
    file = options.results / f"search_quality-{options.name or f'{space.name}-{options.preset}'}.json"
    options.results.mkdir(exist_ok=True)
    for seed in options.seeds:  # all variants of a seed first, so that an early end leaves fair comparisons
        for name, settings in variants.items():
            folder = options.out / f"{name}-{seed}"
            runtime.say(f"== {name}, seed {seed}: {folder}")
            method = "shared-random" if name == "shared-random" else "enas"
            choice = search(settings, method, seed, truth, folder, runtime, task, True)
            last = [item for item in correlate(method, seed, folder, truth, decoder) if item.origin == "uniform"]
            candidates = json.loads((folder / "candidates.json").read_text())
            entry = result["variants"].setdefault(name, {"changes": VARIANTS[name], "runs": []})
            entry["runs"].append(
                {
                    "seed": seed,
                    "architecture": truth.name(choice.architecture),
                    "truth": choice.value,
                    "better_share": sum(value > choice.value for value in truth.values.values()) / len(truth.values),
                    "tau": [item.kendall for item in last],
                    "precision": last[-1].precision,
                    "agreement": candidates["agreement"],
                    "seconds": choice.seconds,
                }
            )
            write_text(file, json.dumps(result, indent=1) + "\n")
            report(result, runtime.console)
    runtime.say(f"written: {file}")


def report(result: dict[str, Any], console: Console) -> None:
    """Print one table."""
    table = Table(title=f"{result['space']}, preset {result['preset']}")
    for name in ("variant", "n", "true accuracy", "better ones", "tau, last epoch", "s"):
        table.add_column(name, justify="left" if name == "variant" else "right", no_wrap=True)
    for name, entry in result["variants"].items():
        runs = entry["runs"]
        better = 100 * statistics.fmean(run["better_share"] for run in runs)
        seconds = statistics.fmean(run["seconds"] for run in runs)
        truth, tau = spread([run["truth"] for run in runs]), spread([run["tau"][-1] for run in runs])
        table.add_row(name, f"{len(runs)}", truth, f"{better:.2f} %", tau, f"{seconds:.0f}")
    console.print(table)


def spread(values: list[float]) -> str:
    """Mean and standard deviation."""
    deviation = f" +- {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.3f}{deviation}"


if __name__ == "__main__":
    try:
        main()
    except EnasError as error:
        raise SystemExit(f"search_quality: {error}") from None
