"""Texts and architectures that the tests of the RNN space share."""

import torch
from torch import nn

from enas.architecture import Architecture, decode
from enas.controller import sample_uniformly
from enas.data.text import TextSpec
from enas.spaces.rnn.steps import steps

PTB = TextSpec(10_000)
SPEC = TextSpec(11)
TOKENS = torch.randint(11, (5, 3), generator=torch.Generator().manual_seed(3))


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def uniform(nodes: int, seed: int, *, tanh_first: int = 0) -> Architecture:
    size = {"nodes": nodes, "tanh_first": tanh_first}
    codes = sample_uniformly(steps(size), 1, torch.Generator().manual_seed(seed))[0]
    return decode(codes.tolist(), steps(size), space="rnn", size=size)
