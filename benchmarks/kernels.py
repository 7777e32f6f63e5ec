"""What the package's kernels in C bring: a search's steps and its blocks, with and without them in turns, in one process.

    python benchmarks/kernels.py             # writes results/kernels.json

Without the kernels the same operations are made of PyTorch's (`enas.nn`). Each figure is a median; "ratio" is the time without
over the time with them. Steps are those of `search_speed.py`, on noise.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from search_speed import Bench
from torch import nn

from enas.nn import native
from enas.nn.blocks import Chain, FactorisedReduction, Pool, batch_norm, conv
from enas.nn.cells import Separable
from enas.runtime import keep_freed_memory
from enas.search.scoring import score

SEARCHES = (
    ("macro", "paper", None, 6), ("macro", "cpu", None, 8), ("micro", "paper", None, 4), ("micro", "cpu", None, 6),
    ("nasbench201", "paper", None, 4), ("nasbench-macro", "paper", None, 4), ("nasbench-macro", "cpu", None, 8),
    ("rnn", "paper", 1000, 2), ("rnn", "paper", 200, 4),
)  # fmt: skip
"""Space, preset, width, architectures."""
MAPS = ((160, 20, 32), (128, 36, 32), (160, 80, 8), (64, 16, 32))
"""Images, channels, height and width of the maps of the blocks."""


def in_turns(run: Callable[[], object], times: int) -> tuple[float, float]:
    """Median milliseconds without and with the kernels."""
    found: dict[bool, list[float]] = {False: [], True: []}
    for repetition in range(times + 1):
        for kernels in (False, True):
            with patch.object(native, "library", native.library if kernels else lambda: None):
                begin = time.perf_counter()
                run()
                if repetition:  # the first warms up
                    found[kernels].append(time.perf_counter() - begin)
    return 1e3 * statistics.median(found[False]), 1e3 * statistics.median(found[True])


def searches(options: argparse.Namespace) -> Iterator[tuple[str, float, float]]:
    """Steps of the weights and scorings: name, milliseconds without, with."""
    for space, preset, width, architectures in SEARCHES:
        shape = argparse.Namespace(
            space=space, preset=preset, width=width, batch_size=None, architectures=architectures, cpu_time=False
        )
        bench = Bench(shape)
        draw = torch.Generator().manual_seed(0)
        size = bench.config.batch_size
        batch = next(bench.task.training_batches("train", size, order_seed=0, generator=draw, limit=10_000))
        reward = bench.task.random_batch("valid", bench.config.reward_batch_size, draw)
        name = " ".join(str(part) for part in (space, preset, width) if part is not None)
        phases: tuple[tuple[str, Callable[[Any], object]], ...] = (
            ("step", lambda a: bench.step(a, batch)),  # noqa: B023 (called at once)
            ("scoring", lambda a: score(bench.supernet, a, [reward], bench.task)),  # noqa: B023
        )
        for phase, run in phases:
            bench.supernet.train(phase == "step")
            pairs = [in_turns(lambda a=a: run(a), options.times) for a in bench.architectures]  # noqa: B023
            yield f"{name}, {phase}", *(statistics.fmean(column) for column in zip(*pairs, strict=True))


def blocks(options: argparse.Namespace) -> Iterator[tuple[str, float, float]]:
    """Forward and backward of blocks on maps of a search."""
    for batch, channels, size in MAPS:
        x = torch.randn(batch, channels, size, size).contiguous(memory_format=torch.channels_last).requires_grad_()
        forms: dict[str, Callable[[torch.Tensor], Any]] = {
            "batch norm and ReLU": batch_norm(channels, running=False, relu=True),
            "max pooling": Pool("max_pool"),
            "average pooling": Pool("avg_pool"),
            "reduction": FactorisedReduction(channels, channels, running=False),
            **{
                f"ReLU, {kernel}x{kernel}, batch norm": Chain(
                    torch.nn.ReLU(), conv(channels, channels, kernel), batch_norm(channels, running=False)
                )
                for kernel in (1, 3, 5)
            },
            "separable 3x3, two units": Separable(channels, 3, running=False),
            "separable 5x5, two units": Separable(channels, 5, running=False),
        }
        for name, block in forms.items():
            parameters = list(block.parameters()) if isinstance(block, nn.Module) else []
            with torch.no_grad():
                g = torch.randn_like(block(x))

            def both(block: Any = block, wanted: Any = (x, *parameters), g: Any = g, x: torch.Tensor = x) -> None:
                torch.autograd.grad(block(x), wanted, g)

            yield f"{name}, {batch} x {channels} x {size} x {size}", *in_turns(both, 3 * options.times)


def main() -> None:
    """Measure, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, help="default: one a core")
    parser.add_argument("--times", type=int, default=5, help="repetitions of a step (default: 5)")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    keep_freed_memory()
    if native.library() is None:
        raise SystemExit("kernels: no C compiler here, so there is nothing to compare")
    rows = []
    for name, without, with_them in (row for part in (blocks, searches) for row in part(options)):
        print(f"{name:50} {without:9.2f} ms without {with_them:9.2f} with  ratio {without / with_them:.2f}", flush=True)
        rows.append({"what": name, "without_ms": without, "with_ms": with_them, "ratio": without / with_them})
    result = {"threads": torch.get_num_threads(), "torch": torch.__version__, "rows": rows}
    options.results.mkdir(exist_ok=True)
    (options.results / "kernels.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
