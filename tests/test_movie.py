"""Pictures that move: their number, their size, what stands still and what stands out."""

import random
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from PIL import Image, ImageSequence

from enas.config import MovieConfig
from enas.draw import image
from enas.errors import RunError, UsageError
from enas.movie import Frame, animate, durations, scenes, thinned
from enas.picture import Mark, Shape, Text, bounds
from enas.row import GLOW
from enas.sources import draw_uniformly
from enas.space import Edge, Graph, Node
from enas.spaces import load

BOXES = 6


def series(seed: int, *, panel: str = "") -> list[Frame]:
    """Graphs whose boxes and edges have labels of their own, by which their marks are found again."""
    draws = random.Random(seed)
    names = [f"n{i}" for i in range(BOXES)]
    frames = []
    for step in range(1, 6):
        nodes = tuple(Node(name, f"box {name}", draws.choice(("node", "sum")), panel) for name in names)
        pairs = [pair for pair in combinations(names, 2) if draws.random() < 0.5]
        edges = tuple(Edge(a, b, label=f"{a}{b}{draws.choice('pq')}") for a, b in pairs)
        frames.append(Frame(Graph("Five graphs", nodes, edges), step, draws.random()))
    return frames


def spaces(name: str, count: int = 4) -> list[Frame]:
    """Random architectures of a space of ours."""
    space = load(name)
    size = dict(space.size(space.presets["demo"].supernet))
    found = draw_uniformly(space, size, count, 0)
    return [Frame(space.wiring(one), step, 0.1 * step) for step, one in enumerate(found, 1)]


def texts(marks: list[Mark]) -> list[Text]:
    return [mark for mark in marks if isinstance(mark, Text)]


@pytest.mark.parametrize("seed", range(6))
def test_exactly_what_differs_stands_out(seed: int) -> None:
    frames = series(seed)
    pictures, _ = scenes(frames, metric="accuracy")
    assert not any(isinstance(mark, Shape) and mark.line == GLOW for mark in pictures[0]), "nothing is new at first"
    for (before, after), marks in zip(pairwise(frames), pictures[1:], strict=True):
        old, new = before.graph, after.graph
        bold = {text.words for text in texts(marks) if text.bold} - {"Five graphs"}
        edges = {edge.label for edge in new.edges if all(edge != other for other in old.edges)}
        boxes = {node.label for node in new.nodes if all(node != other for other in old.nodes)}
        assert bold == edges | boxes
        glowing = [mark for mark in marks if isinstance(mark, Shape) and mark.line == GLOW]
        assert len(glowing) == len(edges) + len(boxes)
        for text in texts(marks):
            if text.words in boxes:
                inside = [bounds([mark]) for mark in glowing if not mark.curved]
                assert any(a[0] < text.at[0] < b[0] and a[1] < text.at[1] < b[1] for a, b in inside)


@pytest.mark.parametrize("name", ["macro", "micro", "rnn"])
def test_boxes_stand_still(name: str) -> None:
    """The labels change in macro and rnn: then the places of all boxes are compared."""
    pictures, size = scenes(spaces(name), metric="accuracy")
    where: dict[str, set[tuple[float, float]]] = {}
    for frame, marks in zip(spaces(name), pictures, strict=True):
        labels = [node.label for node in frame.graph.nodes]
        at = [text.at for text in texts(marks) if text.words in labels and text.size == 11]
        assert len(at) == len(labels)
        if name == "micro":
            for text in texts(marks):
                if text.words in ("Normal cell", "Reduction cell"):
                    where.setdefault(text.words, set()).add(text.at)
        else:
            for node, place in zip(frame.graph.nodes, sorted(at), strict=True):
                where.setdefault(node.name, set()).add(place)
        (left, bottom), (right, top) = bounds(marks)
        assert 0 < left < right < size[0]
        assert 0 < bottom < top < size[1]
    assert where
    assert all(len(places) == 1 for places in where.values())


def test_named_boxes_and_kept_edges_stand_still() -> None:
    frames = series(1)
    pictures, _ = scenes(frames, metric="accuracy")
    for name in range(BOXES):
        assert len({t.at for marks in pictures for t in texts(marks) if t.words == f"box n{name}"}) == 1


def test_caption_tells_epoch_and_metric() -> None:
    pictures, _ = scenes(series(0), metric="accuracy", title="Mine")
    words = [text.words for text in texts(pictures[2])]
    assert "Mine" in words
    assert any(text.startswith("epoch 3 of 5:  accuracy 0.") for text in words)


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_file_has_all_frames_on_one_canvas(suffix: str, tmp_path: Path) -> None:
    frames = series(2, panel="Panel")
    settings = MovieConfig(seconds_per_frame=0.4)
    for name in ("a", "b"):
        assert animate(frames, tmp_path / f"{name}.{suffix}", metric="accuracy", settings=settings) == 5
    assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()
    with Image.open(tmp_path / f"a.{suffix}") as movie:
        assert movie.n_frames == 5  # type: ignore[attr-defined]
        assert movie.info["loop"] == 0
        shown = [(frame.convert("RGB"), frame.info["duration"]) for frame in ImageSequence.Iterator(movie)]
    assert len({frame.size for frame, _ in shown}) == 1
    assert len({frame.tobytes() for frame, _ in shown}) == 5
    assert [time for _, time in shown] == [400, 400, 400, 400, 1600]


def test_unchanged_frames_are_short_and_the_last_is_long() -> None:
    a, b = (frame.graph for frame in series(0)[:2])
    frames = [Frame(graph, step, 0.5) for step, graph in enumerate([a, b, b, b, a])]
    assert durations(frames, 0.8) == pytest.approx([0.8, 0.8, 0.2, 0.2, 3.2])
    assert durations(frames[:1], 0.8) == pytest.approx([3.2])


@pytest.mark.parametrize(("count", "most"), [(3, 50), (51, 50), (310, 50), (7, 2)])
def test_long_searches_are_thinned_evenly(count: int, most: int) -> None:
    frames = [Frame(Graph("g", (), ()), step, 0.0) for step in range(count)]
    steps = [frame.step for frame in thinned(frames, most)]
    assert len(steps) == min(count, most)
    assert (steps[0], steps[-1]) == (0, count - 1)
    gaps = {b - a for a, b in pairwise(steps)}
    assert max(gaps) - min(gaps) <= 1


def test_one_epoch_and_scores_that_are_no_numbers(tmp_path: Path) -> None:
    frames = [
        Frame(frame.graph, frame.step, score) for frame, score in zip(series(0), [float("nan"), 1e9, 2.0], strict=False)
    ]
    assert animate(frames[:1], tmp_path / "a.gif", metric="perplexity", settings=MovieConfig()) == 1
    assert animate(frames, tmp_path / "b.gif", metric="perplexity", settings=MovieConfig()) == 3


def test_refusals_are_one_line(tmp_path: Path) -> None:
    for frames, name, message in [([], "a.gif", "nothing to animate"), (series(0), "a.mp4", r"\.gif or \.webp$")]:
        with pytest.raises(UsageError, match=message) as caught:
            animate(frames, tmp_path / name, metric="accuracy", settings=MovieConfig())
        assert "\n" not in str(caught.value)
    with pytest.raises(RunError, match="cannot write"):
        animate(series(0)[:1], tmp_path / "no" / "a.gif", metric="accuracy", settings=MovieConfig())


def test_picture_in_memory_is_not_blank() -> None:
    assert image(series(0)[0].graph).convert("L").getextrema()[0] < 60
