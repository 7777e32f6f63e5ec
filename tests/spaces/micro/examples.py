"""Images and architectures that the tests of the micro space share."""

import torch
from torch import nn

from enas.architecture import Architecture, decode
from enas.controller import sample_uniformly
from enas.data.images import ImageSpec
from enas.spaces.micro.presets import PRESETS
from enas.spaces.micro.steps import steps

CIFAR = ImageSpec(channels=3, height=32, width=32, classes=10)
TINY = ImageSpec(channels=1, height=8, width=8, classes=4)
PAPER = PRESETS["paper"]


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def draw(seed: int, nodes: int = 3, all_nodes: int = 0) -> Architecture:
    size = {"nodes": nodes, "all_nodes": all_nodes}
    codes = sample_uniformly(steps(size), 1, torch.Generator().manual_seed(seed))[0]
    return decode(codes.tolist(), steps(size), space="micro", size=size)
