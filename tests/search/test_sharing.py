"""Scores of architectures that share what they have in common are the scores of each alone, bit by bit."""

from collections import Counter
from dataclasses import replace

import pytest
import torch
from torch import nn

from enas.controller import sample_uniformly
from enas.data.images import ImageSpec
from enas.search.scoring import Decoder, bind, sharing
from enas.spaces import load

SPACES = ["macro", "micro", "nasbench-macro", "nasbench201"]


def supernet_of(name: str) -> tuple[nn.Module, Decoder]:
    space = load(name)
    torch.manual_seed(0)
    config = space.presets["demo"].supernet
    if name == "macro":
        config = replace(config, layers=6)
    supernet = space.supernet(config, ImageSpec(3, 16, 16, 5), running_statistics=False)
    size = dict(space.size(config))
    return supernet.to(memory_format=torch.channels_last).eval(), Decoder(space.name, space.steps(size), size)


@pytest.mark.parametrize("name", SPACES)
def test_shared_results_change_no_bit(name: str) -> None:
    supernet, decoder = supernet_of(name)
    rows = sample_uniformly(decoder.steps, 12, torch.Generator().manual_seed(0)).tolist()
    images = torch.randn(8, 3, 16, 16).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        alone = {tuple(row): bind(supernet, decoder(torch.tensor(row)))(images) for row in rows}
        with sharing(supernet):
            for row in sorted(alone):
                assert torch.equal(bind(supernet, decoder(torch.tensor(row)))(images), alone[row])


def test_architectures_that_begin_alike_compute_their_beginning_once() -> None:
    supernet, decoder = supernet_of("nasbench-macro")
    calls = Counter[str]()
    for name, module in supernet.named_modules():
        if name == "stem" or (name.startswith("blocks.") and name.count(".") == 2):
            module.register_forward_hook(lambda *_, name=name: calls.update([name]))
    images = torch.randn(8, 3, 16, 16).contiguous(memory_format=torch.channels_last)
    codes = [[0] * 7 + [last] for last in range(3)] + [[1] + [0] * 7]
    with torch.no_grad(), sharing(supernet):
        for code in codes:
            bind(supernet, decoder(torch.tensor(code)))(images)
    assert calls["stem"] == 1
    first, last = (sum(count for name, count in calls.items() if name.startswith(f"blocks.{k}.")) for k in (0, 7))
    assert (first, last) == (2, 4)
    assert sum(calls.values()) == 1 + 8 + 2 + 8  # stem; the first; the others' last block; all of the fourth
