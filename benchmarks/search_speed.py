"""Speed of a search's two phases, as ratio to the primitive operations of the same steps, measured alone in the same run.

    python benchmarks/search_speed.py macro    (or another space)

Data is noise: speed does not depend on it. "ratio" is the time of the whole step over the sum of its primitives
(`primitives.py`), both measured anew in each of some rounds, since a shared machine changes from minute to minute; it is the
median of the rounds' ratios. The optimiser, the limit of the gradient, sums of gradients and Python count for the step alone.
"cold ratio" is that to the same primitives when the caches hold none of their data as they begin: a step lies between the two.
"over forward" is the time in which an architecture is scored over that of its forward pass alone, "together" that in which
twenty uniformly drawn ones are scored on one batch, as in an update of the controller, over that of twenty scored one by one.
"""

import argparse
import json
import operator
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from primitives import CellPrimitives, ImagePrimitives, milliseconds

from enas.architecture import Architecture
from enas.controller import Controller, sample_uniformly
from enas.data.images import ImageData, ImageSplit
from enas.data.text import TextData
from enas.runtime import keep_freed_memory
from enas.search.optimizers import step_weights, weights_optimizer
from enas.search.scoring import Decoder, bind, score, sharing
from enas.space import Space
from enas.spaces import load, names
from enas.spaces.rnn.wiring import cell_of
from enas.tasks.images import ImageTask

VOCABULARY = 10_000
ROUNDS = 3
"""Of steps of each architecture and of all primitives."""
SHORT = 2.0
"""Seconds. Where one step of each architecture takes less, each makes three in a round, of which the median counts."""
UPDATE = 20
"""Architectures that are scored together."""


def noise(space: Space, augment: Any) -> Any:
    """A task of random images of 32x32 in ten classes, or of random words."""
    draw = torch.Generator().manual_seed(0)
    if space.task is ImageTask:
        split = ImageSplit(
            torch.randint(256, (10_000, 32, 32, 3), dtype=torch.uint8, generator=draw),
            torch.randint(10, (10_000,), generator=draw),
        )
        names = tuple("0123456789")
        return ImageTask(
            ImageData("noise", names, split, split, None, (0.5,) * 3, (0.3,) * 3, ()), augment, torch.device("cpu")
        )
    words = torch.randint(VOCABULARY, (200_000,), dtype=torch.int32, generator=draw)
    data = TextData("noise", tuple(str(word) for word in range(VOCABULARY)), words, words, words, ())
    return space.task(data, augment, torch.device("cpu"))  # type: ignore[call-arg]


@dataclass
class Rounds:
    """Milliseconds in each round."""

    steps: list[list[float]]
    """Of each thing that was run: mean over the architectures."""
    warm: list[float]
    """Of the primitives, likewise."""
    cold: float = 0.0
    """Of the primitives with cold caches, once."""
    peak: float = 0.0
    """Memory, GB."""

    def result(self) -> dict[str, Any]:
        """Of the first thing that was run."""
        ratios = list(map(operator.truediv, self.steps[0], self.warm))
        step = statistics.median(self.steps[0])
        return {
            "step_ms": step, "primitives_ms": statistics.median(self.warm), "ratio": statistics.median(ratios),
            "ratios": ratios, "cold_ratio": step / self.cold,
        }  # fmt: skip


class Bench:
    """A search's objects on noise, and what is measured of them."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.clock: Callable[[], float] = time.process_time if options.cpu_time else time.perf_counter
        torch.manual_seed(0)
        self.space = load(options.space)
        self.preset = self.space.presets[options.preset]
        supernet_config = self.preset.supernet
        if options.width is not None:
            supernet_config = replace(supernet_config, width=options.width)
        self.task = noise(self.space, self.preset.search_augment)
        self.supernet = self.space.supernet(supernet_config, self.task.spec, running_statistics=False)
        self.supernet.to(memory_format=torch.channels_last)
        self.size = dict(self.space.size(supernet_config))
        self.decoder = Decoder(self.space.name, self.space.steps(self.size), self.size)
        rows = sample_uniformly(self.decoder.steps, options.architectures, torch.Generator().manual_seed(0))
        self.architectures = [self.decoder(row) for row in rows]
        self.config = replace(self.preset.search, batch_size=options.batch_size or self.preset.search.batch_size)
        self.optimizer = weights_optimizer(self.supernet.parameters(), replace(self.config, lr_max=1e-6))
        self.image_primitives = self.cell_primitives = None
        if isinstance(self.task, ImageTask):
            self.image_primitives = ImagePrimitives(self.supernet, self.clock)
        else:
            self.cell_primitives = {
                cold: CellPrimitives(
                    self.clock, places=self.task.windows.bptt, batch=self.config.batch_size,
                    width=supernet_config.width, vocabulary=VOCABULARY, cold=cold,
                )
                for cold in (False, True)
            }  # fmt: skip
        images, cells = self.image_primitives, self.cell_primitives
        self.primitives = [images] if images is not None else list((cells or {}).values())

    def step(self, architecture: Architecture, batch: Any) -> None:
        """One step of the shared weights, as the search makes it."""
        self.optimizer.zero_grad(set_to_none=True)
        outcome = self.task.step(bind(self.supernet, architecture), batch, None)
        outcome.loss.backward()
        step_weights(self.optimizer, self.config)

    @torch.no_grad()
    def forward(self, architecture: Architecture, batch: Any) -> None:
        """A bare forward pass; of a language model with the decoder, of which the task makes the loss."""
        if self.image_primitives is not None:
            self.supernet(batch.inputs, architecture)
        else:
            prediction = self.supernet(batch.tokens, None, architecture)
            for piece in prediction.features.split(16):
                torch.nn.functional.log_softmax(piece @ prediction.decoder.t(), dim=-1)

    def in_rounds(self, runs: Sequence[Callable[[Architecture], object]], batch: Any, *, backward: bool) -> Rounds:
        """Run each architecture and the primitives of all, in turns."""
        for run in runs:
            for architecture in self.architectures:
                run(architecture)
        sums = self._primitive_sums(batch, backward)
        if self.image_primitives is not None:
            for each in sums:  # chooses memory layouts: the better of two times is no fair time
                each(False)
        found = Rounds([[] for _ in runs], [])
        for _ in range(ROUNDS):
            for run, times in zip(runs, found.steps, strict=True):
                times.append(self._timed(run))
            # Before the primitives are timed, which hold memory of their own.
            found.peak = found.peak or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            for primitives in self.primitives:
                primitives.again()
            found.warm.append(statistics.mean(each(False) for each in sums))
        found.cold = statistics.mean(each(True) for each in sums)
        return found

    def _timed(self, run: Callable[[Architecture], object]) -> float:
        """Milliseconds, the mean over the architectures: like the primitives' times, no moment's disturbance counts."""
        times: list[list[float]] = [[] for _ in self.architectures]
        while len(times[0]) == 0 or (len(times[0]) < 3 and sum(each[0] for each in times) < 1e3 * SHORT):
            for architecture, each in zip(self.architectures, times, strict=True):
                begin = self.clock()
                run(architecture)
                each.append(1e3 * (self.clock() - begin))
        return statistics.mean(map(statistics.median, times))

    def _primitive_sums(self, batch: Any, backward: bool) -> list[Callable[[bool], float]]:
        """For each architecture: (with cold caches or not) -> milliseconds of its primitives."""
        if self.cell_primitives is not None:
            kinds, average = self.cell_primitives, self.supernet.config.average  # type: ignore[union-attr]
            cells = [cell_of(a, average) for a in self.architectures]
            return [lambda cold, cell=cell: kinds[cold].sum(cell, backward=backward) for cell in cells]
        primitives = self.image_primitives
        assert primitives is not None
        counts = []
        for architecture in self.architectures:
            primitives.counts.clear()
            with torch.set_grad_enabled(backward), primitives:
                self.supernet(batch.inputs, architecture)
            counts.append(primitives.counts.copy())
        return [lambda cold, each=each: primitives.sum(each, backward=backward, cold=cold) for each in counts]

    def weights(self) -> dict[str, Any]:
        """The phase that trains the shared weights."""
        self.supernet.train()
        batches = self.task.training_batches(
            "train", self.config.batch_size, order_seed=0, generator=torch.Generator().manual_seed(0), limit=10_000
        )
        batch = next(batches)
        data = milliseconds(lambda: next(batches), self.clock)
        rounds = self.in_rounds([lambda a: self.step(a, batch)], batch, backward=True)
        step = statistics.median(rounds.steps[0])
        return {
            **rounds.result(),
            f"{self.task.unit}_per_second": 1e3 * len(batch) / step,
            "data_share": data / (data + step),
            "peak_memory_gb": rounds.peak,
        }

    def controller(self) -> dict[str, Any]:
        """The phase that scores architectures."""
        self.supernet.eval()
        draw = torch.Generator().manual_seed(0)
        batch = self.task.random_batch("valid", self.config.reward_batch_size, draw)
        runs = [lambda a: score(self.supernet, a, [batch], self.task), lambda a: self.forward(a, batch)]
        rounds = self.in_rounds(runs, batch, backward=False)
        data = milliseconds(lambda: self.task.random_batch("valid", self.config.reward_batch_size, draw), self.clock)
        policy = Controller(self.decoder.steps, self.preset.controller)

        @torch.no_grad()
        def sample() -> list[Architecture]:
            return [self.decoder(row) for row in policy(1000, generator=draw).codes]

        step = statistics.median(rounds.steps[0])
        return {
            **rounds.result(),
            "together": self.together(batch),
            "architectures_per_second": 1e3 / step,
            "over_forward": statistics.median(map(operator.truediv, *rounds.steps)),
            "data_share": data / (data + step),
            "sampling_1000_ms": milliseconds(sample, self.clock),
        }

    def together(self, batch: Any) -> float:
        """Time of scoring architectures on one batch that share what they have in common, over that of each by itself."""
        rows = sample_uniformly(self.decoder.steps, UPDATE, torch.Generator().manual_seed(1)).tolist()
        architectures = [self.decoder(torch.tensor(row)) for row in sorted(rows)]

        def all_of_them() -> None:
            for a in architectures:
                score(self.supernet, a, [batch], self.task)

        def sharing_them() -> None:
            with sharing(self.supernet):
                all_of_them()

        alone = milliseconds(all_of_them, self.clock, least=2, most=2)
        return milliseconds(sharing_them, self.clock, least=2, most=2) / alone


def arguments() -> argparse.Namespace:
    """Flags of this script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("space", choices=names())
    parser.add_argument("--preset", default="paper", help="sizes of the search network (default: paper)")
    parser.add_argument("--width", type=int, help="of the recurrent cell (default: the preset's)")
    parser.add_argument("--batch-size", type=int, help="of a step of the shared weights (default: the preset's)")
    parser.add_argument("--architectures", type=int, default=10, help="uniformly drawn, one a step (default: 10)")
    parser.add_argument("--threads", type=int, help="default: one a core")
    parser.add_argument(
        "--cpu-time", action="store_true", help="count processor time: on a busy machine, with --threads 1"
    )
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    return parser.parse_args()


def main() -> None:
    """Measure, print, write JSON."""
    options = arguments()
    if options.threads:
        torch.set_num_threads(options.threads)
    keep_freed_memory()
    bench = Bench(options)
    result: dict[str, Any] = {"weights": bench.weights()}
    result["controller"] = bench.controller()
    result["setting"] = {
        "space": options.space, "preset": options.preset, "batch": bench.config.batch_size, **bench.size,
        **({} if options.width is None else {"width": options.width}),
        "architectures": options.architectures, "threads": torch.get_num_threads(),
        "clock": "processor" if options.cpu_time else "wall", "torch": torch.__version__,
    }  # fmt: skip
    report(result)
    options.results.mkdir(exist_ok=True)
    name = "-".join([options.space, options.preset, *([] if options.width is None else [str(options.width)])])
    (options.results / f"search_speed-{name}.json").write_text(json.dumps(result, indent=1) + "\n")


def report(result: dict[str, Any]) -> None:
    """Print one table."""
    print(" ".join(f"{key} {value}" for key, value in result["setting"].items()))
    for phase in ("weights", "controller"):
        print(f"{phase:11}" + "  ".join(f"{key} {shown(value)}" for key, value in result[phase].items()))


def shown(value: float | list[float]) -> str:
    """Three digits."""
    return " ".join(f"{each:.3g}" for each in (value if isinstance(value, list) else [value]))


if __name__ == "__main__":
    main()
