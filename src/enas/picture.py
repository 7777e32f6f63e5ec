"""Plain marks of a picture, and Matplotlib, which measures and paints them. Lengths are inches, sizes of text are points."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from enas.layout import Point

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#222222"
METADATA: dict[str, dict[str, str | None]] = {
    "svg": {"Date": None, "Creator": "enas"},
    "png": {"Software": "enas"},
    "pdf": {"CreationDate": None, "Creator": "enas", "Producer": None},
}
FORMATS = tuple(METADATA)
"""Suffixes of files that can be written."""


@dataclass(frozen=True)
class Shape:
    """A filled outline or a line."""

    points: tuple[Point, ...]
    """Corners; or, where `curved`, a first point and three more for each cubic curve."""
    curved: bool = False
    fill: str = "none"
    line: str = "none"
    width: float = 0.9
    """Points."""
    dashed: bool = False


@dataclass(frozen=True)
class Text:
    """One line of text, centred on a point."""

    at: Point
    words: str
    size: int = 9
    bold: bool = False
    upright: bool = False
    """Turned to be read from the right."""
    colour: str = INK


Mark = Shape | Text


def moved(mark: Mark, dx: float, dy: float) -> Mark:
    """The mark at another place."""
    if isinstance(mark, Text):
        return replace(mark, at=(mark.at[0] + dx, mark.at[1] + dy))
    return replace(mark, points=tuple((x + dx, y + dy) for x, y in mark.points))


def bounds(marks: Iterable[Mark]) -> tuple[Point, Point]:
    """The corners at the lower left and the upper right of the marks."""
    points: list[Point] = []
    for mark in marks:
        if isinstance(mark, Text):
            half = (text_width(mark.words, mark.size, bold=mark.bold) / 2, mark.size / 144)
            w, h = reversed(half) if mark.upright else half
            points += [(mark.at[0] - w, mark.at[1] - h), (mark.at[0] + w, mark.at[1] + h)]
        else:
            ends = mark.points[::3] if mark.curved else mark.points
            points += ends
            if mark.curved and len(ends) == 2:  # an arc reaches three quarters of the way to its handles
                points.append((ends[0][0], 0.25 * ends[0][1] + 0.75 * mark.points[1][1]))
    xs, ys = zip(*points, strict=True)
    return (min(xs), min(ys)), (max(xs), max(ys))


def text_width(words: str, size: int, *, bold: bool = False) -> float:
    """Measure a text in the font that Matplotlib brings along."""
    from matplotlib import get_data_path
    from matplotlib.font_manager import get_font

    font = get_font(f"{get_data_path()}/fonts/ttf/DejaVuSans{'-Bold' if bold else ''}.ttf")
    font.set_size(100, 72)  # at small sizes the font rounds its widths to whole pixels
    font.set_text(words)
    return float(font.get_width_height()[0]) / 64 / 72 * size / 100


def paint(marks: Iterable[Mark], size: Point, path: Path, form: str, title: str) -> None:
    """Write a picture; `size` in inches."""
    with _our_settings():
        figure = _figure(marks, size, min(200.0, 20000 / max(size)))
        figure.savefig(path, format=form, metadata={"Title": title, **METADATA[form]})


def rasters(pictures: Iterable[Iterable[Mark]], size: Point, dpi: float) -> Iterator[Image.Image]:
    """Paint pictures of one size, as RGB images."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    for marks in pictures:
        with _our_settings():
            canvas = FigureCanvasAgg(_figure(marks, size, dpi))
            canvas.draw()
            width, height = canvas.get_width_height()
            yield Image.frombytes("RGBA", (width, height), bytes(canvas.buffer_rgba())).convert("RGB")


@contextmanager
def _our_settings() -> Iterator[None]:
    """Matplotlib with settings of ours, whatever the user's are; it is imported here because it takes long to load."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        fonts = ["DejaVu Sans", "Verdana", "Arial"]  # the first comes with Matplotlib; a viewer of an SVG may lack it
        matplotlib.rc("font", **{"family": "sans-serif", "sans-serif": fonts})
        matplotlib.rc("svg", fonttype="none", hashsalt="enas")
        matplotlib.rc("pdf", fonttype=42)
        yield


def _figure(marks: Iterable[Mark], size: Point, dpi: float) -> "Figure":
    from matplotlib.figure import Figure
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Outline

    style: dict[str, Any]  # Any: Matplotlib's settings have many types
    figure = Figure(figsize=size, dpi=dpi, facecolor="white")
    for mark in marks:
        if isinstance(mark, Text):
            down, turn = 0.36 * mark.size / 72, 90 if mark.upright else 0  # from mid-letter to the base line
            x, y = (mark.at[0] + down, mark.at[1]) if mark.upright else (mark.at[0], mark.at[1] - down)
            style = {"size": mark.size, "color": mark.colour, "weight": "bold" if mark.bold else "normal"}
            style |= {"rotation": turn, "rotation_mode": "anchor", "ha": "center", "va": "baseline"}
            figure.text(x, y, mark.words, transform=figure.dpi_scale_trans, parse_math=False, **style)
        else:
            codes = [Outline.MOVETO] + [Outline.CURVE4 if mark.curved else Outline.LINETO] * (len(mark.points) - 1)
            style = {"facecolor": mark.fill, "edgecolor": mark.line, "linestyle": "--" if mark.dashed else "-"}
            width = mark.width if mark.line != "none" else 0
            style |= {"linewidth": width, "capstyle": "butt", "joinstyle": "round"}
            outline = Outline(mark.points, codes)
            figure.add_artist(PathPatch(outline, transform=figure.dpi_scale_trans, **style))
    return figure
