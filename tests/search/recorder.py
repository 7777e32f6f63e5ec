"""The macro supernet on noise, with a record of what is trained and scored, for tests of a search's options."""

import io
import json
import os
import signal
from dataclasses import replace
from typing import Any

import torch
from rich.console import Console
from torch import Tensor, nn

from enas.architecture import Architecture
from enas.config import AugmentConfig, ControllerConfig, SearchConfig
from enas.controller import Controller
from enas.data.images import ImageData, ImageSplit
from enas.interrupt import Interrupt
from enas.progress import Progress
from enas.run import Run
from enas.search.derive import Derivation
from enas.search.loop import search
from enas.search.scoring import Decoder
from enas.search.setup import SearchObjects
from enas.search.state import Search
from enas.spaces import load
from enas.spaces.macro.steps import steps as macro_steps
from enas.spaces.macro.supernet import MacroSupernetConfig, Supernet
from enas.tasks.images import ImageTask

CONFIG = SearchConfig(
    epochs=3,
    batch_size=8,
    lr_max=0.1,
    lr_min=0.1,
    lr_first_cycle=3,
    controller_steps=2,
    controller_samples=3,
    controller_lr=0.05,
    reward_batch_size=5,
    evaluation_samples=2,
    derive_samples=4,
)
LAYERS = 2


def noise(augment: bool = False) -> ImageTask:
    def split(count: int, seed: int) -> ImageSplit:
        images = torch.randint(256, (count, 4, 4, 1), generator=torch.Generator().manual_seed(seed))
        return ImageSplit(images.to(torch.uint8), torch.arange(count) % 3)

    data = ImageData("noise", ("a", "b", "c"), split(24, 0), split(20, 1), None, (0.5,), (0.25,), ())
    return ImageTask(data, AugmentConfig(crop_padding=int(augment), flip=augment), torch.device("cpu"))


def make(config: SearchConfig, supernet: nn.Module | None = None, *, dropout: float = 0.1) -> SearchObjects:
    torch.manual_seed(config.seed)
    task, size = noise(augment=True), {"layers": LAYERS}
    built = Supernet(MacroSupernetConfig(layers=LAYERS, filters=2, dropout=dropout), task.spec)
    steps = macro_steps(size)
    controller = Controller(steps, ControllerConfig(hidden=8))
    return SearchObjects(load("macro"), task, supernet or built, controller, Decoder("macro", steps, size), config)


def do_search(objects: SearchObjects, run: Run, *, resume: bool = False) -> tuple[Derivation, list[str]]:
    lines: list[str] = []
    found = search(objects, run, console=Console(file=io.StringIO()), say=lines.append, resume=resume)
    run.close()
    return found, lines


def phase(function: Any, state: Search) -> None:
    with Interrupt() as interrupt, Progress("search", 99, console=Console(file=io.StringIO())) as bar:
        function(state, bar, interrupt)


def lines_of(run: Run, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.path / name).read_text().splitlines()]


class Recorder(nn.Module):
    """Notes which architectures are trained and scored, and on which images; asks for a stop in its call number `stop`."""

    def __init__(self, inner: nn.Module, stop: int | None = None) -> None:
        super().__init__()
        self.inner, self.stop, self.calls = inner, stop, 0
        self.trained: list[Architecture] = []
        self.scored: list[tuple[str, float]] = []

    def forward(self, inputs: Tensor, architecture: Architecture) -> Tensor:
        self.calls += 1
        if self.calls == self.stop:
            os.kill(os.getpid(), signal.SIGINT)
        if self.training:
            self.trained.append(architecture)
        else:
            self.scored.append((architecture.to_json(), inputs.sum().item()))
        return self.inner(inputs, architecture)


def recorded(config: SearchConfig, stop: int | None = None) -> SearchObjects:
    plain = make(config)
    return replace(plain, supernet=Recorder(plain.supernet, stop))


WRITTEN = ("metrics.jsonl", "architectures.jsonl", "candidates.json", "architecture.json", "probes.jsonl")


def written(run: Run) -> dict[str, bytes]:
    return {name: (run.path / name).read_bytes() for name in WRITTEN if (run.path / name).is_file()}
