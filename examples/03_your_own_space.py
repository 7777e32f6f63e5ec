"""A search space of your own in one file: how each block of a small network mixes the patches of an image.

    enas search examples/03_your_own_space.py --preset demo --out runs/mixer     # from the command line
    python examples/03_your_own_space.py                                         # from Python: search, train, draw, export

`docs/your-own-space.md` explains it part by part.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import enas
from enas.own import (
    Architecture,
    Bounds,
    Choice,
    Count,
    Decay,
    ImageSpec,
    Op,
    Recipe,
    Skips,
    Step,
    Vocabulary,
    own_space,
)

# 1. Questions: what can be chosen.

MIXERS = Vocabulary(("attention", "conv3x3", "patch_mlp", "none"))
HIDDEN = Vocabulary(("x1", "x2", "x4"))


@dataclass(frozen=True)
class Size:
    """How much is asked."""

    blocks: Annotated[int, Bounds(1, 100)] = 4
    """Blocks of the network."""


def mixer(block: int) -> Op:
    """How a block mixes patches."""
    return Op(f"block{block}.mixer", MIXERS)


def hidden(block: int) -> Op:
    """How many times as wide as its input the hidden layer of a block is."""
    return Op(f"block{block}.hidden", HIDDEN)


def questions(size: Size) -> Sequence[Step]:
    """For each block a mixer, a hidden layer, and which blocks before the last one it reads besides."""
    steps = []
    for block in range(size.blocks):
        steps += [Step(mixer(block)), Step(hidden(block))]
        earlier = tuple(f"block{i}" for i in range(block - 1))
        steps.append(Step(Skips(f"block{block}.skips", earlier) if earlier else None, remember=f"block{block}"))
    return steps


# 2. The model: shared weights of all architectures, or the weights of one.


@dataclass(frozen=True)
class Config:
    """The model's other settings."""

    width: Count = 32
    """Features of a patch."""
    patch: Count = 2
    """Height and width of a patch, in pixels."""
    drop: Decay = 0.1
    """Probability of dropping a feature before the classifier."""


class Model(nn.Module):
    """Patches, blocks, mean over patches, classifier."""

    def __init__(self, config: Config, size: Size, spec: ImageSpec, architecture: Architecture | None) -> None:
        super().__init__()
        width, self.drop = config.width, config.drop
        self.grid = (spec.height // config.patch, spec.width // config.patch)
        patches = self.grid[0] * self.grid[1]
        self.embed = nn.Conv2d(spec.channels, width, config.patch, stride=config.patch)
        self.place = nn.Parameter(0.02 * torch.randn(patches, width))
        self.mixers, self.mlps = nn.ModuleList(), nn.ModuleList()
        for block in range(size.blocks):
            mixers = {
                "attention": lambda: Attention(width),
                "conv3x3": lambda: Convolution(width, self.grid),
                "patch_mlp": lambda: AcrossPatches(patches),
                "none": lambda: Nothing(),
            }
            mlps = {name: lambda name=name: mlp(width, width * int(name[1:])) for name in HIDDEN.options}
            self.mixers.append(Choice(mixer(block), mixers, architecture))
            self.mlps.append(Choice(hidden(block), mlps, architecture))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2 * size.blocks + 1))
        self.classify = nn.Linear(width, spec.classes)

    def forward(self, images: Tensor, architecture: Architecture) -> Tensor:
        """Logits "batch classes" of images "batch channels height width"."""
        x = self.embed(images).flatten(2).transpose(1, 2) + self.place  # batch patches width
        outputs: dict[str, Tensor] = {}
        for block, (mix, widen) in enumerate(zip(self.mixers, self.mlps, strict=True)):
            for earlier in cast(Sequence[str], architecture.choices.get(f"block{block}.skips", ())):
                x = x + outputs[earlier]
            x = x + mix(self.norms[2 * block](x), architecture=architecture)
            x = x + widen(self.norms[2 * block + 1](x), architecture=architecture)
            outputs[f"block{block}"] = x
        return self.classify(F.dropout(self.norms[-1](x).mean(1), self.drop, self.training))


class Attention(nn.Module):
    """Self-attention with one head."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.read, self.write = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Each patch looks at all patches."""
        query, key, value = self.read(x)[:, None].chunk(3, dim=3)  # batch heads patches width
        return self.write(F.scaled_dot_product_attention(query, key, value)[:, 0])


class Convolution(nn.Module):
    """A convolution of each feature by itself."""

    def __init__(self, width: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.grid, self.conv = grid, nn.Conv2d(width, width, 3, padding=1, groups=width)

    def forward(self, x: Tensor) -> Tensor:
        """Each patch looks at its neighbours."""
        return self.conv(x.transpose(1, 2).unflatten(2, self.grid)).flatten(2).transpose(1, 2)


class AcrossPatches(nn.Module):
    """A small network from patches to patches, the same for all features."""

    def __init__(self, patches: int) -> None:
        super().__init__()
        self.mlp = mlp(patches, patches)

    def forward(self, x: Tensor) -> Tensor:
        """Each place has weights of its own for each other place."""
        return self.mlp(x.transpose(1, 2)).transpose(1, 2)


class Nothing(nn.Module):
    """No mixing."""

    def forward(self, x: Tensor) -> Tensor:
        """Zero: the block keeps what it has."""
        return torch.zeros_like(x)


def mlp(width: int, inner: int) -> nn.Sequential:
    """Two layers with a GELU between them."""
    return nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width))


# 3. The space: both together, and settings to begin with.

FAST = {"lr_max": 0.3, "grad_clip": 5.0}  # without batch norm, large steps with a limit
SPACE = own_space(
    questions=questions,
    model=Model,
    size=Size,
    config=Config,
    recipes={
        "cpu": Recipe("cpu", size=Size(blocks=6), config=Config(width=64, patch=4), search=FAST, train=FAST),
        "demo": Recipe("demo", size=Size(blocks=3), search=FAST, train=FAST),
    },
)


def main(out: str = "runs/mixer", **settings: object) -> float:
    """Search, train, draw, export, and use it; returns the test accuracy."""
    found = enas.search(__file__, preset="demo", out=out, **settings)
    trained = enas.train(found, **settings)
    enas.draw(found, Path(out) / "architecture.png")
    enas.export(trained, Path(out) / "mixer.pt2")
    return trained.result["test/accuracy"]


if __name__ == "__main__":
    print(f"test accuracy {main():.3f}")
