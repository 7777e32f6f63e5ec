"""Two brightnesses to train on, and a linear network whose every number can be worked out by hand."""

import io
import json
from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor, nn

from enas.architecture import Architecture
from enas.config import AugmentConfig, TrainConfig
from enas.data.images import ImageData, ImageSplit
from enas.run import Run
from enas.tasks.images import ImageTask
from enas.train.loop import train
from enas.train.setup import TrainObjects
from enas.weights import load_weights

ARCHITECTURE = Architecture("macro", {"layers": 1}, {"layer0.op": "conv3x3"})
PLAIN = AugmentConfig(crop_padding=0, flip=False)
CONFIG = TrainConfig(
    epochs=4, batch_size=4, lr_max=0.1, lr_min=0.1, lr_first_cycle=4, momentum=0.0, weight_decay=0.0, seed=3
)


def split(labels: list[int], *, swapped: bool = False) -> ImageSplit:
    """2x2 images, black for class 0 and white for class 1; swapped: the other way round."""
    shown = torch.tensor(labels)
    images = (shown * 255).to(torch.uint8)[:, None, None, None].expand(-1, 2, 2, 1).contiguous()
    return ImageSplit(images, 1 - shown if swapped else shown)


def make_task(
    *, train: ImageSplit | None = None, test: ImageSplit | None = None, augment: AugmentConfig = PLAIN
) -> ImageTask:
    data = ImageData(
        name="two",
        classes=("black", "white"),
        train=split([0, 1] * 8) if train is None else train,
        valid=split([0, 1, 1, 0, 1]),
        test=test,
        mean=(0.5,),
        std=(0.5,),
        notes=(),
    )
    return ImageTask(data, augment, torch.device("cpu"))


class Linear(nn.Module):
    """Logits (-w b, w b) of an image of brightness b, -1 or 1: right exactly when w is positive. It notes what it sees."""

    def __init__(self, w: float) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(w))
        self.seen: list[list[float]] = []

    def forward(self, inputs: Tensor) -> Tensor:
        brightness = inputs.mean(dim=(1, 2, 3))
        if self.training:
            self.seen.append(brightness.tolist())
        return torch.stack([-self.w * brightness, self.w * brightness], dim=1)


class Slow(Linear):
    """Each training step takes an hour of a clock that a test can read."""

    def __init__(self, w: float, clock: list[float]) -> None:
        super().__init__(w)
        self.clock = clock

    def forward(self, inputs: Tensor) -> Tensor:
        if self.training:
            self.clock[0] += 3600.0
        return super().forward(inputs)


def objects(network: nn.Module, config: TrainConfig, task: ImageTask | None = None) -> TrainObjects:
    return TrainObjects(ARCHITECTURE, task or make_task(), network, config)


def run_in(path: Path) -> Run:
    return Run.create(path, {"kind": "train"})


def do_train(made: TrainObjects, run: Run, *, resume: bool = False, lines: list[str] | None = None) -> dict[str, float]:
    said = [] if lines is None else lines
    result = train(made, run, console=Console(file=io.StringIO()), say=said.append, resume=resume)
    run.close()
    return dict(result)


def metrics(run: Run) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]


def kept(run: Run, name: str) -> float:
    network = Linear(-99.0)
    load_weights(run.path / name, network)
    return network.w.item()
