"""A series of graphs, such as the best architectures of a search's epochs: what they share and where they differ.

All of it goes by the names of nodes, so that a box or an arrow can keep its place while the graph around it changes.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

from enas.layout import topological
from enas.space import Edge, Graph

Slot = tuple[str, str, int]
"""A place for an edge: its source, its target, and which of the edges between these two it is (0, 1, ...)."""
PASSES = 50
"""Most rounds of moving single edges to the other side."""


@dataclass(frozen=True)
class Difference:
    """What changed from one graph to a later one."""

    boxes: frozenset[str]
    """Names of the later graph's nodes that are new, or have another label, kind or panel."""
    edges: frozenset[int]
    """Indices of the later graph's edges that the earlier one lacks; a changed label makes a new edge."""
    gone: tuple[int, ...]
    """Indices of the earlier graph's edges that the later one lacks."""

    def __bool__(self) -> bool:
        """Whether anything to be seen changed."""
        return bool(self.boxes or self.edges or self.gone)


def difference(before: Graph, after: Graph) -> Difference:
    """Compare two graphs, edges as multisets: of two equal edges, one may stay and one go."""
    known = {node.name: node for node in before.nodes}
    boxes = frozenset(node.name for node in after.nodes if known.get(node.name) != node)
    return Difference(boxes, frozenset(_lacking(after.edges, before.edges)), tuple(_lacking(before.edges, after.edges)))


def _lacking(edges: Sequence[Edge], others: Sequence[Edge]) -> Iterator[int]:
    """Indices of the edges that have no partner among the others."""
    left = Counter(others)
    for i, edge in enumerate(edges):
        if left[edge]:
            left[edge] -= 1
        else:
            yield i


def ordered(graphs: Sequence[Graph]) -> tuple[str, ...]:
    """Put the nodes of all graphs in one row, so that edges go forwards; where graphs disagree, some must go backwards.

    Raises:
        UsageError: a graph cannot be drawn: see `topological`.
    """
    places: dict[str, list[int]] = {}
    for graph in graphs:
        for i, node in enumerate(topological(graph) if graph.nodes else ()):
            places.setdefault(node.name, []).append(i)
    mean = {name: fmean(found) for name, found in places.items()}
    waiting, done = dict.fromkeys(sorted(mean, key=mean.__getitem__)), []
    ends = {(edge.source, edge.target) for graph in graphs for edge in graph.edges}
    while waiting:
        blocked = {target for source, target in ends if source in waiting}
        name = next((name for name in waiting if name not in blocked), next(iter(waiting)))
        del waiting[name]
        done.append(name)
    return tuple(done)


def slotted(graphs: Sequence[Graph]) -> list[tuple[Slot, ...]]:
    """Give each edge of each graph a slot; an edge that stays from one graph to the next keeps its own."""
    found: list[tuple[Slot, ...]] = []
    held: dict[Slot, Edge] = {}
    for graph in graphs:
        mine: dict[int, Slot] = {}
        free = dict(held)
        for i, edge in enumerate(graph.edges):
            same = next((slot for slot, old in free.items() if old == edge), None)
            if same is not None:
                mine[i] = same
                del free[same]
        taken = set(mine.values())
        for i, edge in enumerate(graph.edges):
            if i not in mine:
                n = next(n for n in range(len(graph.edges)) if (edge.source, edge.target, n) not in taken)
                mine[i] = (edge.source, edge.target, n)
                taken.add(mine[i])
        found.append(tuple(mine[i] for i in range(len(graph.edges))))
        held = {mine[i]: edge for i, edge in enumerate(graph.edges)}
    return found


def clash(place: Mapping[str, int], one: Slot, other: Slot) -> int:
    """How bad it is to have two arcs on one side of a row: 1 where they cross, 3 where they join the same nodes, else 0."""
    a, b = sorted((place[one[0]], place[one[1]]))
    c, d = sorted((place[other[0]], place[other[1]]))
    return 3 if (a, b) == (c, d) else int(a < c < b < d or c < a < d < b)


def sided(order: Sequence[str], arcs: Sequence[Sequence[Slot]]) -> dict[Slot, int]:
    """Choose for each slot the side of the row, 1 above and -1 below, so that few arcs cross in few graphs.

    This is a book embedding on two pages; longest arcs first, each goes to its better side, then single arcs move while
    that helps.

    Args:
        order: The nodes in a row.
        arcs: For each graph of the series, the slots of its arcs.
    """
    place = {name: i for i, name in enumerate(order)}
    weight: Counter[tuple[Slot, Slot]] = Counter()
    for slots in arcs:
        for one, other in combinations(slots, 2):
            if bad := clash(place, one, other):
                weight[one, other] += bad
                weight[other, one] += bad
    near: dict[Slot, dict[Slot, int]] = {slot: {} for slots in arcs for slot in slots}
    for (one, other), count in weight.items():
        near[one][other] = count
    side: dict[Slot, int] = {}

    def worse_above(slot: Slot) -> int:
        return sum(count * side.get(other, 0) for other, count in near[slot].items())

    longest_first = sorted(near, key=lambda slot: (-abs(place[slot[1]] - place[slot[0]]), place[slot[0]], slot))
    for slot in longest_first:
        side[slot] = -1 if worse_above(slot) > 0 else 1
    for _ in range(PASSES):
        moved = False
        for slot in longest_first:
            if worse_above(slot) * side[slot] > 0:
                side[slot], moved = -side[slot], True
        if not moved:
            break
    return side
