"""All benchmarks of a search's speed in one table: what `make bench` runs, in under ten minutes on two cores.

    python benchmarks/bench.py            # writes results/*.json

Each line is measured in a process of its own, so that peak memory belongs to it. Run it on a quiet machine.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent
SEARCHES = (
    ("macro", ["macro", "--architectures", "12"]),
    ("micro", ["micro", "--architectures", "6"]),
    ("bench201", ["nasbench201", "--batch-size", "64", "--architectures", "8"]),
    ("rnn 1000", ["rnn", "--width", "1000", "--architectures", "3"]),
    ("rnn 200", ["rnn", "--width", "200", "--architectures", "6"]),
)
FILES = (
    "search_speed-macro-paper",
    "search_speed-micro-paper",
    "search_speed-nasbench201-paper",
    "search_speed-rnn-paper-1000",
    "search_speed-rnn-paper-200",
)
FIRST_STEP = """
import os, sys
from enas.cli import main
from enas.search import loop
step = loop.step_weights
def once(state):
    step(state)
    os._exit(0)
loop.step_weights = once
sys.exit(main(sys.argv[1:]) or 1)
"""
"""A search that ends after its first step."""


def seconds(command: list[str], repeat: int = 3) -> float:
    """Median wall time of a command, output thrown away."""
    times = []
    for _ in range(repeat):
        begin = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def first_step(dataset: str) -> float:
    """Seconds from the command to the end of the first step of the shared weights, of cached data."""
    with TemporaryDirectory() as folder:
        flags = ["search", "macro", "--preset", "cpu", "--dataset", dataset, "--out", str(Path(folder) / "run")]
        command = [sys.executable, "-c", FIRST_STEP, *flags]
        times = []
        for _ in range(4):  # the first one fills the cache
            times.append(seconds(command, repeat=1))
            shutil.rmtree(Path(folder) / "run")
    return statistics.median(times[1:])


def table(results: Path) -> str:
    """The lines of all searches, from their JSON files."""
    head = f"{'space':9} {'phase':11} {'step, ms':>9} {'rate':>24} {'ratio':>6} {'cold':>6} {'data':>7} {'memory':>8}"
    lines = [head]
    for (label, _), name in zip(SEARCHES, FILES, strict=True):
        result = json.loads((results / f"{name}.json").read_text())
        for phase in ("weights", "controller"):
            row = result[phase]
            unit, rate = next((key, value) for key, value in row.items() if key.endswith("_per_second"))
            memory = f"{row['peak_memory_gb']:.2f} GB" if "peak_memory_gb" in row else ""
            shown = f"{rate:,.1f} {unit.removesuffix('_per_second')}/s"
            figures = f"{row['step_ms']:9.0f} {shown:>24} {row['ratio']:6.2f} {row['cold_ratio']:6.2f} {row['data_share']:7.2%}"
            lines.append(f"{label:9} {phase:11} {figures} {memory:>8}")
        row = result["controller"]
        lines.append(
            f"{'':9} scoring over bare forward pass {row['over_forward']:.2f}; "
            f"20 together over one by one {row['together']:.2f}; "
            f"1,000 architectures sampled in {row['sampling_1000_ms']:.0f} ms"
        )
    return "\n".join(lines)


def main() -> None:
    """Run everything, print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, help="default: one a core")
    parser.add_argument("--dataset", default="digits", help="of the start of a search (default: the embedded digits)")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    options = parser.parse_args()
    common = ["--results", str(options.results)] + (["--threads", str(options.threads)] if options.threads else [])
    begin = time.perf_counter()
    for label, command in SEARCHES:
        print(f"measuring {label} ...", file=sys.stderr, flush=True)
        run = [sys.executable, str(HERE / "search_speed.py"), *command, *common]
        subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
    print("measuring growth of memory ...", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, str(HERE / "growth.py"), *common], check=True, stdout=subprocess.DEVNULL)
    start = {
        "help_seconds": seconds([sys.executable, "-m", "enas", "--help"]),
        "import_seconds": seconds([sys.executable, "-c", "import enas.commands"]),
        "first_step_seconds": first_step(options.dataset),
    }
    (options.results / "start.json").write_text(json.dumps(start, indent=1) + "\n")
    growth = json.loads((options.results / "growth.json").read_text())
    print(table(options.results))
    print(
        f"memory after 1, {growth['epochs'] // 2} and {growth['epochs']} epochs: "
        f"{growth['first_mb']:.0f}, {growth['half_mb']:.0f}, {growth['last_mb']:.0f} MB"
    )
    print(
        f"enas --help {start['help_seconds']:.2f} s; all imports of a search {start['import_seconds']:.2f} s, ", end=""
    )
    print(f"first step {start['first_step_seconds']:.1f} s after the command")
    print(f"measured in {(time.perf_counter() - begin) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
