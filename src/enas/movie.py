"""`draw` to .gif or .webp: how the best architecture of a search changed, one picture an epoch.

Boxes and arrows keep their places over all pictures, and the canvas its size, so that only what changed moves the eye.
Lengths are inches.
"""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from PIL import Image

from enas.boxes import HEADING, LINE, TITLE, VERMILION, WHITE, box, legend
from enas.config import MovieConfig
from enas.draw import MARGIN, arranged, panels
from enas.errors import UsageError
from enas.files import replacing
from enas.layout import Point
from enas.picture import INK, Mark, Shape, Text, bounds, moved, rasters
from enas.row import FADED, GLOW, Row, strip
from enas.series import difference
from enas.space import Graph

FORMATS = ("gif", "webp")
"""Suffixes of files that move."""
SHORT, LAST = 0.25, 4.0
"""How long a picture without a change stays, and the last one, in times of another."""
PIXELS = 1000
"""Width of the widest pictures."""
COLOURS = 64
"""Of a GIF, which has one palette for all its pictures."""


@dataclass(frozen=True)
class Frame:
    """One picture of a series."""

    graph: Graph
    step: int
    """The epoch."""
    score: float
    """The task's metric under the shared weights."""


def animate(frames: Sequence[Frame], path: Path, *, metric: str, settings: MovieConfig) -> int:
    """Write a moving picture; the same frames give the same bytes.

    Args:
        frames: At least one, in order.
        path: Where; the suffix .gif or .webp decides the format.
        metric: Name of the score in the caption.
        settings: Title, pace and length.

    Returns:
        The number of pictures.

    Raises:
        UsageError: no frames, another suffix, or a graph that cannot be drawn.
        RunError: the place cannot be written.
    """
    form = path.suffix.lower().removeprefix(".")
    if form not in FORMATS:
        raise UsageError(f"cannot animate to {str(path)!r}: the name of the file must end in .gif or .webp")
    if not frames:
        raise UsageError("there is nothing to animate: give at least one frame")
    chosen = thinned(frames, settings.max_frames)
    pictures, size = scenes(chosen, metric=metric, title=settings.title)
    images = list(rasters(pictures, size, dpi=min(100.0, PIXELS / size[0])))
    times = [round(1000 * time) for time in durations(chosen, settings.seconds_per_frame)]
    options: dict[str, Any] = {"lossless": True, "method": 4}
    if form == "gif":
        images, options = _one_palette(images), {"optimize": False, "disposal": 1}
    with replacing(path) as temporary:
        images[0].save(temporary, form, save_all=True, append_images=images[1:], duration=times, loop=0, **options)
    return len(images)


def thinned(frames: Sequence[Frame], most: int) -> list[Frame]:
    """At most so many frames, evenly spaced, with the first and the last."""
    if len(frames) <= most:
        return list(frames)
    return [frames[round(i * (len(frames) - 1) / (most - 1))] for i in range(most)]


def durations(frames: Sequence[Frame], seconds: float) -> list[float]:
    """Seconds that each picture stays."""
    pairs = pairwise(frames)
    times = [seconds, *(seconds if difference(a.graph, b.graph) else SHORT * seconds for a, b in pairs)]
    return [*times[:-1], LAST * seconds]


def scenes(frames: Sequence[Frame], *, metric: str, title: str | None = None) -> tuple[list[list[Mark]], Point]:
    """The marks of each picture, and the size of all.

    Raises:
        UsageError: a graph cannot be drawn.
    """
    bodies = _bodies([frame.graph for frame in frames])
    (left, bottom), (right, top) = bounds([mark for body in bodies for mark in body])
    middle, room = (left + right) / 2, max(right - left, 5.0)
    lines = textwrap.wrap(frames[-1].graph.title if title is None else title, int(room / 0.14))
    head = [Text((middle, top + 0.7 + 0.26 * i), line, TITLE, bold=True) for i, line in enumerate(reversed(lines))]
    kinds = {node.kind: node for frame in frames for node in frame.graph.nodes}.values()
    edges = tuple(edge for frame in frames for edge in frame.graph.edges)
    everything = Graph("", tuple(kinds), edges, frames[0].graph.layout)
    sample = replace(box("new", WHITE, (0.0, 0.0), 0.22, 0.13), fill=GLOW, line=INK, width=2.0)
    dashes = Shape(((-0.11, 0.0), (0.11, 0.0)), line=FADED, width=1.3, dashed=True)
    foot = legend(everything, room, (middle, bottom - 0.36), {sample: "new", dashes: "gone"})
    axis = bounds(foot)[0][1] - 0.65
    scale = _scaled([frame.score for frame in frames])
    pictures = []
    for i, (frame, body) in enumerate(zip(frames, bodies, strict=True)):
        words = f"epoch {frame.step} of {frames[-1].step}:  {metric} {_short(frame.score)} with the shared weights"
        caption = Text((middle, top + 0.34), words, HEADING)
        curve = _curve(scale, i, (middle - 0.5 * room, axis), room)
        pictures.append([*body, *head, caption, *foot, *curve])
    (left, bottom), (right, top) = bounds([mark for picture in pictures for mark in picture])
    shift = (MARGIN - left, MARGIN - bottom)
    placed = [[moved(mark, *shift) for mark in picture] for picture in pictures]
    return placed, (right - left + 2 * MARGIN, top - bottom + 2 * MARGIN)


def _bodies(graphs: Sequence[Graph]) -> list[list[Mark]]:
    """Each graph's boxes and arrows, panel by panel, in places that are the same for all."""
    split = [{panel.nodes[0].panel: panel for panel in panels(graph)} for graph in graphs]
    headings = dict.fromkeys(heading for parts in split for heading in parts)
    strips: list[list[list[Mark]]] = []
    for heading in headings:
        empty = replace(graphs[0], nodes=(), edges=())
        row = Row.of([parts.get(heading, empty) for parts in split])
        strips.append([strip(row, i, before=max(i - 1, 0)) for i in range(len(graphs))])
        (left, _), (right, top) = bounds([mark for marks in strips[-1] for mark in marks])
        if heading:
            for marks in strips[-1]:
                marks.append(Text(((left + right) / 2, top + 0.26), heading, HEADING, bold=True))
    corners = [bounds([mark for marks in found for mark in marks]) for found in strips]
    shifts = arranged(corners)
    return [
        [moved(mark, *shift) for found, shift in zip(strips, shifts, strict=True) for mark in found[i]]
        for i in range(len(graphs))
    ]


def _scaled(scores: Sequence[float]) -> list[float | None]:
    """Scores between 0 and 1, on a logarithmic scale where they span more than a factor of ten; None: not a number."""
    good = [score for score in scores if math.isfinite(score)]
    logarithmic = bool(good) and min(good) > 0 and max(good) > 10 * min(good)
    values = [(math.log(s) if logarithmic else s) if math.isfinite(s) else None for s in scores]
    known = [value for value in values if value is not None]
    low, span = min(known, default=0.0), (max(known, default=0.0) - min(known, default=0.0)) or 1.0
    return [None if value is None else (value - low) / span for value in values]


def _curve(scale: Sequence[float | None], now: int, at: Point, wide: float) -> list[Mark]:
    """The scores of all pictures as a line, with a dot at this one."""
    step, high = wide / max(len(scale) - 1, 1), 0.4
    points = [(at[0] + i * step, at[1] + high * value) for i, value in enumerate(scale) if value is not None]
    marks: list[Mark] = [Shape(((at[0], at[1] - 0.06), (at[0] + wide, at[1] - 0.06)), line=FADED)]
    if len(points) > 1:
        marks.append(Shape(tuple(points), line=LINE, width=1.2))
    x = at[0] + now * step
    value = scale[now]
    marks.append(Shape(((x, at[1] - 0.06), (x, at[1] + high)), line=FADED, width=0.9))
    if value is not None:
        turn = [2 * math.pi * k / 24 for k in range(25)]
        y = at[1] + high * value
        marks.append(Shape(tuple((x + 0.05 * math.cos(a), y + 0.05 * math.sin(a)) for a in turn), fill=VERMILION))
    return marks


def _short(score: float) -> str:
    """A score with about three digits."""
    return f"{score:.3f}" if abs(score) < 1 else f"{score:.1f}" if abs(score) < 100 else f"{score:,.0f}"


def _one_palette(images: Sequence[Image.Image]) -> list[Image.Image]:
    """The pictures in colours that all share, without dithering, so that what does not change stays the same."""
    some = [images[round(i * (len(images) - 1) / 7)] for i in range(8)]
    sheet = Image.new("RGB", (some[0].width, sum(image.height for image in some)))
    for i, image in enumerate(some):
        sheet.paste(image, (0, i * image.height))
    palette = sheet.quantize(COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    return [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
