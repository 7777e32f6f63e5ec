"""Two problems to search on: the macro supernet on noise, and a toy whose accuracy is known."""

import io
import json
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from enas.architecture import Architecture
from enas.config import AugmentConfig, ControllerConfig, SearchConfig
from enas.controller import Controller
from enas.data.images import ImageData, ImageSplit
from enas.decisions import Op, Skips, Step, Vocabulary
from enas.run import Run
from enas.search.derive import Derivation
from enas.search.loop import search
from enas.search.scoring import Decoder
from enas.search.setup import SearchObjects
from enas.space import Edge, Graph, Node
from enas.spaces import load
from enas.spaces.macro.steps import steps as macro_steps
from enas.spaces.macro.supernet import MacroSupernetConfig, Supernet
from enas.tasks.images import ImageTask

PLAIN = AugmentConfig(crop_padding=0, flip=False)
QUICK = SearchConfig(
    epochs=1,
    batch_size=8,
    lr_max=0.0,
    lr_min=0.0,
    lr_first_cycle=1,
    controller_steps=1,
    controller_samples=4,
    entropy_weight=0.0,
    reward_batch_size=8,
    evaluation_samples=2,
    derive_samples=2,
)


def quiet() -> Console:
    return Console(file=io.StringIO())


def run_in(path: Path) -> Run:
    return Run.create(path, {"kind": "search"})


def jsonl(run: Run, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.path / name).read_text().splitlines()]


def do_search(objects: SearchObjects, run: Run, *, resume: bool = False, lines: list[str] | None = None) -> Derivation:
    said = [] if lines is None else lines
    found = search(objects, run, console=quiet(), say=said.append, resume=resume)
    run.close()
    return found


# The toy problem: a quarter of the images are told right whatever the architecture, and three eighths more for each of its
# two answers that is "good".


def toy_steps(bias: tuple[float, float] | None = None) -> tuple[Step, ...]:
    words = Vocabulary(("bad", "good"))
    return (
        Step(remember="start"),
        Step(Op("first", words, bias), remember="middle"),
        Step(Op("second", words, bias)),
        Step(Skips("skips", ("start", "middle"))),
    )


class Toy(nn.Module):
    """Right, by a lead of 2, about images whose level (0 to 7) is below 2 + 3 x the number of good answers."""

    def __init__(self, clock: list[float] | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.clock = clock
        self.trained: list[Architecture] = []
        self.scored: list[tuple[str, list[int]]] = []

    def forward(self, inputs: Tensor, architecture: Architecture) -> Tensor:
        if self.clock is not None:
            self.clock[0] += 3600.0
        level = inputs.mean(dim=(1, 2, 3)).round()
        if self.training:
            self.trained.append(architecture)
        else:
            self.scored.append((architecture.to_json(), sorted(level.int().tolist())))
        sign = torch.where(level < 2 + 3 * good(architecture), 1.0, -1.0)
        return self.weight * torch.stack([sign, -sign], dim=1)


def good(architecture: Architecture) -> int:
    return [architecture.choices["first"], architecture.choices["second"]].count("good")


def toy_task(valid: int = 8) -> ImageTask:
    def split(count: int) -> ImageSplit:
        levels = (torch.arange(count) % 8).to(torch.uint8)
        images = levels[:, None, None, None].expand(-1, 2, 2, 1).contiguous()
        return ImageSplit(images, torch.zeros(count, dtype=torch.long))

    data = ImageData("levels", ("x", "y"), split(16), split(valid), None, (0.0,), (1 / 255,), ())
    return ImageTask(data, PLAIN, torch.device("cpu"))


def toy_graph(architecture: Architecture) -> Graph:
    nodes = tuple(Node(name, str(architecture.choices[name]), "node") for name in ("first", "second"))
    return Graph("Toy", nodes, (Edge("first", "second"),))


def toy(
    config: SearchConfig,
    *,
    bias: tuple[float, float] | None = None,
    supernet: nn.Module | None = None,
    task: ImageTask | None = None,
    init_range: float = 0.1,
) -> SearchObjects:
    torch.manual_seed(config.seed)
    steps, size = toy_steps(bias), {"nodes": 2}
    space = replace(load("macro"), name="toy", size=lambda _: size, steps=lambda _: steps, wiring=toy_graph)
    controller = Controller(steps, ControllerConfig(hidden=16, tanh_constant=None, init_range=init_range))
    decoder = Decoder("toy", steps, size)
    return SearchObjects(space, task or toy_task(), supernet or Toy(), controller, decoder, config)


def expected_accuracy(controller: Controller) -> float:
    """Exactly, over all 16 architectures of the toy."""
    codes = torch.tensor(list(product(range(2), repeat=4)))
    with torch.no_grad():
        p = controller(16, codes=codes).log_prob.exp()
    assert p.sum().item() == pytest.approx(1.0, rel=1e-5)
    return (p * (2 + 3 * codes[:, :2].sum(1)) / 8).sum().item()


# The macro supernet.


def macro_task(augment: AugmentConfig = PLAIN) -> ImageTask:
    def split(count: int, seed: int) -> ImageSplit:
        generator = torch.Generator().manual_seed(seed)
        images = torch.randint(256, (count, 4, 4, 1), generator=generator).to(torch.uint8)
        return ImageSplit(images, torch.arange(count) % 3)

    data = ImageData("noise", ("a", "b", "c"), split(24, 0), split(10, 1), None, (0.5,), (0.25,), ())
    return ImageTask(data, augment, torch.device("cpu"))


def macro(config: SearchConfig, *, layers: int = 2, task: ImageTask | None = None) -> SearchObjects:
    torch.manual_seed(config.seed)
    made, size = task or macro_task(), {"layers": layers}
    running = config.batch_norm == "running"
    supernet = Supernet(
        MacroSupernetConfig(layers=layers, filters=2, dropout=0.1), made.spec, running_statistics=running
    )
    steps = macro_steps(size)
    controller = Controller(steps, ControllerConfig(hidden=8))
    return SearchObjects(load("macro"), made, supernet, controller, Decoder("macro", steps, size), config)


def values(module: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in module.named_parameters()}


WEIGHTS = replace(QUICK, lr_max=0.1, lr_min=0.1, momentum=0.9, weight_decay=0.01)
