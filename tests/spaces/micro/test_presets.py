"""Presets of the micro space against the numbers of the paper."""

from enas.spaces import load
from enas.spaces.micro.steps import steps

from .examples import PAPER


def test_presets_fit_the_space() -> None:
    space = load("micro")
    assert set(space.presets) == {"paper", "cpu", "demo"}
    assert (PAPER.search.epochs, PAPER.train.epochs, PAPER.train_augment.cutout) == (150, 630, 16)
    for preset in space.presets.values():
        steps(space.size(preset.supernet))
