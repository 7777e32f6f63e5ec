"""A network or a cell with its nodes in one row and its edges as arcs: places that hold for a whole series of graphs.

A chain has all its arcs above the row, like the paper's figures of macro architectures; else they lie on both sides.
Lengths are inches.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from enas.boxes import (
    ENDS,
    LABEL,
    LINE,
    SMALL,
    TINY,
    WHITE,
    YELLOW,
    arrow,
    box,
    colours,
    dark,
    edge_colour,
    label_colour,
    mixed,
    plate,
)
from enas.layout import Point
from enas.picture import INK, Mark, Shape, Text, bounds, text_width
from enas.series import Slot, difference, ordered, sided, slotted
from enas.space import Edge, Graph, Node

WIDEST = 10.5
"""A row with its labels level is not wider than this; else they are turned, as in chains of more than `LEVEL` boxes."""
LEVEL = 8
FADED = "#B4B4B4"
"""What is gone."""
GLOW = mixed(YELLOW, WHITE, 0.25)
"""Behind what is new."""


@dataclass(frozen=True)
class Row:
    """Where the boxes of a series of graphs stand, and on which side their arcs run."""

    graphs: tuple[Graph, ...]
    slots: tuple[tuple[Slot, ...], ...]
    """For each graph, the slot of each edge."""
    x: Mapping[str, float]
    """Middle of each node's box; all have the height 0."""
    wide: Mapping[str, float]
    high: float
    upright: bool
    """Whether the labels in boxes are turned."""
    place: Mapping[str, int]
    """Number of each node in the row."""
    side: Mapping[Slot, int]
    """1 for arcs above the row, -1 below."""
    longest: float
    """Reach of the longest arc of all graphs."""
    colour: Mapping[str, str]
    """Colour of each kind of node."""

    @classmethod
    def of(cls, graphs: Sequence[Graph]) -> "Row":
        """Plan a row for graphs of one layout.

        Raises:
            UsageError: a graph cannot be drawn: see `enas.layout.topological`.
        """
        order, slots, chain = ordered(graphs), slotted(graphs), any(graph.layout == "chain" for graph in graphs)
        nodes = [node for graph in graphs for node in graph.nodes]
        bold = len(graphs) > 1  # as what is new
        texts = {name: max(text_width(n.label, LABEL, bold=bold) for n in nodes if n.name == name) for name in order}
        gap = 0.2 if chain else 0.3
        wide = {name: max(text + 0.2, 0.5) for name, text in texts.items()}
        upright = len(order) > LEVEL if chain else sum(wide.values()) + gap * (len(order) - 1) > WIDEST
        if upright:
            wide, gap = dict.fromkeys(order, 0.32), 0.15 if chain else 0.24
        elif chain:
            wide = dict.fromkeys(order, max(wide.values()))
        x, right = {}, 0.0
        for name in order:
            x[name] = right + wide[name] / 2
            right += wide[name] + gap
        place = {name: i for i, name in enumerate(order)}
        arcs = [
            [slot for edge, slot in zip(graph.edges, mine, strict=True) if not _straight(edge, slot, place)]
            for graph, mine in zip(graphs, slots, strict=True)
        ]
        side = {slot: 1 for found in arcs for slot in found} if chain else sided(order, arcs)
        longest = max((abs(x[slot[1]] - x[slot[0]]) for slot in side), default=1.0)
        high = max(texts.values()) + 0.24 if upright else 0.44
        kinds = {node.kind: node for node in nodes}.values()
        colour = colours(Graph("", tuple(kinds), ()))
        return cls(tuple(graphs), tuple(slots), x, wide, high, upright, place, side, longest, colour)


def _straight(edge: Edge, slot: Slot, place: Mapping[str, int]) -> bool:
    """Whether an edge is drawn as a short arrow between neighbours."""
    return slot[2] == 0 and place[edge.target] - place[edge.source] == 1 and edge.kind == "flow" and not edge.label


def strip(row: Row, index: int, before: int | None = None) -> list[Mark]:
    """Draw one graph of a row.

    Args:
        row: The plan.
        index: Which graph.
        before: An earlier graph of the row: what is new since then stands out, what is gone is shown faintly; None: all
            is drawn alike.
    """
    graph, slots = row.graphs[index], row.slots[index]
    change = difference(graph if before is None else row.graphs[before], graph)
    marks: list[Mark] = []
    if before is not None:
        for i in change.gone:
            edge, slot = row.graphs[before].edges[i], row.slots[before][i]
            if slot not in slots:  # else what is new has taken its place
                marks += _line(row, edge, slot, FADED, gone=True)
    for node in graph.nodes:
        if node.name in change.boxes:
            marks.append(replace(_outline(row, node), line=GLOW, width=9.0))
    kinds = {node.name: node.kind for node in graph.nodes}
    labelled: list[int] = []
    far_first = sorted(range(len(slots)), key=lambda i: -abs(row.x[slots[i][1]] - row.x[slots[i][0]]))
    for i in sorted(far_first, key=lambda i: i in change.edges):  # what is new lies on top
        edge, new = graph.edges[i], i in change.edges
        colour = dark(row.colour[kinds[edge.source]]) if graph.layout == "chain" else edge_colour(edge)
        marks += _line(row, edge, slots[i], colour, new=new)
        if edge.label:
            labelled.append(i)
    for node in graph.nodes:
        marks += _node(row, node, numbered=graph.layout == "chain", new=node.name in change.boxes)
    taken: list[tuple[Point, Point]] = []
    for i in labelled:
        edge, new = graph.edges[i], i in change.edges
        at = _free(row, slots[i], edge.label, taken)
        marks.append(plate(at, edge.label, GLOW if new else WHITE))
        marks.append(Text(at, edge.label, SMALL, bold=new, colour=label_colour(edge)))
    return marks


def _outline(row: Row, node: Node) -> Shape:
    return box(node.kind, row.colour[node.kind], (row.x[node.name], 0.0), row.wide[node.name], row.high)


def _node(row: Row, node: Node, *, numbered: bool, new: bool) -> list[Mark]:
    """A box with its label; the boxes of a chain have their numbers below."""
    at, outline = (row.x[node.name], 0.0), _outline(row, node)
    if new:
        outline = replace(outline, line=INK, width=2.0)
    marks: list[Mark] = []
    marks += [outline, Text(at, node.label, LABEL, upright=row.upright, bold=new and not row.upright)]
    number = node.name[len(node.name.rstrip("0123456789")) :]
    if numbered and number and node.kind not in (*ENDS, "reduction"):
        marks.append(Text((at[0], -row.high / 2 - 0.14), number, TINY, colour=LINE))
    return marks


def _line(row: Row, edge: Edge, slot: Slot, colour: str, *, new: bool = False, gone: bool = False) -> list[Mark]:
    """The line of an edge with its head: a short arrow between neighbours, else an arc."""
    chain, size = row.graphs[0].layout == "chain", 1.35 if new else 1.0
    width = 2.4 if new else 0.9 if gone or chain else 1.3
    if _straight(edge, slot, row.place):
        start, tip = row.x[edge.source] + row.wide[edge.source] / 2, row.x[edge.target] - row.wide[edge.target] / 2
        colour = FADED if gone else INK if chain else colour
        line = Shape(((start, 0.0), (tip - 0.06, 0.0)), line=colour, width=max(width, 1.3))
        head = arrow((tip, 0.0), colour, size=size)
    else:
        start, tip, top, control = _arc(row, slot)
        side = row.side[slot]
        end = top + side * 0.06 * size
        line = Shape(((start, top), (start, control), (tip, control), (tip, end)), True, line=colour, width=width)
        head = arrow(
            (tip, top), colour if new or gone or not chain else INK, towards="down" if side > 0 else "up", size=size
        )
    line = replace(line, dashed=gone or (edge.kind == "skip" and not chain))
    if new:
        return [replace(line, line=GLOW, width=7.0, dashed=False), line, head]
    rim = [replace(line, line=WHITE, width=width + 1.8, dashed=False)] if not chain and not gone else []
    return [*rim, line, head]  # the rim shows which of two lines that cross goes where


def _arc(row: Row, slot: Slot) -> tuple[float, float, float, float]:
    """An arc: across where it starts and ends; upwards where it meets the boxes, and its handles."""
    (source, target, number), side = slot, row.side[slot]
    reach = abs(row.x[target] - row.x[source])
    ahead = 1 if row.x[target] >= row.x[source] else -1
    chain = row.graphs[0].layout == "chain"
    share = reach / row.longest
    # In a chain all arcs of a box share two places. In a cell longer ones enclose the shorter, so that none cross.
    leave, reach_in = (0.3, 0.3) if chain else (0.38 - 0.28 * share, 0.38 - 0.28 * share)
    start, tip = (row.x[source] + ahead * leave * row.wide[source], row.x[target] - ahead * reach_in * row.wide[target])
    bow = min(0.42 * row.longest, 2.7) * share**0.85 if chain else min(0.36 * row.longest, 1.9) * share**0.8
    top = side * row.high / 2
    return start, tip, top, top + side * (0.1 + 4 / 3 * (bow + (0.26 if number else 0.0) * number))


def _free(row: Row, slot: Slot, words: str, taken: list[tuple[Point, Point]]) -> Point:
    """Where the label of an arc stands: at its middle, or else at the nearest place on it that no other label has."""
    start, tip, top, control = _arc(row, slot)
    found: tuple[Point, tuple[Point, Point]] | None = None
    for t in (0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.2, 0.8):
        inner = 3 * t * (1 - t)
        at = (start + (tip - start) * (3 * t**2 - 2 * t**3), top * (1 - inner) + control * inner)
        corners = bounds([plate(at, words)])
        found = found or (at, corners)
        if not any(_overlap(corners, other) for other in taken):
            found = at, corners
            break
    assert found is not None
    taken.append(found[1])
    return found[0]


def _overlap(one: tuple[Point, Point], other: tuple[Point, Point]) -> bool:
    return all(one[0][k] < other[1][k] and other[0][k] < one[1][k] for k in (0, 1))
