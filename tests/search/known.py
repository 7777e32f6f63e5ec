"""A problem whose scores are known: the share of "good" answers decides how many images are told right."""

import torch
from torch import Tensor, nn

from enas.architecture import Architecture
from enas.config import AugmentConfig, ControllerConfig, SearchConfig
from enas.controller import Controller
from enas.data.images import ImageData, ImageSplit
from enas.decisions import Op, Step, Vocabulary
from enas.search.derive import Derivation, derive
from enas.search.scoring import Decoder
from enas.tasks.images import ImageTask

QUESTIONS = ("a", "b", "c")
SIZE = {"questions": 3}


def steps(bias: tuple[float, float] | None = None) -> tuple[Step, ...]:
    """Three questions; a bias of (50, -50) makes the policy always say "bad"."""
    return tuple(Step(Op(name, Vocabulary(("bad", "good")), bias)) for name in QUESTIONS)


class Known(nn.Module):
    """Right about an image when its brightness, in quarters, is below the number of good answers plus one."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.calls: list[tuple[str, list[float]]] = []
        self.modes: set[tuple[bool, bool]] = set()

    def forward(self, inputs: Tensor, architecture: Architecture) -> Tensor:
        level = inputs.mean(dim=(1, 2, 3))
        self.calls.append((architecture.to_json(), level.tolist()))
        self.modes.add((self.training, torch.is_grad_enabled()))
        right = level < good(architecture) + 0.5
        return self.weight * torch.stack([right.float(), 1 - right.float()], dim=1)


def good(architecture: Architecture) -> int:
    return list(architecture.choices.values()).count("good")


def truth(architecture: Architecture, examples: int = 8) -> float:
    """Of 8 images two have each of the levels 0, 1, 2 and 3; all are of class 0."""
    return 2 * (good(architecture) + 1) / examples


def make_task() -> ImageTask:
    levels = torch.tensor([0, 1, 2, 3] * 2, dtype=torch.uint8)
    split = ImageSplit(levels[:, None, None, None].expand(-1, 2, 2, 1).contiguous(), torch.zeros(8, dtype=torch.long))
    data = ImageData("levels", ("x", "y"), split, split, None, (0.0,), (1 / 255,), ())
    return ImageTask(data, AugmentConfig(), torch.device("cpu"))


def run(
    config: SearchConfig, *, bias: tuple[float, float] | None = None, seed: int = 0, supernet: Known | None = None
) -> tuple[Derivation, int]:
    """The derivation, and how often progress was told."""
    torch.manual_seed(0)
    asked = steps(bias)
    told: list[int] = []
    found = derive(
        Controller(asked, ControllerConfig(hidden=8)),
        supernet or Known(),
        make_task(),
        Decoder("toy", asked, SIZE),
        config,
        generator=torch.Generator().manual_seed(seed),
        advance=lambda: told.append(1),
    )
    return found, len(told)


CONFIG = SearchConfig(derive_samples=12, reward_batch_size=3)
