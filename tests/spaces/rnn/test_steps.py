"""The questions of an RNN cell, and the controllers' published numbers of weights."""

import math

import pytest

from enas.config import ControllerConfig
from enas.controller import Controller
from enas.decisions import choices_of, code_length, decisions
from enas.errors import ArchitectureError, UsageError
from enas.spaces import load
from enas.spaces.rnn.steps import steps

from .examples import parameters


def test_questions_of_the_paper_and_of_the_corrected_code() -> None:
    paper, corrected = steps({"nodes": 12, "tanh_first": 0}), steps({"nodes": 10, "tanh_first": 1})
    assert (len(paper), code_length(paper)) == (24, 23)
    assert (len(corrected), code_length(corrected)) == (19, 18)
    space = math.prod(choices_of(decision) for decision in decisions(paper))
    assert space == 4**12 * math.factorial(11)


def test_controllers_have_the_published_numbers_of_weights() -> None:
    presets = load("rnn").presets
    paper = Controller(steps({"nodes": 12, "tanh_first": 0}), presets["paper"].controller)
    corrected = Controller(steps({"nodes": 10, "tanh_first": 1}), presets["enas-lm"].controller)
    assert (parameters(paper), parameters(corrected)) == (101_000, 41_344)


@pytest.mark.parametrize("size", [{}, {"nodes": 5}, {"nodes": 1, "tanh_first": 0}, {"nodes": 3, "tanh_first": 2}])
def test_other_sizes_are_refused(size: dict[str, int]) -> None:
    with pytest.raises(ArchitectureError, match="the size of a cell is"):
        steps(size)


def test_a_controller_learns_nothing_of_the_lstm() -> None:
    with pytest.raises(UsageError, match="asks no question"):
        Controller(steps({"lstm": 1}), ControllerConfig())
