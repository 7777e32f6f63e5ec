"""What goes into a trained network and what comes out: `interface.json` of its run, so that it is used without its data."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from enas.data.encode import Level
from enas.data.images import ImageSpec
from enas.data.text import TextSpec
from enas.errors import RunError
from enas.tasks.images import ImageTask
from enas.tasks.mixed import MixedTask
from enas.tasks.task import Task
from enas.tasks.text import TextTask

INTERFACE = "interface.json"


@dataclass(frozen=True)
class ImageInterface:
    """Images in, one logit for each class out."""

    channels: int
    """1 for grey, 3 for colour."""
    height: int
    """In pixels."""
    width: int
    """In pixels."""
    mean: tuple[float, ...]
    """Of each channel, which is subtracted from the pixels, where black is 0 and white is 1."""
    std: tuple[float, ...]
    """Of each channel, by which they are divided then."""
    classes: tuple[str, ...]
    """Names of the classes; a label is an index into them."""
    kind: Literal["images"] = "images"

    @property
    def spec(self) -> ImageSpec:
        """What a network is built from."""
        return ImageSpec(self.channels, self.height, self.width, len(self.classes))


@dataclass(frozen=True)
class TextInterface:
    """Words (or characters) in, one logit for each word of the vocabulary out."""

    level: Level
    words: tuple[str, ...]
    """The vocabulary; a number is an index into it."""
    kind: Literal["text"] = "text"

    @property
    def spec(self) -> TextSpec:
        """What a network is built from."""
        return TextSpec(len(self.words))


Interface = ImageInterface | TextInterface


def interface_of(task: Task, level: Level) -> Interface | None:
    """The interface of networks for a task's data; None: the task is a user's own, of which nothing is known.

    Args:
        task: The data.
        level: Of the data's settings: whether words or characters of a text are numbered.
    """
    task = task.plain if isinstance(task, MixedTask) else task
    if isinstance(task, ImageTask):
        data, spec = task.data, task.spec
        return ImageInterface(spec.channels, spec.height, spec.width, data.mean, data.std, data.classes)
    if isinstance(task, TextTask):
        return TextInterface(level, task.data.words)
    return None


def to_json(interface: Interface) -> dict[str, Any]:
    """Plain data, without the defaults of this module."""
    return {"kind": interface.kind, **asdict(interface)}


def from_json(data: object, where: str) -> Interface:
    """Read what `to_json` wrote.

    Raises:
        RunError: it is damaged.
    """
    damaged = RunError(f"{where} is damaged: it does not say what the network reads")
    kinds: dict[object, type[Interface]] = {"images": ImageInterface, "text": TextInterface}
    if not isinstance(data, Mapping) or data.get("kind") not in kinds:
        raise damaged
    kind = kinds[data["kind"]]
    if set(data) != set(kind.__dataclass_fields__):
        raise damaged
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
    if not (_images_fit(values) if kind is ImageInterface else _text_fits(values)):
        raise damaged
    return kind(**values)


def _images_fit(values: Mapping[str, Any]) -> bool:
    channels = values["channels"]
    sizes = all(type(size) is int and size > 0 for size in (channels, values["height"], values["width"]))
    statistics = all(
        isinstance(part, tuple) and len(part) == channels and all(isinstance(value, float) for value in part)
        for part in (values["mean"], values["std"])
    )
    return sizes and statistics and _are_names(values["classes"])


def _text_fits(values: Mapping[str, Any]) -> bool:
    return values["level"] in ("word", "char") and _are_names(values["words"])


def _are_names(names: object) -> bool:
    return isinstance(names, tuple) and len(names) > 1 and all(isinstance(name, str) for name in names)
