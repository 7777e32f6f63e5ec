"""Speed of a search's two phases, as ratio to the primitive operations of the same steps, measured alone in the same run.

    python benchmarks/search_speed.py macro    (or micro)

The images are noise: speed does not depend on them. A primitive is a convolution, a batch norm (with its ReLU), a pooling or
the classifier; each is timed alone for every shape in which it occurs, in both memory layouts, and the faster counts. Sums of
skip connections, the optimiser and all the rest are not counted. "ratio" is the time of the whole step over the sum of its
primitives.
"""

import argparse
import json
import resource
import statistics
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from enas.controller import sample_uniformly
from enas.data.images import ImageSpec
from enas.nn.blocks import Pool
from enas.nn.norm import BatchNorm
from enas.runtime import keep_freed_memory
from enas.search.scoring import Decoder
from enas.spaces import load
from enas.tasks.images import WithAuxiliary

Key = tuple[str, str, tuple[int, ...]]
LEAVES = (nn.Conv2d, nn.Linear, BatchNorm, Pool)
LAYOUTS = (torch.channels_last, torch.contiguous_format)


def milliseconds(run: Callable[[], object], repeat: int = 7) -> float:
    """Median time of a call, after two calls that warm up."""
    times = []
    for turn in range(repeat + 2):
        begin = time.perf_counter()
        run()
        if turn >= 2:
            times.append(1e3 * (time.perf_counter() - begin))
    return statistics.median(times)


class Primitives:
    """Counts the primitive operations of a network's forward pass and times each alone."""

    def __init__(self, network: nn.Module) -> None:
        self.modules: dict[Key, nn.Module] = {}
        self.counts: Counter[Key] = Counter()
        self.times: dict[tuple[Key, bool], float] = {}
        for module in network.modules():
            if isinstance(module, LEAVES):
                module.register_forward_hook(self._see)

    def _see(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        key = (type(module).__name__, module.extra_repr(), tuple(inputs[0].shape))
        self.modules.setdefault(key, module)
        self.counts[key] += 1

    def sum(self, counts: Counter[Key], *, backward: bool) -> float:
        """Milliseconds of all counted operations."""
        return sum(count * self._time(key, backward) for key, count in counts.items())

    def _time(self, key: Key, backward: bool) -> float:
        if (key, backward) not in self.times:
            layouts = LAYOUTS if len(key[2]) == 4 else (torch.contiguous_format,)
            self.times[key, backward] = min(self._alone(key, backward, layout) for layout in layouts)
        return self.times[key, backward]

    def _alone(self, key: Key, backward: bool, layout: torch.memory_format) -> float:
        module, x = self.modules[key], torch.randn(key[2])
        x = x.contiguous(memory_format=layout)
        with torch.no_grad():
            g = torch.randn_like(module(x))
        first = key[0] == "Conv2d" and key[2][1] == 3  # the stem: images have no gradient

        def both() -> None:
            module.zero_grad(set_to_none=True)
            y = x.detach().requires_grad_(not first)
            module(y).backward(g)

        def forward() -> None:
            with torch.no_grad():
                module(x)

        return milliseconds(both if backward else forward)


def loss(output: Tensor | WithAuxiliary, labels: Tensor) -> Tensor:
    """Cross-entropy, with that of an auxiliary classifier."""
    if isinstance(output, WithAuxiliary):
        return loss(output.logits, labels) + output.weight * loss(output.auxiliary, labels)
    return nn.functional.cross_entropy(output, labels)


def arguments() -> argparse.Namespace:
    """Flags of this script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("space", choices=["macro", "micro"])
    parser.add_argument("--preset", default="paper", help="sizes of the search network (default: paper)")
    parser.add_argument("--architectures", type=int, default=20, help="uniformly drawn, one a step (default: 20)")
    parser.add_argument("--threads", type=int, help="default: one a core")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    return parser.parse_args()


def main() -> None:
    """Measure, print, write JSON."""
    options = arguments()
    if options.threads:
        torch.set_num_threads(options.threads)
    keep_freed_memory()
    torch.manual_seed(0)
    space = load(options.space)
    preset = space.presets[options.preset]
    network = space.supernet(preset.supernet, ImageSpec(channels=3, height=32, width=32, classes=10))
    network.to(memory_format=torch.channels_last)
    size = dict(space.size(preset.supernet))
    decoder = Decoder(space.name, space.steps(size), size)
    rows = sample_uniformly(decoder.steps, options.architectures, torch.Generator().manual_seed(0))
    config = preset.search
    optimizer = torch.optim.SGD(
        network.parameters(), lr=1e-3, momentum=config.momentum, nesterov=True, weight_decay=config.weight_decay
    )
    batch = config.batch_size
    images = torch.randn(batch, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(10, (batch,))
    primitives = Primitives(network)
    result = {}
    for phase in ("weights", "controller"):
        train = phase == "weights"
        network.train(train)
        steps, bounds = [], []
        for codes in rows:
            architecture = decoder(codes)

            def step(architecture=architecture, train=train) -> None:
                optimizer.zero_grad(set_to_none=True)
                with torch.set_grad_enabled(train):
                    output = network(images, architecture)
                if train:
                    loss(output, labels).backward()
                    optimizer.step()

            primitives.counts.clear()
            step()
            counts = primitives.counts.copy()
            steps.append(milliseconds(step, repeat=3))
            bounds.append(primitives.sum(counts, backward=train))
        total, bound = sum(steps), sum(bounds)
        result[phase] = {
            "step_ms": total / len(steps),
            "primitives_ms": bound / len(steps),
            "ratio": total / bound,
            "images_per_second": 1e3 * batch * len(steps) / total,
            "steps_per_second": 1e3 * len(steps) / total,
        }
    result["peak_memory_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    result["setting"] = {"space": space.name, "preset": options.preset, "batch": batch, **size}
    result["setting"]["threads"] = torch.get_num_threads()
    report(result)
    options.results.mkdir(exist_ok=True)
    (options.results / f"search_speed-{space.name}-{options.preset}.json").write_text(
        json.dumps(result, indent=1) + "\n"
    )


def report(result: dict) -> None:
    """Print one table."""
    print(" ".join(f"{key} {value}" for key, value in result["setting"].items()))
    print(f"{'phase':12}{'step, ms':>10}{'primitives, ms':>16}{'ratio':>8}{'images/s':>10}{'steps/s':>9}")
    for phase in ("weights", "controller"):
        row = result[phase]
        print(
            f"{phase:12}{row['step_ms']:10.1f}{row['primitives_ms']:16.1f}{row['ratio']:8.2f}"
            f"{row['images_per_second']:10.0f}{row['steps_per_second']:9.2f}"
        )
    print(f"peak memory {result['peak_memory_gb']:.2f} GB")


if __name__ == "__main__":
    main()
