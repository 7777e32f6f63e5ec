"""Colours, boxes, arrows and the legend of a picture: what still and moving pictures share. Lengths are inches."""

import math
from collections.abc import Mapping

from enas.layout import Point
from enas.picture import INK, Mark, Shape, Text, bounds, moved, text_width
from enas.space import Edge, Graph

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
TITLE, HEADING, LABEL, SMALL, TINY = 14, 12, 11, 10, 9
"""Sizes of text in points: above the picture, above a panel, in boxes, on arrows and in the legend, under boxes."""


def colours(graph: Graph) -> dict[str, str]:
    """Give each kind of node a colour: the fixed one, else the next unused one, by the alphabet."""
    kinds = sorted({node.kind for node in graph.nodes})
    chosen = {kind: KNOWN[_key(kind)] for kind in kinds if _key(kind) in KNOWN}
    free = [colour for colour in OTHERS if colour not in chosen.values()] or list(OTHERS)
    unknown = [kind for kind in kinds if kind not in chosen]
    return chosen | {kind: free[i % len(free)] for i, kind in enumerate(unknown)}


def _key(kind: str) -> str:
    return "".join(letter for letter in kind.lower() if letter.isalnum())


def mixed(colour: str, other: str, share: float) -> str:
    """Mix a share of a second colour into the first."""
    pairs = [(int(colour[i : i + 2], 16), int(other[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(a * (1 - share) + b * share):02X}" for a, b in pairs)


def dark(colour: str) -> str:
    """A line that stands out from white."""
    return LINE if colour == NEUTRAL else mixed(colour, "#000000", 0.18)


def box(kind: str, colour: str, at: Point, width: float, height: float) -> Shape:
    """The outline of a node: a bar that narrows along the flow, as the maps do, for a reduction; else round corners."""
    (x, y), w, h = at, width / 2, height / 2
    if kind == "reduction":
        corners = ((-w, -1.25 * h), (-w, 1.25 * h), (w, 0.95 * h), (w, -0.95 * h), (-w, -1.25 * h))
        return Shape(tuple((x + a, y + b) for a, b in corners), fill=mixed(LINE, WHITE, 0.5), line=INK)
    r = 0.05 if height > 0.2 else 0.03
    quarters = enumerate(((1, 1), (-1, 1), (-1, -1), (1, -1)))
    turns = [(sx * (w - r), sy * (h - r), math.pi / 2 * (q + k / 6)) for q, (sx, sy) in quarters for k in range(7)]
    points = [(x + a + r * math.cos(turn), y + b + r * math.sin(turn)) for a, b, turn in turns]
    fill = WHITE if kind in ENDS else mixed(colour, WHITE, 0.5)
    return Shape((*points, points[0]), fill=fill, line=dark(colour))


def arrow(tip: Point, colour: str, *, towards: str = "right", size: float = 1.0) -> Shape:
    """The head of an arrow that points right, left, down or up."""
    length, half = 0.085 * size, 0.038 * size
    (dx, dy), (x, y) = {"right": (1, 0), "left": (-1, 0), "down": (0, -1), "up": (0, 1)}[towards], tip
    back = [(x - dx * length - dy * side, y - dy * length + dx * side) for side in (half, -half)]
    return Shape((tip, *back, tip), fill=colour)


def plate(at: Point, words: str, fill: str = WHITE) -> Shape:
    """The ground on which the label of an edge stands, so that lines behind it do not strike it through."""
    (x, y), w, h = at, text_width(words, SMALL) / 2 + 0.05, 0.09
    return Shape(((x - w, y - h), (x - w, y + h), (x + w, y + h), (x + w, y - h)), fill=fill)


def edge_colour(edge: Edge) -> str:
    """The line of an edge of a cell: that of the operation in its label."""
    return dark(KNOWN.get(_key(edge.label), NEUTRAL))


def label_colour(edge: Edge) -> str:
    """The text of an edge's label: like its line, but dark enough to be read."""
    return mixed(dark(KNOWN.get(_key(edge.label), INK)), INK, 0.5)


def legend(graph: Graph, room: float, at: Point, extra: Mapping[Shape, str] | None = None) -> list[Mark]:
    """A sample and a name for each kind that occurs, in centred lines; kinds that look alike share a sample.

    Args:
        graph: Whose kinds.
        room: The width of the picture.
        at: The middle of the first line.
        extra: More samples, drawn around the origin, with their names.
    """
    colour, order = colours(graph), list(KNOWN)
    names: dict[Shape, str] = {}
    between = order.index("node") - 0.5  # unknown kinds come after the known ones that have a colour
    for kind in sorted(colour, key=lambda kind: order.index(_key(kind)) if _key(kind) in order else between):
        sample = box(kind, colour[kind], (0.0, 0.0), 0.12 if kind == "reduction" else 0.22, 0.13)
        names[sample] = f"{names[sample]}, {kind}" if sample in names else kind
    if any(edge.kind == "skip" for edge in graph.edges):
        arc = Shape(((-0.1, -0.05), (-0.1, 0.08), (0.1, 0.08), (0.1, -0.05)), curved=True, line=LINE)
        dashes = Shape(((-0.11, 0.0), (0.11, 0.0)), line=LINE, width=1.3, dashed=True)
        names[arc if graph.layout == "chain" else dashes] = "skip connection"
    names |= extra or {}
    widths = [0.3 + text_width(name, SMALL) for name in names.values()]
    x, total = 0.0, sum(widths) + 0.22 * len(widths)
    even = total / math.ceil(total / max(room, 6.0))  # lines of about one length, rather than one full and one short
    lines: list[list[Mark]] = []
    for (sample, name), width in zip(names.items(), widths, strict=True):
        if x >= even * len(lines) - width / 2:
            lines.append([])
        lines[-1] += [moved(sample, x + 0.11, 0.0), Text((x + (0.3 + width) / 2, 0.0), name, SMALL)]
        x += width + 0.22
    marks: list[Mark] = []
    for i, line in enumerate(lines):
        (left, _), (right, _) = bounds(line)
        marks += [moved(mark, at[0] - (left + right) / 2, at[1] - 0.24 * i) for mark in line]
    return marks
