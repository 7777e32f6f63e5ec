"""`draw`: a picture of an architecture, as SVG, PNG or PDF. Lengths are inches, sizes of text are points.

The picture is first put together as a list of plain marks; `enas.picture` measures and paints them.
"""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from enas.callable import make_callable
from enas.errors import UsageError
from enas.files import replacing
from enas.layout import Point, positions, ranks, routed, rows, smooth, topological
from enas.picture import FORMATS, INK, Mark, Shape, Text, bounds, moved, paint, text_width
from enas.space import Graph

LINE, WHITE, NEUTRAL = "#5A5A5A", "#FFFFFF", "#D4D4D4"
BLUE, SKY, VERMILION, ORANGE = "#0072B2", "#56B4E9", "#D55E00", "#E69F00"
GREEN, PURPLE, YELLOW = "#009E73", "#CC79A7", "#F0E442"
"""Okabe and Ito's colours, which colour-blind readers can tell apart."""
KNOWN = {
    **{"conv3x3": BLUE, "sep3x3": SKY, "conv5x5": VERMILION, "sep5x5": ORANGE, "avgpool": GREEN, "maxpool": PURPLE},
    **{"tanh": BLUE, "relu": VERMILION, "sigmoid": GREEN, "identity": NEUTRAL},
    **dict.fromkeys(("node", "sum", "mean", "concat", "reduction", "input", "stem", "output", "head"), NEUTRAL),
}
"""Fixed colours, so that all drawings of a space agree; the key is the kind in lower case, letters and digits only."""
OTHERS = (YELLOW, PURPLE, GREEN, ORANGE, SKY, VERMILION, BLUE, "#999999")
ENDS = ("input", "output", "stem", "head")
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


def colours(graph: Graph) -> dict[str, str]:
    """Give each kind of node a colour: the fixed one, else the next unused one, by the alphabet."""
    kinds = sorted({node.kind for node in graph.nodes})
    chosen = {kind: KNOWN[_key(kind)] for kind in kinds if _key(kind) in KNOWN}
    free = [colour for colour in OTHERS if colour not in chosen.values()] or list(OTHERS)
    unknown = [kind for kind in kinds if kind not in chosen]
    return chosen | {kind: free[i % len(free)] for i, kind in enumerate(unknown)}


def _key(kind: str) -> str:
    return "".join(letter for letter in kind.lower() if letter.isalnum())


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


def _mixed(colour: str, other: str, share: float) -> str:
    """Mix a share of a second colour into the first."""
    pairs = [(int(colour[i : i + 2], 16), int(other[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(a * (1 - share) + b * share):02X}" for a, b in pairs)


def _dark(colour: str) -> str:
    """A line that stands out from white."""
    return LINE if colour == NEUTRAL else _mixed(colour, "#000000", 0.18)


def _box(kind: str, colour: str, at: Point, width: float, height: float) -> Shape:
    """The outline of a node: a bar that narrows along the flow, as the maps do, for a reduction; else round corners."""
    (x, y), w, h = at, width / 2, height / 2
    if kind == "reduction":
        corners = ((-w, -1.25 * h), (-w, 1.25 * h), (w, 0.95 * h), (w, -0.95 * h), (-w, -1.25 * h))
        return Shape(tuple((x + a, y + b) for a, b in corners), fill=_mixed(LINE, WHITE, 0.5), line=INK)
    r = 0.05 if height > 0.2 else 0.03
    quarters = enumerate(((1, 1), (-1, 1), (-1, -1), (1, -1)))
    turns = [(sx * (w - r), sy * (h - r), math.pi / 2 * (q + k / 6)) for q, (sx, sy) in quarters for k in range(7)]
    points = [(x + a + r * math.cos(turn), y + b + r * math.sin(turn)) for a, b, turn in turns]
    fill = WHITE if kind in ENDS else _mixed(colour, WHITE, 0.5)
    return Shape((*points, points[0]), fill=fill, line=_dark(colour))


def _arrow(tip: Point, colour: str, *, down: bool = False) -> Shape:
    """The head of an arrow that points right, or down."""
    (x, y), length, half = tip, 0.085, 0.038
    back = [(x + side, y + length) if down else (x - length, y + side) for side in (-half, half)]
    return Shape((tip, *back, tip), fill=colour)


def _panels(graph: Graph) -> list[Mark]:
    """The parts of a graph, each below its heading: side by side, or one below another where that would be too wide."""
    parts = []
    for panel in panels(graph):
        part = _chain(panel) if graph.layout == "chain" else _cell(panel)
        (left, _), (right, top) = bounds(part)
        if heading := panel.nodes[0].panel:
            part.append(Text(((left + right) / 2, top + 0.26), heading, 11, bold=True))
        parts.append(part)
    corners = [bounds(part) for part in parts]
    beside = sum(right - left + BETWEEN for (left, _), (right, _) in corners) <= WIDEST
    marks: list[Mark] = []
    x = y = 0.0
    for part, ((left, bottom), (right, top)) in zip(parts, corners, strict=True):
        dx, dy = (x - left, -top) if beside else (-(left + right) / 2, y - top)
        marks += [moved(mark, dx, dy) for mark in part]
        x, y = x + right - left + BETWEEN, y - (top - bottom) - BETWEEN
    return marks


def _chain(graph: Graph) -> list[Mark]:
    """A whole network: boxes from left to right, arcs above; a long row of boxes has its labels turned."""
    nodes, at, colour = topological(graph), positions(graph), colours(graph)
    longest, upright = max(text_width(node.label, 9) for node in nodes), len(nodes) > 8
    wide, high = (0.3, longest + 0.22) if upright else (max(longest + 0.2, 0.5), 0.44)
    x = {name: place * (wide + 0.2) for name, (place, _) in at.items()}
    kinds = {node.name: node.kind for node in nodes}
    marks: list[Mark] = []
    arcs: list[tuple[float, float, str]] = []
    for edge in graph.edges:
        start, tip = x[edge.source], x[edge.target] - wide / 2
        if edge.kind == "flow" and at[edge.target][0] - at[edge.source][0] == 1:
            marks += [Shape(((start, 0.0), (tip - 0.05, 0.0)), line=INK, width=1.3), _arrow((tip, 0.0), INK)]
        else:
            arcs.append((start + 0.3 * wide, tip + 0.2 * wide, _dark(colour[kinds[edge.source]])))
    marks += _arcs(arcs, high / 2)
    for node in nodes:
        here = (x[node.name], 0.0)
        marks += [_box(node.kind, colour[node.kind], here, wide, high), Text(here, node.label, upright=upright)]
        number = node.name[len(node.name.rstrip("0123456789")) :]
        if number and node.kind not in (*ENDS, "reduction"):
            marks.append(Text((here[0], -high / 2 - 0.12), number, 7, colour=LINE))
    return marks


def _arcs(arcs: Sequence[tuple[float, float, str]], top: float) -> list[Mark]:
    """Half ovals from one place to another, higher the farther they go; the shortest are drawn last."""
    marks: list[Mark] = []
    longest = max((tip - start for start, tip, _ in arcs), default=1.0)
    for start, tip, colour in sorted(arcs, key=lambda arc: arc[0] - arc[1]):
        control = top + 0.1 + 4 / 3 * min(0.42 * longest, 2.7) * ((tip - start) / longest) ** 0.85
        path = ((start, top), (start, control), (tip, control), (tip, top + 0.08))
        marks.append(Shape(path, curved=True, line=colour))
    return marks + [_arrow((tip, top), INK, down=True) for tip in sorted({tip for _, tip, _ in arcs})]


def _cell(graph: Graph) -> list[Mark]:
    """A cell: inputs at the left, outputs at the right, edges as curves with their labels on them."""
    colour, rank = colours(graph), ranks(graph)
    widest: dict[int, float] = {}
    for node in graph.nodes:
        widest[rank[node.name]] = max(widest.get(rank[node.name], 0.46), text_width(node.label, 9) + 0.26)
    wide = {node.name: widest[rank[node.name]] for node in graph.nodes}
    labels = [text_width(edge.label, 8) + 0.1 if edge.label else 0.0 for edge in graph.edges]
    plan = routed(graph, wide, labels, ROW)
    marks: list[Mark] = []
    for edge, path in zip(graph.edges, plan.paths, strict=True):
        line, tip = _dark(KNOWN.get(_key(edge.label), NEUTRAL)), path[-1]
        curve = Shape(smooth((*path[:-1], (tip[0] - 0.06, tip[1]))), curved=True, line=line, width=1.3)
        rim = replace(curve, line=WHITE, width=3.2)  # shows which of two edges that cross goes where
        marks += [rim, replace(curve, dashed=edge.kind == "skip"), _arrow(tip, line)]
    for edge, width, (x, y) in zip(graph.edges, labels, plan.labels, strict=True):
        if edge.label:
            w, h = width / 2, 0.08
            marks.append(Shape(((x - w, y - h), (x - w, y + h), (x + w, y + h), (x + w, y - h)), fill=WHITE))
            marks.append(Text((x, y), edge.label, 8, colour=_mixed(_dark(KNOWN.get(_key(edge.label), INK)), INK, 0.5)))
    for node in graph.nodes:
        at, high = plan.nodes[node.name], rows(graph, node.name) * ROW
        marks += [_box(node.kind, colour[node.kind], at, wide[node.name], high), Text(at, node.label)]
    return marks


def _framed(graph: Graph, marks: Sequence[Mark]) -> tuple[list[Mark], Point]:
    """Add the title above and the legend below; return the marks, moved into the picture, and its size."""
    (left, bottom), (right, top) = bounds(marks)
    middle, room = (left + right) / 2, max(right - left, 4.0)
    title = reversed(textwrap.wrap(graph.title, int(room / 0.12)))
    words = [Text((middle, top + 0.3 + 0.22 * i), line, 12, bold=True) for i, line in enumerate(title)]
    everything = [*marks, *words, *_legend(graph, room, (middle, bottom - 0.36))]
    (left, bottom), (right, top) = bounds(everything)
    size = (right - left + 2 * MARGIN, top - bottom + 2 * MARGIN)
    return [moved(mark, MARGIN - left, MARGIN - bottom) for mark in everything], size


def _legend(graph: Graph, room: float, at: Point) -> list[Mark]:
    """A sample and a name for each kind that occurs, in centred lines; kinds that look alike share a sample."""
    colour, order = colours(graph), list(KNOWN)
    names: dict[Shape, str] = {}
    between = order.index("node") - 0.5  # unknown kinds come after the known ones that have a colour
    for kind in sorted(colour, key=lambda kind: order.index(_key(kind)) if _key(kind) in order else between):
        sample = _box(kind, colour[kind], (0.0, 0.0), 0.12 if kind == "reduction" else 0.22, 0.13)
        names[sample] = f"{names[sample]}, {kind}" if sample in names else kind
    if any(edge.kind == "skip" for edge in graph.edges):
        arc = Shape(((-0.1, -0.05), (-0.1, 0.08), (0.1, 0.08), (0.1, -0.05)), curved=True, line=LINE)
        dashes = Shape(((-0.11, 0.0), (0.11, 0.0)), line=LINE, width=1.3, dashed=True)
        names[arc if graph.layout == "chain" else dashes] = "skip connection"
    widths = [0.3 + text_width(name, 8) for name in names.values()]
    x, total = 0.0, sum(widths) + 0.22 * len(widths)
    even = total / math.ceil(total / max(room, 6.0))  # lines of about one length, rather than one full and one short
    lines: list[list[Mark]] = []
    for (sample, name), width in zip(names.items(), widths, strict=True):
        if x >= even * len(lines) - width / 2:
            lines.append([])
        lines[-1] += [moved(sample, x + 0.11, 0.0), Text((x + (0.3 + width) / 2, 0.0), name, 8)]
        x += width + 0.22
    marks: list[Mark] = []
    for i, line in enumerate(lines):
        (left, _), (right, _) = bounds(line)
        marks += [moved(mark, at[0] - (left + right) / 2, at[1] - 0.24 * i) for mark in line]
    return marks


make_callable(__name__)
