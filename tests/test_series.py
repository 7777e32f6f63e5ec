"""What changes between graphs, against brute force; places in a row."""

import random
from itertools import combinations, pairwise

import pytest

from enas.series import Difference, Slot, clash, difference, ordered, sided, slotted
from enas.space import Edge, Graph, Node


def random_graph(draws: random.Random, nodes: int = 6) -> Graph:
    """A graph in which equal edges occur twice now and then."""
    names = [f"n{i}" for i in range(nodes) if i in (0, nodes - 1) or draws.random() < 0.8]
    boxes = tuple(Node(name, draws.choice("xy"), "node") for name in names)
    pairs = list(combinations(names, 2))
    edges = tuple(Edge(*draws.choice(pairs), label=draws.choice(("", "p", "q"))) for _ in range(draws.randrange(9)))
    return Graph("g", boxes, edges)


def lacking(edges: tuple[Edge, ...], others: tuple[Edge, ...]) -> list[Edge]:
    """Edges that are left when each of the others has taken away its like."""
    left = list(edges)
    for edge in others:
        if edge in left:
            left.remove(edge)
    return left


def random_series(seed: int, count: int = 5) -> list[Graph]:
    draws = random.Random(seed)
    return [random_graph(draws) for _ in range(count)]


@pytest.mark.parametrize("seed", range(40))
def test_difference_is_that_of_brute_force(seed: int) -> None:
    for before, after in pairwise(random_series(seed)):
        found = difference(before, after)
        key = str
        assert sorted((after.edges[i] for i in found.edges), key=key) == sorted(
            lacking(after.edges, before.edges), key=key
        )
        assert sorted((before.edges[i] for i in found.gone), key=key) == sorted(
            lacking(before.edges, after.edges), key=key
        )
        assert found.boxes == {node.name for node in after.nodes if all(node != old for old in before.nodes)}
        assert not difference(after, after)


def test_one_of_two_equal_edges_may_go() -> None:
    nodes = (Node("a", "a", "node"), Node("b", "b", "node"))
    edge = Edge("a", "b", label="sep3x3")
    two, one = Graph("g", nodes, (edge, edge)), Graph("g", nodes, (edge,))
    assert difference(two, one) == Difference(frozenset(), frozenset(), (1,))
    assert difference(one, two) == Difference(frozenset(), frozenset({1}), ())


@pytest.mark.parametrize("seed", range(10))
def test_row_holds_every_node_once_and_edges_go_forwards(seed: int) -> None:
    graphs = random_series(seed)
    order = ordered(graphs)
    assert sorted(order) == sorted({node.name for graph in graphs for node in graph.nodes})
    assert all(order.index(edge.source) < order.index(edge.target) for graph in graphs for edge in graph.edges)


def test_graphs_that_disagree_on_the_order_still_have_a_row() -> None:
    nodes = tuple(Node(name, name, "node") for name in "abc")
    graphs = [Graph("g", nodes, (Edge("a", "b"),)), Graph("g", nodes, (Edge("b", "a"), Edge("b", "c")))]
    assert sorted(ordered(graphs)) == ["a", "b", "c"]


@pytest.mark.parametrize("seed", range(20))
def test_edges_that_stay_keep_their_slots(seed: int) -> None:
    graphs = random_series(seed)
    slots = slotted(graphs)
    for graph, mine in zip(graphs, slots, strict=True):
        assert len(set(mine)) == len(mine) == len(graph.edges)
        assert all((edge.source, edge.target) == slot[:2] for edge, slot in zip(graph.edges, mine, strict=True))
    for k in range(1, len(graphs)):
        kept = [i for i in range(len(graphs[k].edges)) if i not in difference(graphs[k - 1], graphs[k]).edges]
        assert {slots[k][i] for i in kept} <= set(slots[k - 1])


@pytest.mark.parametrize("seed", range(20))
def test_no_arc_is_better_on_the_other_side(seed: int) -> None:
    graphs = random_series(seed)
    order, slots = ordered(graphs), slotted(graphs)
    place = {name: i for i, name in enumerate(order)}

    def cost(side: dict[Slot, int]) -> int:
        return sum(clash(place, a, b) for mine in slots for a, b in combinations(mine, 2) if side[a] == side[b])

    side = sided(order, slots)
    assert all(cost(side) <= cost(side | {slot: -side[slot]}) for slot in side)
    assert cost(side) <= cost(dict.fromkeys(side, 1))


def test_two_arcs_that_cross_lie_on_two_sides() -> None:
    side = sided("abcd", [[("a", "c", 0), ("b", "d", 0)]])
    assert sorted(side.values()) == [-1, 1]
