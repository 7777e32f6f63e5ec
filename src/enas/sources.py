"""Where an architecture comes from: a run, a file, a published name, or chance."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from enas.architecture import Architecture, encode
from enas.config import DataConfig
from enas.controller import sample_uniformly
from enas.decisions import decisions
from enas.errors import RunError, UsageError
from enas.run import Run
from enas.search.scoring import Decoder
from enas.search.setup import SearchSettings
from enas.space import Space
from enas.spaces import load, published
from enas.train.setup import TrainSettings


@dataclass(frozen=True)
class Source:
    """An architecture with what its origin says of data and recipe."""

    architecture: Architecture
    space: Space
    where: str
    """Name of the origin, for messages."""
    data: DataConfig
    preset: str
    run: Path | None
    """Folder of the search that found it; None: it was not found by a run."""


def find(text: str) -> Source:
    """Resolve RUN, ARCHITECTURE.json, published:NAME or random:SPACE[:SEED].

    Raises:
        EnasError: there is no such architecture.
    """
    if text.startswith("published:"):
        return from_architecture(published(text.removeprefix("published:")), text)
    if text.startswith("random:"):
        return _random(text)
    path = Path(text)
    if path.is_dir():
        return _from_run(path)
    return from_architecture(_load(path), str(path))


def draw_uniformly(space: Space, size: dict[str, int], n: int, seed: int) -> list[Architecture]:
    """Architectures in which every answer is equally likely.

    Raises:
        UsageError: there are no questions at this size.
    """
    steps = space.steps(size)
    if not decisions(steps):
        raise UsageError(f"there is nothing to draw at random: size {size} of {space.name} asks no question")
    generator = torch.Generator().manual_seed(seed)
    decoder = Decoder(space.name, steps, size)
    return [decoder(sample_uniformly(steps, 1, generator)[0]) for _ in range(n)]  # one by one: more add to fewer


def from_architecture(architecture: Architecture, where: str) -> Source:
    """An architecture without a run: the space's default recipe, the embedded data.

    Args:
        architecture: One of its space.
        where: Name of its origin, for messages.
    """
    space = load(architecture.space)
    return Source(architecture, space, where, DataConfig(), space.default_preset, None)


def _load(path: Path) -> Architecture:
    architecture = Architecture.load(path)
    encode(architecture, load(architecture.space).steps(architecture.size), str(path))  # checks every choice
    return architecture


def _random(text: str) -> Source:
    rest = text.removeprefix("random:")
    match = re.fullmatch(r"(.+\.py(?::[^\W\d]\w*)?)(?::(.*))?", rest)  # of a space in a file
    name, seed = (match[1], match[2] or "") if match else rest.partition(":")[::2]
    if seed and not (seed.isascii() and seed.isdigit() and int(seed) < 2**62):
        raise UsageError(f"{text}: the seed must be a whole number, as in random:macro:1")
    space = load(name)
    size = dict(space.size(space.presets[space.default_preset].supernet))
    architecture = draw_uniformly(space, size, 1, int(seed or 0))[0]
    return from_architecture(architecture, text)


def _from_run(path: Path) -> Source:
    run = Run.open(path)
    file = path / "architecture.json"
    if not file.is_file():
        raise RunError(f"{path} holds no architecture.json yet: let its search end, or run 'enas derive {path}'")
    architecture = _load(file)
    kind = TrainSettings if run.settings.get("kind") == "train" else SearchSettings
    settings = kind.from_json(run.settings, str(path))
    found = Source(architecture, load(settings.space), str(file), settings.data, settings.preset, path)
    return found if kind is SearchSettings else replace(found, run=None)
