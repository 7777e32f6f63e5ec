"""Growth of memory: a search of 200 short epochs on the embedded digits; prints resident memory along the way.

    python benchmarks/growth.py                        # writes results/growth.json

The first half warms up (the allocator finds its size, optimiser state appears when a weight is first used); growth is what the
second half adds.
"""

import argparse
import gc
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console

from enas.config import DataConfig
from enas.run import Run
from enas.runtime import keep_freed_memory
from enas.search.loop import search
from enas.search.setup import SearchSettings, build
from enas.spaces import load

PAGE_KB = 4


def resident_mb() -> float:
    """Resident memory of this process, on Linux."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_KB / 1024


def main() -> None:
    """Search, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="macro")
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--threads", type=int, help="default: one a core")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    keep_freed_memory()
    settings = SearchSettings.from_preset(load(options.space), "demo", DataConfig())
    config = replace(
        settings.search, epochs=options.epochs, lr_first_cycle=options.epochs, steps_per_epoch=2, controller_steps=1,
        controller_samples=2, evaluation_samples=2, derive_samples=2, batch_size=32, reward_batch_size=32,
    )  # fmt: skip
    settings = replace(settings, search=config)
    marks: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        objects = build(settings, cache=Path(folder) / "cache", device=torch.device("cpu"))
        run = Run.create(Path(folder) / "run", settings.to_json())

        def note(line: str) -> None:
            if len(marks) + 1 in (1, options.epochs // 2 + 1, options.epochs):
                gc.collect()  # figures that were drawn wait for it in circles
            marks.append(resident_mb())

        search(objects, run, console=Console(stderr=True, quiet=True), say=note)
        run.close()
    half = marks[len(marks) // 2]
    result = {
        "space": options.space, "epochs": len(marks), "first_mb": marks[0], "half_mb": half, "last_mb": marks[-1],
        "growth_mb_per_100_epochs": (marks[-1] - half) * 100 / (len(marks) - len(marks) // 2),
    }  # fmt: skip
    print(
        "  ".join(
            f"{key} {value:.1f}" if isinstance(value, float) else f"{key} {value}" for key, value in result.items()
        )
    )
    options.results.mkdir(exist_ok=True)
    (options.results / "growth.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
