"""`draw`: a picture of an architecture, as SVG, PNG or PDF. Lengths are inches, sizes of text are points.

The picture is first put together as a list of plain shapes and texts; only `_paint` and `_width` know of Matplotlib.
"""

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from enas.errors import UsageError
from enas.files import replacing
from enas.layout import Point, positions, routed, rows, smooth, topological
from enas.space import Edge, Graph, Node

INK = "#222222"
LINE = "#5A5A5A"
NEUTRAL = "#D4D4D4"
BLUE, SKY, VERMILION, ORANGE = "#0072B2", "#56B4E9", "#D55E00", "#E69F00"
GREEN, PURPLE, YELLOW, BLACK = "#009E73", "#CC79A7", "#F0E442", "#000000"
"""Okabe and Ito's colours, which colour-blind readers can tell apart."""
KNOWN = {
    **{"conv3x3": BLUE, "sep3x3": SKY, "conv5x5": VERMILION, "sep5x5": ORANGE, "avgpool": GREEN, "maxpool": PURPLE},
    **{"tanh": BLUE, "relu": VERMILION, "sigmoid": GREEN, "identity": NEUTRAL},
    **dict.fromkeys(("input", "output", "stem", "head", "reduction", "node", "sum", "concat"), NEUTRAL),
}
"""Fixed colours, so that all drawings of a space agree; the key is the kind in lower case, letters and digits only."""
OTHERS = (YELLOW, PURPLE, GREEN, ORANGE, SKY, VERMILION, BLUE, "#999999")
ENDS = ("input", "output", "stem", "head")

SETTINGS = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],  # the first comes with Matplotlib; viewers may lack it
    "svg.fonttype": "none",
    "svg.hashsalt": "enas",
    "pdf.fonttype": 42,
}
METADATA = {
    "svg": {"Date": None, "Creator": "enas"},
    "png": {"Software": "enas"},
    "pdf": {"CreationDate": None, "Creator": "enas", "Producer": None},
}
MARGIN = 0.2
ROW = 0.56
"""Inches from one row of a cell to the next."""


@dataclass(frozen=True)
class Shape:
    """An outline or a line."""

    points: tuple[Point, ...]
    """Corners; or, where `curved`, a first point and three more for each cubic curve."""
    curved: bool = False
    fill: str = "none"
    line: str = "none"
    width: float = 1.0
    """Points."""
    opacity: float = 1.0
    dashed: bool = False


@dataclass(frozen=True)
class Text:
    """One line of text, centred on a point."""

    at: Point
    words: str
    size: float = 9.0
    bold: bool = False
    upright: bool = False
    """Turned to be read from the right."""
    colour: str = INK


Mark = Shape | Text


def draw(graph: Graph, path: Path) -> None:
    """Write a picture of an architecture; the same graph gives the same bytes.

    Args:
        graph: what to draw.
        path: where; the suffix .svg, .png or .pdf decides the format.

    Raises:
        UsageError: another suffix, or a graph with no nodes, with an edge that ends nowhere, or with a circle.
        RunError: the place cannot be written.
    """
    form = path.suffix.lower().removeprefix(".")
    if form not in METADATA:
        raise UsageError(f"cannot draw to {str(path)!r}: the file's name must end in .svg, .png or .pdf")
    marks = _chain(graph) if graph.layout == "chain" else _cell(graph)
    marks, size = _framed(graph, marks)
    with replacing(path) as temporary:
        _paint(marks, size, temporary, form, graph.title)


def colours(graph: Graph) -> dict[str, str]:
    """Give each kind of node a colour: the fixed one, else the next unused one, by the alphabet."""
    kinds = sorted({node.kind for node in graph.nodes})
    chosen = {kind: KNOWN[_key(kind)] for kind in kinds if _key(kind) in KNOWN}
    free = [colour for colour in OTHERS if colour not in chosen.values()] or list(OTHERS)
    unknown = [kind for kind in kinds if kind not in chosen]
    return chosen | {kind: free[i % len(free)] for i, kind in enumerate(unknown)}


def _key(kind: str) -> str:
    return "".join(letter for letter in kind.lower() if letter.isalnum())


def _mixed(colour: str, other: str, share: float) -> str:
    """Mix a share of a second colour into the first."""
    pairs = [(int(colour[i : i + 2], 16), int(other[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(a * (1 - share) + b * share):02X}" for a, b in pairs)


def _pale(colour: str) -> str:
    """A fill that black text stands out from."""
    return _mixed(colour, "#FFFFFF", 0.5)


def _dark(colour: str) -> str:
    """A line that stands out from white."""
    return LINE if colour == NEUTRAL else _mixed(colour, "#000000", 0.18)


def _box(at: Point, width: float, height: float, *, fill: str, line: str, corner: float = 0.05) -> Shape:
    """A rectangle with round corners."""
    (x, y), w, h = at, width / 2, height / 2
    path = [(x - w, y - h + corner)]
    for sx, sy, rises in ((-1, -1, False), (1, -1, True), (1, 1, False), (-1, 1, True)):
        tip = (x + sx * w, y + sy * h)
        ends = [(tip[0] - sx * corner, tip[1]), (tip[0], tip[1] - sy * corner)]
        before, after = ends if rises else reversed(ends)
        handles = [(0.45 * p[0] + 0.55 * tip[0], 0.45 * p[1] + 0.55 * tip[1]) for p in (before, after)]
        path += [path[-1], before, before, *handles, after]
    path += [path[-1], path[0], path[0]]
    return Shape(tuple(path), curved=True, fill=fill, line=line, width=0.9)


def _trapezoid(at: Point, width: float, height: float, *, fill: str, line: str) -> Shape:
    """A bar that narrows along the flow, as the maps do at a reduction."""
    (x, y), w, h = at, width / 2, height / 2
    points = ((x - w, y - h), (x - w, y + h), (x + w, y + h * 0.75), (x + w, y - h * 0.75), (x - w, y - h))
    return Shape(points, fill=fill, line=line, width=0.9)


def _arrow(tip: Point, colour: str, *, down: bool = False, length: float = 0.085, half: float = 0.038) -> Shape:
    """The head of an arrow that points right, or down."""
    x, y = tip
    back = ((x - half, y + length), (x + half, y + length)) if down else ((x - length, y - half), (x - length, y + half))
    return Shape((tip, *back), fill=colour)


def _chain(graph: Graph) -> list[Mark]:
    """A whole network: boxes from left to right, arcs above."""
    nodes, at, colour = topological(graph), positions(graph), colours(graph)
    longest = max(_width(node.label, 9) for node in nodes)
    upright = len(nodes) > 8
    wide, high = (0.3, longest + 0.22) if upright else (max(longest + 0.2, 0.5), 0.44)
    x = {name: place * (wide + 0.2) for name, (place, _) in at.items()}
    marks: list[Mark] = []
    arcs: list[tuple[float, float, str]] = []
    kinds = {node.name: node.kind for node in nodes}
    for edge in graph.edges:
        start, tip = x[edge.source], x[edge.target]
        if edge.kind == "flow" and at[edge.target][0] - at[edge.source][0] == 1:
            line = Shape(((start, 0.0), (tip - wide / 2 - 0.05, 0.0)), line=INK, width=1.3)
            marks += [line, _arrow((tip - wide / 2, 0.0), INK)]
        else:
            arcs.append((start + 0.3 * wide, tip - 0.3 * wide, _dark(colour[kinds[edge.source]])))
    marks += _arcs(arcs, high / 2)
    for node in nodes:
        marks += _chain_node(node, (x[node.name], 0.0), (wide, high), colour[node.kind], upright)
    return marks


def _arcs(arcs: Sequence[tuple[float, float, str]], top: float) -> list[Mark]:
    """Half ovals from one place to another, higher the farther they go."""
    marks: list[Mark] = []
    longest = max((tip - start for start, tip, _ in arcs), default=1.0)
    tallest = min(0.42 * longest, 2.6)
    for start, tip, colour in sorted(arcs, key=lambda arc: arc[0] - arc[1]):
        control = top + 0.1 + 4 / 3 * tallest * ((tip - start) / longest) ** 0.85
        path = ((start, top), (start, control), (tip, control), (tip, top + 0.08))
        marks.append(Shape(path, curved=True, line=colour, width=1.0, opacity=0.8))
    return marks + [_arrow((tip, top), INK, down=True) for tip in sorted({tip for _, tip, _ in arcs})]


def _chain_node(node: Node, at: Point, size: Point, colour: str, upright: bool) -> list[Mark]:
    """A box with its label, and beneath it the number that the node's name ends in."""
    marks: list[Mark]
    if node.kind == "reduction":
        marks = [_trapezoid(at, size[0], size[1] / 0.8, fill=_pale(LINE), line=INK)]
    else:
        marks = [_box(at, *size, fill="#FFFFFF" if node.kind in ENDS else _pale(colour), line=_dark(colour))]
    marks.append(Text(at, node.label, upright=upright))
    number = node.name[len(node.name.rstrip("0123456789")) :]
    if number and node.kind not in (*ENDS, "reduction"):
        marks.append(Text((at[0], at[1] - size[1] / 2 - 0.12), number, 7, colour=LINE))
    return marks


def _cell(graph: Graph) -> list[Mark]:
    """A cell: inputs at the left, outputs at the right, edges as curves with their labels on them."""
    colour = colours(graph)
    wide = {node.name: max(_width(node.label, 9) + 0.26, 0.46) for node in graph.nodes}
    labels = [_width(edge.label, 8) + 0.08 if edge.label else 0.0 for edge in graph.edges]
    plan = routed(graph, wide, labels, ROW)
    marks: list[Mark] = []
    for edge, path in zip(graph.edges, plan.paths, strict=True):
        line, tip = _dark(KNOWN.get(_key(edge.label), NEUTRAL)), path[-1]
        curve = smooth((*path[:-1], (tip[0] - 0.06, tip[1])))
        marks.append(Shape(curve, curved=True, line=line, width=1.3, dashed=edge.kind == "skip"))
        marks.append(_arrow(tip, line))
    for edge, width, at in zip(graph.edges, labels, plan.labels, strict=True):
        if edge.label:
            marks.append(_box(at, width, 0.17, fill="#FFFFFF", line="none"))
            marks.append(Text(at, edge.label, 8, colour=_mixed(KNOWN.get(_key(edge.label), INK), INK, 0.4)))
    for node in graph.nodes:
        at, size = plan.nodes[node.name], (wide[node.name], rows(graph, node.name) * ROW)
        fill = "#FFFFFF" if node.kind in ENDS else _pale(colour[node.kind])
        marks += [_box(at, *size, fill=fill, line=_dark(colour[node.kind]), corner=0.08), Text(at, node.label)]
    return marks


def _framed(graph: Graph, marks: Sequence[Mark]) -> tuple[list[Mark], Point]:
    """Add the title above and the legend below; return the marks, moved into the picture, and its size."""
    points = [point for mark in marks for point in _extent(mark)]
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    bottom, top = min(y for _, y in points), max(y for _, y in points)
    middle, room = (left + right) / 2, max(right - left, 4.0)
    lines = textwrap.wrap(graph.title, int(room / 0.12)) or [""]
    words = [Text((middle, top + 0.3 + 0.22 * i), line, 12, bold=True) for i, line in enumerate(reversed(lines))]
    legend = _legend(graph, room, (middle, bottom - 0.4))
    everything = [*marks, *words, *legend]
    points = [point for mark in everything for point in _extent(mark)]
    left, right = min(x for x, _ in points) - MARGIN, max(x for x, _ in points) + MARGIN
    bottom, top = min(y for _, y in points) - MARGIN, max(y for _, y in points) + MARGIN
    return [_moved(mark, -left, -bottom) for mark in everything], (right - left, top - bottom)


def _legend(graph: Graph, room: float, at: Point) -> list[Mark]:
    """A sample and a name for each kind that occurs, in centred lines no wider than `room`."""
    colour, order = colours(graph), list(KNOWN)
    rank = {kind: order.index(_key(kind)) if _key(kind) in order else len(order) for kind in colour}
    entries = []
    for kind in sorted(colour, key=lambda kind: (colour[kind] == NEUTRAL, rank[kind], kind)):
        entries.append((kind, _sample(kind, colour[kind])))
    if any(edge.kind == "skip" for edge in graph.edges):
        arc = Shape(((-0.1, -0.05), (-0.1, 0.08), (0.1, 0.08), (0.1, -0.05)), curved=True, line=LINE)
        line = Shape(((-0.11, 0.0), (0.11, 0.0)), line=LINE, width=1.3, dashed=True)
        entries.append(("skip connection", arc if graph.layout == "chain" else line))
    lines: list[list[tuple[float, str, Shape]]] = []
    x = room
    for name, sample in entries:
        width = 0.32 + _width(name, 8)
        if x + width > room:
            lines.append([])
            x = 0.0
        lines[-1].append((x, name, sample))
        x += width + 0.22
    marks: list[Mark] = []
    for i, line in enumerate(lines):
        start = at[0] - (line[-1][0] + 0.32 + _width(line[-1][1], 8)) / 2
        for x, name, sample in line:
            where = (start + x + 0.12, at[1] - 0.24 * i)
            marks.append(_moved(sample, *where))
            marks.append(Text((where[0] + 0.2 + _width(name, 8) / 2, where[1]), name, 8))
    return marks


def _sample(kind: str, colour: str) -> Shape:
    if kind == "reduction":
        return _trapezoid((0.0, 0.0), 0.1, 0.16, fill=_pale(LINE), line=INK)
    return _box((0.0, 0.0), 0.22, 0.13, fill="#FFFFFF" if kind in ENDS else _pale(colour), line=_dark(colour), corner=0.03)


def _moved(mark: Mark, dx: float, dy: float) -> Mark:
    if isinstance(mark, Text):
        return replace(mark, at=(mark.at[0] + dx, mark.at[1] + dy))
    return replace(mark, points=tuple((x + dx, y + dy) for x, y in mark.points))


def _extent(mark: Mark) -> Sequence[Point]:
    """Points around a mark. The handles of a curve lie beyond it: only an arc's matter, and it reaches 3/4 of their way."""
    if isinstance(mark, Shape):
        if len(mark.points) != 4 or not mark.curved:
            return mark.points
        a, b, c, d = mark.points
        return (a, d, *((0.25 * p[0] + 0.75 * q[0], 0.25 * p[1] + 0.75 * q[1]) for p, q in ((a, b), (d, c))))
    (x, y), w, h = mark.at, _width(mark.words, mark.size, bold=mark.bold) / 2, mark.size / 72 / 2
    if mark.upright:
        w, h = h, w
    return ((x - w, y - h), (x + w, y + h))


def _width(words: str, size: float, *, bold: bool = False) -> float:
    """Measure a text in the font that Matplotlib brings along."""
    from matplotlib import get_data_path
    from matplotlib.font_manager import get_font

    font = get_font(f"{get_data_path()}/fonts/ttf/DejaVuSans{'-Bold' if bold else ''}.ttf")
    font.set_size(size, 72)
    font.set_text(words)
    return float(font.get_width_height()[0]) / 64 / 72


def _paint(marks: Iterable[Mark], size: Point, path: Path, form: str, title: str) -> None:
    """Write marks with Matplotlib. It is imported here because it takes longer to load than all of `enas`."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Outline

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS)
        figure = Figure(figsize=size, dpi=min(200, 20000 / max(size)), facecolor="white")
        for mark in marks:
            if isinstance(mark, Text):
                below = 0.36 * mark.size / 72  # from the middle of the letters to their base line
                x, y = (mark.at[0] + below, mark.at[1]) if mark.upright else (mark.at[0], mark.at[1] - below)
                figure.text(
                    x,
                    y,
                    mark.words,
                    transform=figure.dpi_scale_trans,
                    size=mark.size,
                    color=mark.colour,
                    weight="bold" if mark.bold else "normal",
                    rotation=90 if mark.upright else 0,
                    rotation_mode="anchor",
                    ha="center",
                    va="baseline",
                    parse_math=False,
                )
                continue
            codes = [Outline.MOVETO] + [Outline.CURVE4 if mark.curved else Outline.LINETO] * (len(mark.points) - 1)
            patch = PathPatch(
                Outline(mark.points, codes),
                transform=figure.dpi_scale_trans,
                facecolor=mark.fill,
                edgecolor=mark.line,
                linewidth=mark.width if mark.line != "none" else 0,
                linestyle="--" if mark.dashed else "-",
                alpha=mark.opacity,
                capstyle="butt",
                joinstyle="round",
            )
            figure.add_artist(patch)
        figure.savefig(path, format=form, metadata={"Title": title, **METADATA[form]})
