"""Drawings made from questions, against drawings made by hand."""

from enas.own.wiring import graph_of
from enas.space import Graph
from enas.spaces import load, published


def arrows(graph: Graph) -> set[tuple[str, str, str]]:
    return {(edge.source, edge.target, edge.kind) for edge in graph.edges}


def test_the_macro_space_is_drawn_as_by_hand_but_for_reductions() -> None:
    architecture = published("enas-macro")
    space = load("macro")
    made, own = graph_of(architecture, space.steps(architecture.size)), space.wiring(architecture)
    assert made.layout == "chain"
    layers = {node.name: node.label for node in own.nodes if node.name.startswith("layer")}
    assert {node.name: node.label for node in made.nodes if node.name.startswith("layer")} == layers
    skips = {arrow for arrow in arrows(own) if arrow[2] == "skip"}
    assert {arrow for arrow in arrows(made) if arrow[2] == "skip"} == skips
    assert ("stem", "layer0", "flow") in arrows(made)
    assert (f"layer{architecture.size['layers'] - 1}", "output", "flow") in arrows(made)


def test_a_recurrent_cell_is_drawn_as_by_hand_but_for_its_inputs_and_mean() -> None:
    architecture = published("enas-rnn")
    space = load("rnn")
    made, own = graph_of(architecture, space.steps(architecture.size)), space.wiring(architecture)
    assert made.layout == "layered"
    inside = {arrow for arrow in arrows(own) if arrow[0].startswith("node") and arrow[1].startswith("node")}
    assert {arrow for arrow in arrows(made) if arrow[0].startswith("node") and arrow[1].startswith("node")} == inside
    ends = {source for source, target, _ in arrows(own) if target == "mean"}
    assert {source for source, target, _ in arrows(made) if target == "output"} == ends
