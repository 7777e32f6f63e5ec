"""Which settings of REINFORCE need the fewest queries of a table of accuracies: a paired comparison over seeds.

    python benchmarks/tabular.py TABLE [--seeds 20] [--only WORD ...]

TABLE is that of NAS-Bench-Macro. Each row changes the reference, the preset "tabular", in one thing, or stands for itself, and
is run twice with each seed: on the table as it is, and with the three blocks of each layer renamed at random. The controller
has one softmax for all layers: "the largest block everywhere" is quickly learned on the first, and means nothing on the second.
A query is a distinct architecture. Prints a table and writes results/tabular.json.
"""

import argparse
import json
import math
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from scipy.stats import wilcoxon

from enas.spaces import load
from enas.spaces.nasbench_macro.steps import BLOCKS, LAYERS, SIZE
from enas.tabular.methods import EvolutionConfig, draw_randomly, evolve, reinforce
from enas.tabular.queries import Codes, Queries, read_rewards

BUDGET = 200
SHARES = {"top 0.5 %": 0.005, "top 0.1 %": 0.001}
REFERENCE = "preset tabular"
Method = Callable[[Queries, int], None]


def rows() -> dict[str, Method]:
    """What is compared."""
    space = load("nasbench-macro")
    steps, tabular = space.steps(SIZE), space.presets["tabular"]
    cpu, paper = space.presets["cpu"], space.presets["paper"]

    def policy(preset, controller=None, **search):
        controller_config = replace(preset.controller, **(controller or {}))
        search_config = replace(preset.search, **search)
        return lambda queries, seed: reinforce(queries, steps, controller_config, search_config, seed)

    average = {"baseline": "average", "baseline_decay": 0.9, "normalise_advantage": False}
    found: dict[str, Method] = {
        REFERENCE: policy(tabular),
        "as published": policy(paper),
        "as published, Adam's epsilon 1e-8": policy(paper, controller_epsilon=1e-8),
        "preset cpu": policy(cpu),
        "moving average as baseline, 0.9": policy(tabular, **average),
        "not normalised": policy(tabular, normalise_advantage=False),
    }
    for samples in (3, 10, 20):
        found[f"{samples} samples an update"] = policy(tabular, controller_samples=samples)
    for rate in (5e-3, 1e-2, 4e-2):
        found[f"learning rate {rate:g}"] = policy(tabular, controller_lr=rate)
    found["2 steps each"] = policy(tabular, policy_updates=2)
    found["10 samples, 2 steps each"] = policy(tabular, controller_samples=10, policy_updates=2)
    found["10 samples, 4 steps each"] = policy(tabular, controller_samples=10, policy_updates=4)
    found["10 samples, 4 steps each, clip 0.5"] = policy(
        tabular, controller_samples=10, policy_updates=4, policy_clip=0.5
    )
    for weight in (0.0, 1e-2, 3e-2, 1e-1):
        found[f"entropy weight {weight:g}"] = policy(tabular, entropy_weight=weight)
    for weight, end in ((1e-2, 0.0), (3e-2, 0.0), (1e-1, 0.0), (0.0, 3e-2), (0.0, 1e-1)):
        found[f"entropy weight {weight:g} to {end:g}"] = policy(tabular, entropy_weight=weight, entropy_weight_end=end)
    found["Adam's epsilon 1e-3"] = policy(tabular, controller_epsilon=1e-3)
    found["Adam's beta1 0.9"] = policy(tabular, controller_beta1=0.9)
    found["Adam's beta2 0.99"] = policy(tabular, controller_beta2=0.99)
    for constant in (1.0, 2.5, None):
        found[f"tanh constant {constant}"] = policy(tabular, {"tanh_constant": constant})
    for population, tournament in ((10, 5), (20, 5), (20, 10), (50, 10)):
        config = EvolutionConfig(population, tournament)
        found[f"evolution, population {population}, tournament {tournament}"] = lambda queries, seed, config=config: (
            evolve(queries, steps, config, seed)
        )
    found["random"] = draw_randomly
    return found


def renamed(values: dict[Codes, float], seed: int) -> dict[Codes, float]:
    """The table with the blocks of each layer in another order."""
    generator = torch.Generator().manual_seed(10_000 + seed)
    orders = [torch.randperm(len(BLOCKS), generator=generator).tolist() for _ in range(LAYERS)]
    return {tuple(order[code] for order, code in zip(orders, codes, strict=True)): v for codes, v in values.items()}


def queries_to(asked: dict[Codes, float], goal: float) -> float:
    """Number of the first query that reached an accuracy."""
    return next((n for n, value in enumerate(asked.values(), 1) if value >= goal), math.inf)


def paired(own: list[float], reference: list[float]) -> dict[str, float]:
    """Wins and losses against the reference, seed by seed, and Wilcoxon's signed-rank test; a miss counts as the budget."""
    pairs = [(min(a, BUDGET), min(b, BUDGET)) for a, b in zip(own, reference, strict=True)]
    differences = [a - b for a, b in pairs]
    p = float(wilcoxon(differences).pvalue) if any(differences) else 1.0
    return {"fewer": sum(d < 0 for d in differences), "more": sum(d > 0 for d in differences), "p": p}


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument(
        "--only", nargs="+", default=[""], help="rows whose name contains one of these; others stay as stored"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    plain = read_rewards(load("nasbench-macro"), SIZE, options.table, None)
    ranked = sorted(plain.values(), reverse=True)
    goals = {name: ranked[math.ceil(share * len(ranked)) - 1] for name, share in SHARES.items()}
    tables = {"as it is": [plain] * options.seeds, "renamed": [renamed(plain, seed) for seed in range(options.seeds)]}
    path = Path(__file__).parent / "results" / "tabular.json"
    results: dict[str, dict] = _stored(path, options.seeds, goals)
    for name, method in rows().items():
        if not any(word in name for word in options.only) and (name != REFERENCE or name in results):
            continue
        start = time.monotonic()
        results[name] = {}
        for kind, given in tables.items():
            counts: dict[str, list[float]] = {goal: [] for goal in goals}
            for seed, values in enumerate(given):
                queries = Queries(values, BUDGET, goal=max(goals.values()))
                method(queries, seed)
                for goal, value in goals.items():
                    counts[goal].append(queries_to(queries.asked, value))
            results[name][kind] = {
                goal: {
                    "median": statistics.median(numbers),
                    "found": sum(map(math.isfinite, numbers)),
                    "queries": numbers,
                    "against_reference": paired(numbers, results[REFERENCE][kind][goal]["queries"])
                    if name != REFERENCE
                    else None,
                }
                for goal, numbers in counts.items()
            }
        cells = [_cell(results[name][kind][goal]) for kind in tables for goal in goals]
        print(f"{name}: {', '.join(cells)} [{time.monotonic() - start:.0f} s]", flush=True)
    table = Table(
        title=f"Queries, median of {options.seeds} seeds (found by; seeds with fewer : more than the reference)"
    )
    table.add_column("setting")
    for kind in tables:
        for goal, value in goals.items():
            table.add_column(f"{goal} ({value:.2f}), {kind}", justify="right")
    for name, row in results.items():
        table.add_row(name, *(_cell(row[kind][goal]) for kind in tables for goal in goals))
    Console(width=170).print(table)
    machine = {"processor": platform.processor() or platform.machine(), "torch": torch.__version__}
    data = {"seeds": options.seeds, "budget": BUDGET, "goals": goals, "machine": machine, "rows": results}
    path.write_text(json.dumps(_plain(data)) + "\n", encoding="utf-8")
    print(f"written: {path}")


def _stored(path: Path, seeds: int, goals: dict[str, float]) -> dict[str, dict]:
    """The rows of an earlier run on the same seeds, budget and table; infinity for null."""
    if not path.is_file():
        return {}
    data = json.loads(path.read_text(encoding="utf-8"))
    if (data["seeds"], data["budget"], data["goals"]) != (seeds, BUDGET, goals):
        return {}

    def whole(value: object) -> object:
        if isinstance(value, dict):
            return {key: math.inf if item is None and key == "median" else whole(item) for key, item in value.items()}
        return [math.inf if item is None else item for item in value] if isinstance(value, list) else value

    return {name: whole(row) for name, row in data["rows"].items()}


def _cell(result: dict) -> str:
    median, pairs = result["median"], result["against_reference"]
    text = f"{median:g}" if math.isfinite(median) else f"over {BUDGET}"
    text += f" ({result['found']}"
    return text + (f"; {pairs['fewer']}:{pairs['more']})" if pairs else ")")


def _plain(data: object) -> object:
    """JSON has no infinity: null."""
    if isinstance(data, dict):
        return {key: _plain(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_plain(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


if __name__ == "__main__":
    main()
