"""Published cells against the published codes, and their drawing."""

from enas.architecture import encode
from enas.spaces import published
from enas.spaces.rnn.steps import steps
from enas.spaces.rnn.wiring import cell_of, wiring

OLD = "0 0 0 1 1 2 1 2 0 2 0 5 1 1 0 6 1 8 1 8 1 8 1"
CORRECTED = {"enas-lm": "0 2 1 0 2 1 2 2 4 0 5 0 3 2 6 2", "darts-rnn": "0 2 1 1 1 1 1 3 2 0 5 2 3 0 5 1"}


def test_published_cells_are_the_published_codes() -> None:
    old = published("enas-rnn")
    assert encode(old, steps(old.size)) == tuple(map(int, OLD.split()))
    assert cell_of(old).averaged == (3, 4, 7, 9, 10, 11)
    swap = {0: 0, 1: 1, 2: 3, 3: 2}  # the corrected code numbers sigmoid and identity the other way round
    for name, text in CORRECTED.items():
        cell = published(name)
        codes = [int(word) for word in text.split()]
        codes[1::2] = [swap[code] for code in codes[1::2]]
        assert encode(cell, steps(cell.size)) == tuple(codes)
    assert cell_of(published("enas-lm")).averaged == (7, 8)
    assert cell_of(published("enas-lm"), "all").averaged == tuple(range(1, 9))


def test_the_drawing_shows_every_node_and_edge() -> None:
    graph = wiring(published("enas-rnn"))
    labels = {node.label for node in graph.nodes}
    assert {"x[t]", "h[t-1]", "0: tanh", "2: ReLU", "11: ReLU", "mean", "h[t]"} <= labels
    edges = {(edge.source, edge.target) for edge in graph.edges}
    assert {("x", "node0"), ("h", "node0"), ("node8", "node9"), ("node3", "mean"), ("mean", "out")} <= edges
    assert len(edges) == 2 + 11 + 6 + 1
