"""The places of boxes, without Matplotlib."""

import subprocess
import sys
from itertools import pairwise

import pytest

from enas.errors import UsageError
from enas.layout import layered, positions, ranks, routed, rows, smooth, topological
from enas.space import Edge, Graph, Node

PAIRS = ("ac", "ac", "bc", "ad", "cd", "be", "de", "af")


def cell(pairs: tuple[str, ...] = PAIRS, *, label: str = "sep3x3") -> Graph:
    """A cell with two inputs, two edges between the same nodes, and an output that is near the inputs."""
    kinds = {"a": "input", "b": "input", "f": "output"}
    nodes = tuple(Node(name, name, kinds.get(name, "node")) for name in "abcdef")
    return Graph("cell", nodes, tuple(Edge(pair[0], pair[1], label=label) for pair in pairs))


def chain(count: int) -> Graph:
    nodes = tuple(Node(f"layer{i}", "conv3x3", "conv3x3") for i in range(count))
    skips = [Edge(f"layer{i}", f"layer{j}", "skip") for j in range(count) for i in range(j)]
    return Graph("chain", nodes, tuple(skips), "chain")


def test_chain_is_evenly_spaced_in_the_order_given() -> None:
    at = positions(chain(5))
    assert at == {f"layer{i}": (float(i), 0.0) for i in range(5)}


def test_topological_order_moves_only_what_it_must() -> None:
    graph = cell()
    assert topological(graph) == graph.nodes
    turned = Graph("turned", graph.nodes[::-1], graph.edges)
    order = [node.name for node in topological(turned)]
    assert all(order.index(edge.source) < order.index(edge.target) for edge in graph.edges)
    assert order == ["b", "a", "f", "c", "d", "e"]


def test_every_edge_goes_to_a_higher_rank_and_outputs_come_last() -> None:
    graph = cell()
    rank = ranks(graph)
    assert all(rank[edge.source] < rank[edge.target] for edge in graph.edges)
    assert rank == {"a": 0, "b": 0, "c": 1, "d": 2, "e": 3, "f": 3}
    assert {name: x for name, (x, _) in positions(graph).items()} == rank


def test_no_two_things_of_a_cell_share_room() -> None:
    graph = cell()
    plan = layered(graph)
    columns: dict[float, list[tuple[float, float]]] = {}
    for name, (x, y) in plan.nodes.items():
        columns.setdefault(x, []).append((y, rows(graph, name)))
    for bends in plan.bends:
        for x, y in bends:
            columns.setdefault(x, []).append((y, 0.14))
    for things in columns.values():
        things.sort()
        for (low, high), (above, higher) in pairwise(things):
            assert above - low > (high + higher) / 2


def test_order_inside_ranks_avoids_crossings() -> None:
    """Two strands that are given crosswise are laid out without a crossing."""
    nodes = tuple(Node(name, name, "node") for name in "abcd")
    at = positions(Graph("strands", nodes, (Edge("a", "d"), Edge("b", "c"))))
    assert (at["a"][1] > at["b"][1]) == (at["d"][1] > at["c"][1])


def test_layout_is_the_same_each_time_and_centred() -> None:
    assert layered(cell()) == layered(cell())
    assert positions(Graph("one", (Node("a", "a", "input"),), ())) == {"a": (0.0, 0.0)}
    heights = [y for _, y in layered(cell()).nodes.values()]
    assert min(heights) < 0 < max(heights)


def test_routes_run_from_box_to_box_and_never_back() -> None:
    graph = cell()
    wide = {node.name: 0.5 for node in graph.nodes}
    plan = routed(graph, wide, [0.4] * len(graph.edges), 0.5)
    for edge, path, label in zip(graph.edges, plan.paths, plan.labels, strict=True):
        assert path[0][0] == pytest.approx(plan.nodes[edge.source][0] + 0.25)
        assert path[-1][0] == pytest.approx(plan.nodes[edge.target][0] - 0.25)
        assert all(a[0] < b[0] for a, b in pairwise(path))
        assert path[-3][0] < label[0] < path[-2][0], "the label stands on a level piece"
        assert path[-3][1] == path[-2][1] == label[1]
    assert len(set(plan.labels)) == len(graph.edges)
    assert len({path[-1] for path in plan.paths}) == len(graph.edges), "each edge has its own end"


def test_curves_pass_the_points_and_do_not_overshoot() -> None:
    points = ((0.0, 0.0), (1.0, 2.0), (2.0, 2.0), (4.0, -1.0))
    curve = smooth(points)
    assert curve[::3] == points
    assert (curve[1][1], curve[-2][1]) == (0.0, -1.0)
    for i, (a, b) in enumerate(pairwise(points)):
        for handle in curve[3 * i + 1 : 3 * i + 3]:
            assert min(a[1], b[1]) <= handle[1] <= max(a[1], b[1])


@pytest.mark.parametrize("layout", ["chain", "layered"])
def test_graphs_that_cannot_be_drawn(layout: str) -> None:
    a, b = Node("a", "a", "input"), Node("b", "b", "output")
    wrong = {
        "'t': it has no nodes": ((), ()),
        "two nodes have the name 'a'": ((a, a), ()),
        "'a' -> 'x' ends at the unknown node 'x'": ((a, b), (Edge("a", "x"),)),
        "'x' -> 'a' ends at the unknown node 'x'": ((a, b), (Edge("x", "a"),)),
        "run in a circle among 'a', 'b'": ((a, b), (Edge("a", "b"), Edge("b", "a"))),
        "run in a circle among 'a'": ((a, b), (Edge("a", "a"), Edge("a", "b"))),
    }
    for message, (nodes, edges) in wrong.items():
        graph = Graph("t", nodes, edges, "chain" if layout == "chain" else "layered")
        with pytest.raises(UsageError) as caught:
            positions(graph)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


def test_layout_needs_no_matplotlib() -> None:
    code = "import sys, enas.layout, enas.draw; sys.exit('matplotlib' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})
