"""`draw`: a picture of an architecture, as SVG, PNG or PDF. Lengths are inches, sizes of text are points.

The picture is first put together as a list of plain marks; `enas.picture` measures and paints them.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

from enas.boxes import (
    HEADING,
    LABEL,
    SMALL,
    TITLE,
    WHITE,
    arrow,
    box,
    colours,
    edge_colour,
    label_colour,
    legend,
    plate,
)
from enas.callable import make_callable
from enas.errors import UsageError
from enas.files import replacing
from enas.layout import Point, ranks, routed, rows, smooth, topological
from enas.picture import FORMATS, Mark, Shape, Text, bounds, moved, paint, rasters, text_width
from enas.row import Row, strip
from enas.space import Graph

MARGIN = 0.2
BETWEEN, WIDEST = 0.6, 14.0
"""Inches between two panels, and of a picture with panels side by side."""
ROW = 0.56
"""Inches from one row of a cell to the next."""


def draw(graph: Graph, path: Path) -> None:
    """Write a picture of an architecture; the same graph gives the same bytes.

    Args:
        graph: what to draw.
        path: where; the suffix .svg, .png or .pdf decides the format.

    Raises:
        UsageError: another suffix, or a graph with no nodes, with an edge that ends nowhere or in another panel, or with a
            circle.
        RunError: the place cannot be written.
    """
    form = path.suffix.lower().removeprefix(".")
    if form not in FORMATS:
        raise UsageError(f"cannot draw to {str(path)!r}: the name of the file must end in .svg, .png or .pdf")
    marks, size = _framed(graph, _panels(graph))
    with replacing(path) as temporary:
        paint(marks, size, temporary, form, graph.title)


def image(graph: Graph) -> Image.Image:
    """A picture in memory, for TensorBoard.

    Raises:
        UsageError: the graph cannot be drawn: see `draw`.
    """
    marks, size = _framed(graph, _panels(graph))
    return next(rasters([marks], size, min(80.0, 1200 / size[0])))


def panels(graph: Graph) -> tuple[Graph, ...]:
    """Split a graph by the headings of its nodes, in the order in which they first occur.

    Raises:
        UsageError: the graph cannot be drawn: see `topological`; or an edge joins nodes of two panels.
    """
    panel = {node.name: node.panel for node in topological(graph)}
    for edge in graph.edges:
        if panel[edge.source] != panel[edge.target]:
            arrow = f"{edge.source!r} -> {edge.target!r}"
            raise UsageError(f"cannot draw {graph.title!r}: {arrow} leads to another panel; remove that edge")
    return tuple(
        replace(
            graph,
            nodes=tuple(node for node in graph.nodes if node.panel == heading),
            edges=tuple(edge for edge in graph.edges if panel[edge.source] == heading),
        )
        for heading in dict.fromkeys(node.panel for node in graph.nodes)
    )


def _panels(graph: Graph) -> list[Mark]:
    """The parts of a graph, each below its heading: side by side, or one below another where that would be too wide."""
    parts = []
    for panel in panels(graph):
        part = strip(Row.of([panel]), 0) if graph.layout == "chain" else _cell(panel)
        (left, _), (right, top) = bounds(part)
        if heading := panel.nodes[0].panel:
            part.append(Text(((left + right) / 2, top + 0.26), heading, HEADING, bold=True))
        parts.append(part)
    shifts = arranged([bounds(part) for part in parts])
    return [moved(mark, *shift) for part, shift in zip(parts, shifts, strict=True) for mark in part]


def arranged(corners: Sequence[tuple[Point, Point]]) -> list[Point]:
    """How far to move parts, given by two corners each: side by side, or, where that is too wide, below each other."""
    beside = sum(right - left + BETWEEN for (left, _), (right, _) in corners) <= WIDEST
    shifts = []
    x = y = 0.0
    for (left, bottom), (right, top) in corners:
        shifts.append((x - left, -top) if beside else (-(left + right) / 2, y - top))
        x, y = x + right - left + BETWEEN, y - (top - bottom) - BETWEEN
    return shifts


def _cell(graph: Graph) -> list[Mark]:
    """A cell: inputs at the left, outputs at the right, edges as curves with their labels on them."""
    colour, rank = colours(graph), ranks(graph)
    widest: dict[int, float] = {}
    for node in graph.nodes:
        widest[rank[node.name]] = max(widest.get(rank[node.name], 0.46), text_width(node.label, LABEL) + 0.26)
    wide = {node.name: widest[rank[node.name]] for node in graph.nodes}
    labels = [text_width(edge.label, SMALL) + 0.1 if edge.label else 0.0 for edge in graph.edges]
    plan = routed(graph, wide, labels, ROW)
    marks: list[Mark] = []
    for edge, path in zip(graph.edges, plan.paths, strict=True):
        line, tip = edge_colour(edge), path[-1]
        curve = Shape(smooth((*path[:-1], (tip[0] - 0.06, tip[1]))), curved=True, line=line, width=1.3)
        rim = replace(curve, line=WHITE, width=3.2)  # shows which of two edges that cross goes where
        marks += [rim, replace(curve, dashed=edge.kind == "skip"), arrow(tip, line)]
    for edge, at in zip(graph.edges, plan.labels, strict=True):
        if edge.label:
            marks += [plate(at, edge.label), Text(at, edge.label, SMALL, colour=label_colour(edge))]
    for node in graph.nodes:
        at, high = plan.nodes[node.name], rows(graph, node.name) * ROW
        marks += [box(node.kind, colour[node.kind], at, wide[node.name], high), Text(at, node.label, LABEL)]
    return marks


def _framed(graph: Graph, marks: Sequence[Mark]) -> tuple[list[Mark], Point]:
    """Add the title above and the legend below; return the marks, moved into the picture, and its size."""
    (left, bottom), (right, top) = bounds(marks)
    middle, room = (left + right) / 2, max(right - left, 4.0)
    title = reversed(textwrap.wrap(graph.title, int(room / 0.14)))
    words = [Text((middle, top + 0.32 + 0.26 * i), line, TITLE, bold=True) for i, line in enumerate(title)]
    everything = [*marks, *words, *legend(graph, room, (middle, bottom - 0.36))]
    (left, bottom), (right, top) = bounds(everything)
    size = (right - left + 2 * MARGIN, top - bottom + 2 * MARGIN)
    return [moved(mark, MARGIN - left, MARGIN - bottom) for mark in everything], size


make_callable(__name__)
