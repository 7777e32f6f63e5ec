"""The questions that the controller is asked of a micro cell, and its published number of weights."""

import math

import pytest
import torch

from enas.architecture import decode, encode
from enas.controller import Controller, sample_uniformly
from enas.errors import ArchitectureError
from enas.spaces.micro.steps import steps

from .examples import PAPER, count

FIVE = {"nodes": 5, "all_nodes": 0}


def test_controller_has_the_published_parameter_count_and_untrained_entropy() -> None:
    torch.manual_seed(0)
    controller = Controller(steps(FIVE), PAPER.controller)
    assert count(controller) == 41_733
    assert len(controller.steps) == 54
    with torch.no_grad():
        sample = controller(2000, generator=torch.Generator().manual_seed(1))
    ceiling = 2 * 2 * sum(math.log(k) for k in range(2, 7)) + 20 * math.log(5)
    assert ceiling == pytest.approx(58.51, abs=0.005)
    assert sample.entropy.mean().item() == pytest.approx(57.19, abs=0.03)
    assert sample.codes.shape == (2000, 40)


def test_inner_nodes_point_only_backwards_and_every_code_can_be_drawn() -> None:
    size = {"nodes": 2, "all_nodes": 0}
    codes = sample_uniformly(steps(size), 3000, torch.Generator().manual_seed(0))
    assert (codes.amax(0) + 1).tolist() == 2 * [2, 2, 5, 5, 3, 3, 5, 5]
    for row in codes[:50].tolist():
        architecture = decode(row, steps(size), space="micro", size=size)
        assert encode(architecture, steps(size)) == tuple(row)


@pytest.mark.parametrize(
    "size",
    [{}, {"nodes": 5}, {"nodes": 0, "all_nodes": 0}, {"nodes": 5, "all_nodes": 2}, {"nodes": 101, "all_nodes": 0}],
)
def test_other_sizes_are_refused(size: dict[str, int]) -> None:
    with pytest.raises(ArchitectureError, match="'nodes', 1 to 100, and 'all_nodes', 0 or 1"):
        steps(size)
