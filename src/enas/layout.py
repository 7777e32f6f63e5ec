"""Where the boxes of a drawing stand and which way its arrows go: pure functions of the graph.

A cell is laid out after Sugiyama, Tagawa and Toda 1981: ranks, then the order inside each rank, then heights. Ranks are
two columns apart: the column between them holds one place for every edge that crosses it, so that an edge's label has
room of its own and two edges between the same boxes lie side by side.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from statistics import fmean

from enas.errors import UsageError
from enas.space import Graph, Node

Point = tuple[float, float]
Place = str | tuple[int, int]
"""What stands in a column: a node's name, or an edge's index and the column it passes."""
Link = tuple[Place, Place]

GAP = 0.2
"""Least room between two things in a column, in rows."""
SWEEPS = 24


@dataclass(frozen=True)
class Layered:
    """The layout of a cell; across in ranks, upwards in rows."""

    nodes: Mapping[str, Point]
    bends: tuple[tuple[Point, ...], ...]
    """For each edge of the graph, the places it passes between its two ends; its label stands at the last."""


def positions(graph: Graph) -> dict[str, Point]:
    """Place each node: a chain at (0, 0), (1, 0), ...; a cell at (its rank, its row).

    Raises:
        UsageError: the graph cannot be drawn: see `topological`.
    """
    if graph.layout == "chain":
        return {node.name: (float(i), 0.0) for i, node in enumerate(topological(graph))}
    return dict(layered(graph).nodes)


def topological(graph: Graph) -> tuple[Node, ...]:
    """Sort the nodes so that every edge goes forwards; nodes that are in such an order keep it.

    Raises:
        UsageError: there are no nodes, two have one name, an edge ends at no node, or the edges make a circle.
    """
    names = Counter(node.name for node in graph.nodes)
    if not names:
        raise UsageError(f"cannot draw {graph.title!r}: it has no nodes; give its graph at least one")
    if twice := [name for name, count in names.items() if count > 1]:
        raise UsageError(f"cannot draw {graph.title!r}: two nodes have the name {twice[0]!r}; give each its own")
    for edge in graph.edges:
        for end in (edge.source, edge.target):
            if end not in names:
                arrow = f"{edge.source!r} -> {edge.target!r}"
                raise UsageError(
                    f"cannot draw {graph.title!r}: {arrow} ends at the unknown node {end!r}; mend that edge"
                )
    waiting, done = list(graph.nodes), {}
    while waiting:
        blocked = {edge.target for edge in graph.edges if edge.source not in done}
        ready = next((node for node in waiting if node.name not in blocked), None)
        if ready is None:
            circle = ", ".join(repr(node.name) for node in waiting)
            raise UsageError(f"cannot draw {graph.title!r}: edges run in a circle among {circle}; remove one of them")
        waiting.remove(ready)
        done[ready.name] = ready
    return tuple(done.values())


def ranks(graph: Graph) -> dict[str, int]:
    """Rank each node by the longest path that leads to it; outputs share the last rank.

    Raises:
        UsageError: the graph cannot be drawn: see `topological`.
    """
    order = topological(graph)
    found: dict[str, int] = {}
    for node in order:
        found[node.name] = max((found[e.source] + 1 for e in graph.edges if e.target == node.name), default=0)
    sources, last = {edge.source for edge in graph.edges}, max(found.values())
    for node in order:
        if node.kind == "output" and node.name not in sources:
            found[node.name] = last
    return found


def rows(graph: Graph, name: str) -> float:
    """Say how many rows high the box of a node of a cell is: enough to keep the ends of its edges apart."""
    ends = max(sum(e.target == name for e in graph.edges), sum(e.source == name for e in graph.edges))
    return max(0.76, 0.2 * ends + 0.2)


def layered(graph: Graph) -> Layered:
    """Lay out a cell from inputs at the left to outputs at the right.

    Raises:
        UsageError: the graph cannot be drawn: see `topological`.
    """
    rank = ranks(graph)
    columns, links = _columns(graph, rank)
    columns = _ordered(columns, links)

    def high(place: Place) -> float:
        if isinstance(place, str):
            return rows(graph, place)
        edge, column = graph.edges[place[0]], place[1]
        return 0.38 if edge.label and column == 2 * rank[edge.target] - 1 else 0.14

    heights = _heights(columns, links, high)
    at = {place: (c / 2, heights[place]) for c, column in enumerate(columns) for place in column}
    bends = (
        tuple(at[place] for column in columns for place in column if not isinstance(place, str) and place[0] == i)
        for i in range(len(graph.edges))
    )
    return Layered({node.name: at[node.name] for node in graph.nodes}, tuple(bends))


def _columns(graph: Graph, rank: Mapping[str, int]) -> tuple[list[list[Place]], list[Link]]:
    """List the places of each column, and the pairs of places in neighbouring columns that an edge joins."""
    columns: list[list[Place]] = [[] for _ in range(2 * max(rank.values()) + 1)]
    links: list[Link] = []
    for name, level in rank.items():
        columns[2 * level].append(name)
    for i, edge in enumerate(graph.edges):
        passed = range(2 * rank[edge.source] + 1, 2 * rank[edge.target])
        path: list[Place] = [edge.source, *((i, column) for column in passed), edge.target]
        for column, place in zip(passed, path[1:-1], strict=True):
            columns[column].append(place)
        links.extend(pairwise(path))
    return columns, links


def _neighbours(links: Iterable[Link]) -> tuple[dict[Place, list[Place]], dict[Place, list[Place]]]:
    """List for each place those it is joined to at its left, and those at its right."""
    left: dict[Place, list[Place]] = defaultdict(list)
    right: dict[Place, list[Place]] = defaultdict(list)
    for a, b in links:
        right[a].append(b)
        left[b].append(a)
    return left, right


def _ordered(columns: list[list[Place]], links: list[Link]) -> list[list[Place]]:
    """Sweep to and fro, sorting columns by the mean position of neighbours; the order with fewest crossings wins."""
    left, right = _neighbours(links)
    best, fewest = columns, _crossings(columns, right)
    for sweep in range(SWEEPS):
        forwards = sweep % 2 == 0
        columns = list(columns)
        near = left if forwards else right
        for c in range(1, len(columns)) if forwards else range(len(columns) - 2, -1, -1):
            index = {place: i for i, place in enumerate(columns[c - 1 if forwards else c + 1])}
            means = {place: fmean([index[p] for p in near[place]] or [i]) for i, place in enumerate(columns[c])}
            columns[c] = sorted(columns[c], key=means.__getitem__)
        count = _crossings(columns, right)
        if count < fewest:
            best, fewest = columns, count
    return best


def _crossings(columns: list[list[Place]], right: Mapping[Place, list[Place]]) -> int:
    """Count the pairs of edges that cross."""
    crossed = 0
    for near, far in pairwise(columns):
        index = {place: i for i, place in enumerate(far)}
        ends = [(i, index[p]) for i, place in enumerate(near) for p in right.get(place, ())]
        crossed += sum((a - c) * (b - d) < 0 for (a, b), (c, d) in combinations(ends, 2))
    return crossed


def _heights(columns: list[list[Place]], links: list[Link], high: Callable[[Place], float]) -> dict[Place, float]:
    """Choose heights that keep edges straight, in the order given (top first) and without overlap; the middle is 0."""
    left, right = _neighbours(links)
    offsets, height = {}, {}
    for column in columns:
        offset = 0.0
        for above, place in zip([None, *column], column, strict=False):
            if above is not None:
                offset += (high(above) + high(place)) / 2 + GAP
            offsets[place] = offset
        height.update({place: offset / 2 - offsets[place] for place in column})
    for sweep in range(10 * SWEEPS):
        for column in columns if sweep % 2 == 0 else reversed(columns):
            wanted = []
            for place in column:
                pulls = [(height[p], _stiffness(p, place)) for p in left[place] + right[place]] or [
                    (height[place], 1.0)
                ]
                weight = sum(w for _, w in pulls)
                wanted.append((-sum(y * w for y, w in pulls) / weight - offsets[place], weight))
            settled = _rising(wanted)
            height.update({place: -s - offsets[place] for place, s in zip(column, settled, strict=True)})
    middle = (max(height.values()) + min(height.values())) / 2
    return {place: round(y - middle, 6) + 0.0 for place, y in height.items()}  # + 0.0 turns -0.0 into 0.0


def _stiffness(a: Place, b: Place) -> float:
    """Long edges pull hardest on themselves, so that they are straight between their ends (Gansner et al. 1993)."""
    return 1.0 if isinstance(a, str) or isinstance(b, str) else 32.0


def _rising(wanted: Sequence[tuple[float, float]]) -> list[float]:
    """Find the never falling numbers nearest to weighted wishes, by pooling neighbours (isotonic regression)."""
    pools: list[tuple[float, float, int]] = []
    for value, weight in wanted:
        mean, mass, count = value, weight, 1
        while pools and pools[-1][0] > mean:
            before, m, n = pools.pop()
            mean, mass, count = (before * m + mean * mass) / (m + mass), m + mass, n + count
        pools.append((mean, mass, count))
    return [mean for mean, _, count in pools for _ in range(count)]


@dataclass(frozen=True)
class Routed:
    """A cell in inches."""

    nodes: Mapping[str, Point]
    paths: tuple[tuple[Point, ...], ...]
    """For each edge, points from left to right that its curve goes through."""
    labels: tuple[Point, ...]
    """For each edge, where its label stands."""


def routed(graph: Graph, wide: Mapping[str, float], labels: Sequence[float], row: float) -> Routed:
    """Turn the layout of a cell into inches.

    Args:
        graph: the cell.
        wide: the width of each node's box.
        labels: the width of each edge's label.
        row: inches from one row to the next.

    Raises:
        UsageError: the graph cannot be drawn: see `topological`.
    """
    plan = layered(graph)
    widths: dict[int, float] = defaultdict(float)
    for name, (rank, _) in plan.nodes.items():
        widths[round(2 * rank)] = max(widths[round(2 * rank)], wide[name])
    for bends, width in zip(plan.bends, labels, strict=True):
        column = round(2 * bends[-1][0])
        widths[column] = max(widths[column], width + 0.76 if width else 0.58)
    across, right = {}, 0.0
    for column in sorted(widths):
        across[column] = right + widths[column] / 2
        right += widths[column]
    nodes = {name: (across[round(2 * rank)], y * row) for name, (rank, y) in plan.nodes.items()}
    ends, crowded = _ends(graph, plan), {round(2 * b[-1][0]) for b, w in zip(plan.bends, labels, strict=True) if w}
    twins = Counter((edge.source, edge.target) for edge in graph.edges)
    paths = []
    for i, (edge, bends) in enumerate(zip(graph.edges, plan.bends, strict=True)):
        start, tip = nodes[edge.source], nodes[edge.target]
        path = [(start[0] + wide[edge.source] / 2, start[1] + ends[i, 0] * row)]
        for bend in bends:
            column, y = round(2 * bend[0]), bend[1] * row
            half = labels[i] / 2 if bend is bends[-1] else widths[column] / 2 if column % 2 == 0 else 0.0
            if half:
                path += [(across[column] - half, y), (across[column] + half, y)]
            elif column in crowded or twins[edge.source, edge.target] > 1:  # else the curve may take its own way
                path.append((across[column], y))
        paths.append((*path, (tip[0] - wide[edge.target] / 2, tip[1] + ends[i, 1] * row)))
    return Routed(nodes, tuple(paths), tuple((across[round(2 * b[-1][0])], b[-1][1] * row) for b in plan.bends))


def _ends(graph: Graph, plan: Layered) -> dict[tuple[int, int], float]:
    """For each edge and end (0 source, 1 target), say how far above the middle of the box it joins, in rows."""
    found = {}
    for node in graph.nodes:
        for side in (0, 1):
            joined = (i for i, edge in enumerate(graph.edges) if (edge.source, edge.target)[side] == node.name)
            bends = {i: plan.bends[i][-side][1] for i in joined}
            for k, i in enumerate(sorted(bends, key=bends.__getitem__)):
                found[i, side] = 0.2 * (k - (len(bends) - 1) / 2)
    return found


def smooth(points: Sequence[Point]) -> tuple[Point, ...]:
    """Join points from left to right by cubic curves, level at both ends, that stay in the bands of their points.

    Returns:
        The first point, then for each curve its two control points and its end. The slopes are Fritsch and Butland's
        (1984) harmonic means, which never overshoot.
    """
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(points)]
    inner = [2 * s * t / (s + t) if s * t > 0 else 0.0 for s, t in pairwise(slopes)]
    tangents = [0.0, *inner, 0.0]
    path = [points[0]]
    for (a, b), (s, t) in zip(pairwise(points), pairwise(tangents), strict=True):
        third = (b[0] - a[0]) / 3
        path += [(a[0] + third, a[1] + s * third), (b[0] - third, b[1] - t * third), b]
    return tuple(path)
