"""Pictures: their bytes, their formats, and that nothing is lost or cut off."""

import random
import re
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import pytest
from PIL import Image

from enas.draw import colours, draw, panels
from enas.errors import RunError, UsageError
from enas.space import Edge, Graph, Node

OPS = ("conv3x3", "sep3x3", "conv5x5", "sep5x5", "avg_pool", "max_pool")
SVG = "{http://www.w3.org/2000/svg}"


def chain(layers: int, *, share: float = 1.0, reductions: tuple[int, ...] = ()) -> Graph:
    """A macro architecture: stem, layers with skips, reductions, head."""
    draws = random.Random(0)
    nodes, earlier = [Node("stem", "stem", "input")], ["stem"]
    skips = []
    for i in range(layers):
        op = OPS[i % len(OPS)]
        skips += [Edge(source, f"layer{i}", "skip") for source in earlier[:-1] if draws.random() < share]
        earlier.append(f"layer{i}")
        nodes.append(Node(f"layer{i}", op, op))
        if i in reductions:
            nodes.append(Node(f"reduction{i}", "reduce", "reduction"))
    nodes.append(Node("head", "head", "output"))
    flows = [Edge(a.name, b.name) for a, b in pairwise(nodes)]
    return Graph(f"{layers} layers", tuple(nodes), (*flows, *skips), "chain")


def cell() -> Graph:
    """A micro cell with operations on its edges, one of them double."""
    nodes = (
        Node("in0", "input 0", "input"),
        Node("in1", "input 1", "input"),
        Node("n2", "node 2", "node"),
        Node("n3", "node 3", "node"),
        Node("out", "concat", "output"),
    )
    edges = (
        Edge("in0", "n2", label="sep3x3"),
        Edge("in0", "n2", label="avg_pool"),
        Edge("in1", "n3", label="a < b & c"),
        Edge("n2", "n3", "skip", label="$identity$"),
        Edge("n2", "out"),
        Edge("n3", "out"),
    )
    return Graph("A cell: <x> & $y$", nodes, edges)


def two_panels(title: str = "Two cells", *, wide: int = 0) -> Graph:
    """A cell beside its like, each with a heading; `wide` nodes more in a row make it wide."""
    nodes, edges = [], []
    for panel in ("Left", "Right"):
        row = [f"{panel}{i}" for i in range(2 + wide)]
        nodes += [Node(name, f"node {name}", "node", panel) for name in row]
        edges += [Edge(a, b, label="sep3x3") for a, b in pairwise(row)]
    return Graph(title, tuple(nodes), tuple(edges))


GRAPHS = {
    "panels": two_panels(),
    "wide panels": two_panels(wide=6),
    "macro": chain(12, share=0.4, reductions=(3, 7)),
    "all skips": chain(24, reductions=(7, 15)),
    "short": chain(2),
    "cell": cell(),
    "one node": Graph("One", (Node("a", "alone", "odd"),), ()),
    "one link": Graph("", (Node("a", "alone", "odd"),), (), "chain"),
}


def texts(path: Path) -> list[str]:
    return ["".join(element.itertext()).strip() for element in ElementTree.parse(path).iter(f"{SVG}text")]


@pytest.mark.parametrize("name", GRAPHS)
def test_svg_holds_every_text_inside_the_picture(name: str, tmp_path: Path) -> None:
    graph = GRAPHS[name]
    draw(graph, tmp_path / "a.svg")
    found = texts(tmp_path / "a.svg")
    for node in graph.nodes:
        assert node.label in found
        assert any(node.kind in text.split(", ") for text in found), "the legend names each kind"
    for edge in graph.edges:
        assert not edge.label or edge.label in found
    assert graph.title in [*found, ""]
    root = ElementTree.parse(tmp_path / "a.svg").getroot()
    assert (root.findtext(f"{SVG}title") or "") == graph.title


@pytest.mark.parametrize("name", GRAPHS)
def test_png_is_not_blank_and_nothing_touches_its_rim(name: str, tmp_path: Path) -> None:
    draw(GRAPHS[name], tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        pixels = image.convert("L")
        assert pixels.getextrema()[0] < 60
        inked = pixels.point(lambda value: 255 * (value < 250)).getbbox()
        assert inked is not None
        margins = (inked[0], inked[1], image.width - inked[2], image.height - inked[3])
        assert min(margins) >= 20, margins


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
@pytest.mark.parametrize("name", ["macro", "cell"])
def test_same_graph_same_bytes(name: str, suffix: str, tmp_path: Path) -> None:
    first, second = tmp_path / f"one.{suffix}", tmp_path / f"two.{suffix.upper()}"
    draw(GRAPHS[name], first)
    with matplotlib.rc_context({"font.size": 20, "lines.linewidth": 5, "svg.fonttype": "path", "savefig.dpi": 30}):
        draw(GRAPHS[name], second)
    assert first.read_bytes() == second.read_bytes(), "neither time nor the user's settings of Matplotlib show"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([first.name, second.name])


def test_pdf_begins_like_one_and_has_no_date(tmp_path: Path) -> None:
    draw(cell(), tmp_path / "a.pdf")
    content = (tmp_path / "a.pdf").read_bytes()
    assert content.startswith(b"%PDF")
    assert b"CreationDate" not in content


def test_settings_of_matplotlib_are_left_alone(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    draw(cell(), tmp_path / "a.svg")
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("name", ["a.gif", "a", "svg", "a.svg.txt"])
def test_other_suffixes_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"must end in \.svg, \.png or \.pdf$") as caught:
        draw(cell(), tmp_path / name)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_errors_leave_the_old_picture(tmp_path: Path) -> None:
    draw(cell(), tmp_path / "a.svg")
    before = (tmp_path / "a.svg").read_bytes()
    with pytest.raises(UsageError, match="unknown node 'x'"):
        draw(Graph("t", (Node("a", "a", "input"),), (Edge("a", "x"),)), tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_bytes() == before
    with pytest.raises(RunError, match="cannot write"):
        draw(cell(), tmp_path / "missing" / "a.svg")


@pytest.mark.parametrize(("wide", "beside"), [(0, True), (6, False)])
def test_panels_stand_side_by_side_or_below_each_other(wide: int, beside: bool, tmp_path: Path) -> None:
    draw(two_panels(wide=wide), tmp_path / "a.svg")
    at = {}
    for element in ElementTree.parse(tmp_path / "a.svg").iter(f"{SVG}text"):
        places = re.findall(r"-?[0-9.]+", element.get("transform", ""))
        at["".join(element.itertext()).strip()] = (float(places[-2]), float(places[-1]))
    headings = at["Left"], at["Right"]
    assert (headings[0][1] == headings[1][1]) == beside, "headings of panels side by side stand at one height"
    assert (headings[0][0] == headings[1][0]) == (not beside), "panels below each other are centred"
    if beside:
        assert max(x for text, (x, _) in at.items() if "Left" in text) < at["node Right0"][0]
    else:
        assert max(y for text, (_, y) in at.items() if "Left" in text) < headings[1][1], "downwards in an SVG"


def test_panels_keep_the_order_of_the_graph_and_are_not_joined() -> None:
    graph = two_panels()
    parts = panels(graph)
    assert [part.nodes[0].panel for part in parts] == ["Left", "Right"]
    assert [len(part.edges) for part in parts] == [1, 1]
    assert panels(cell()) == (cell(),)
    joined = Graph("t", graph.nodes, (*graph.edges, Edge("Left0", "Right1")))
    with pytest.raises(UsageError, match="'Left0' -> 'Right1' leads to another panel"):
        panels(joined)


def test_colours_are_fixed_for_known_kinds_and_distinct_for_the_others() -> None:
    nodes = [Node(kind, kind, kind) for kind in (*OPS, "reduction", "zeta", "alpha")]
    chosen = colours(Graph("t", tuple(nodes), ()))
    assert chosen == colours(Graph("t", tuple(reversed(nodes)), ()))
    assert len(set(chosen.values())) == len(nodes)
    assert chosen["conv3x3"] == "#0072B2"
    assert colours(Graph("t", (Node("a", "a", "Max-Pool"),), ())) == {"Max-Pool": chosen["max_pool"]}


def test_layers_have_their_numbers_and_long_titles_are_wrapped(tmp_path: Path) -> None:
    graph = chain(12)
    title = "A title that is much too long for one line " * 8
    draw(Graph(title, graph.nodes, graph.edges, "chain"), tmp_path / "a.svg")
    found = texts(tmp_path / "a.svg")
    assert {str(i) for i in range(12)} <= set(found)
    assert sum("title" in text for text in found) > 1
