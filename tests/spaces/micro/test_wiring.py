"""Published cells, how cells are stacked and run, and their drawing."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from enas.architecture import encode
from enas.spaces import published
from enas.spaces.micro.steps import OPERATIONS, steps
from enas.spaces.micro.wiring import (
    Cell,
    Side,
    auxiliary_cell,
    cell_name,
    cell_of,
    filters_at,
    reduction_cells,
    run_cell,
    run_stack,
    wiring,
)

from .examples import draw

NORMAL = "0 2 0 0 | 0 4 0 1 | 0 4 1 1 | 1 0 0 1 | 0 2 1 1"
REDUCTION = "1 0 1 0 | 0 3 0 2 | 1 1 3 1 | 1 0 0 4 | 0 3 1 1"
"""The authors' final script: first input, first operation, second input, second operation of each node."""


def parsed(text: str) -> tuple[tuple[Side, Side], ...]:
    numbers = [[int(word) for word in node.split()] for node in text.split("|")]
    return tuple((Side(a, OPERATIONS[b]), Side(c, OPERATIONS[d])) for a, b, c, d in numbers)


def test_published_architecture_is_that_of_the_script() -> None:
    architecture = published("enas-micro")
    assert cell_of(architecture, "normal") == Cell(parsed(NORMAL), (2, 3, 4, 5, 6))
    assert cell_of(architecture, "reduction") == Cell(parsed(REDUCTION), (2, 4, 5, 6))
    assert len(encode(architecture, steps(architecture.size))) == 40


def test_places_of_reductions_and_of_the_auxiliary_classifier() -> None:
    assert reduction_cells(6) == (2, 5)
    assert reduction_cells(15) == (5, 11)
    assert (auxiliary_cell(6), auxiliary_cell(15)) == (6, 12)
    assert [filters_at(index, 6, 20) for index in range(8)] == [20, 20, 40, 40, 40, 80, 80, 80]
    assert [cell_name(index, 1) for index in range(3)] == ["reduction", "reduction", "normal"]


def stacked(layers: int, *, search: bool) -> tuple[list[tuple[str, str]], str, str]:
    """What each cell reads, and the two results, where maps are strings: a number is a cell's output, ' a reduction."""
    seen: list[tuple[str, str]] = []

    def cell(index: int, older: str, newer: str) -> str:
        seen.append((older, newer))
        return str(index)

    reduce = (lambda number, x: x + "'") if search else None
    return seen, *run_stack("s", layers=layers, reduce=reduce, cell=cell)


def test_search_cells_are_stacked_as_published() -> None:
    """A reduction's two inputs derive from one map, and the next cell reads its small input and its output."""
    first, second, rest = [("s", "s"), ("s", "0")], [("1", "1'"), ("1'", "2")], [("2", "3"), ("4", "4'"), ("4'", "5")]
    assert stacked(6, search=True) == ([*first, *second, *rest, ("5", "6")], "7", "6")


@pytest.mark.parametrize("layers", [1, 2, 3, 15])
def test_final_cells_read_the_two_outputs_before_them(layers: int) -> None:
    outputs = ["s", "s", *map(str, range(layers + 2))]
    seen, last, tapped = stacked(layers, search=False)
    assert seen == list(pairwise(outputs))[:-1]
    assert (last, tapped) == (str(layers + 1), str(auxiliary_cell(layers)))


def test_run_cell_lets_a_separable_convolution_add_the_other_side() -> None:
    seen = []

    def operate(node: int, number: int, side: Side, x: Tensor, plus: Tensor | None) -> Tensor:
        seen.append((node, number, plus is not None))
        return (number + 2) * x if plus is None else (number + 2) * x + plus

    nodes = (
        (Side(0, "sep3x3"), Side(0, "max_pool")),
        (Side(2, "identity"), Side(1, "sep5x5")),
        (Side(0, "max_pool"), Side(0, "max_pool")),
        (Side(3, "sep3x3"), Side(2, "sep3x3")),
    )
    x, y = torch.randn(2, 2, 3, 4, 4).unbind()
    cell = Cell(nodes, (4, 5))
    found = run_cell(cell, x, y, operate=operate, join=lambda ends, maps: torch.cat(list(maps), dim=1))
    two = 2 * x + 3 * x
    three = 2 * two + 3 * y
    expected = torch.cat([3 * x + 3 * x, 2 * three + 3 * two], dim=1)
    torch.testing.assert_close(found, expected)
    assert seen == [(2, 1, False), (2, 0, True), (3, 0, False), (3, 1, True), (5, 0, False), (5, 1, True)]


def test_drawing_shows_both_cells_with_every_operation() -> None:
    graph = wiring(published("enas-micro"))
    assert {node.panel for node in graph.nodes} == {"Normal cell", "Reduction cell"}
    assert len(graph.nodes) == 2 * (2 + 5 + 1)
    assert sum(edge.label != "" for edge in graph.edges) == 20
    assert sum(edge.label == "" for edge in graph.edges) == 5 + 4
    alone = {"normal.node2.left.input": "normal.input0", "normal.node2.right.input": "normal.input0"}
    architecture = replace(draw(0, nodes=1), choices=dict(draw(0, nodes=1).choices) | alone)
    names = [node.name for node in wiring(architecture).nodes]
    assert "normal.input1" in names, "an input that no node reads is a loose end"
    architecture = replace(architecture, size={"nodes": 1, "all_nodes": 1})
    assert "normal.input1" not in [node.name for node in wiring(architecture).nodes]
