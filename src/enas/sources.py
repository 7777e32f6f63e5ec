"""Where an architecture comes from: a run, a file, a published name, or chance."""

import difflib
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from enas.architecture import Architecture, encode
from enas.config import DataConfig
from enas.controller import sample_uniformly
from enas.decisions import decisions
from enas.errors import ArchitectureError, RunError, UsageError
from enas.notation import are_numbers
from enas.run import ARCHITECTURES, Run
from enas.search.scoring import Decoder
from enas.search.setup import SearchSettings
from enas.space import Space
from enas.spaces import load, names, published
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


@dataclass(frozen=True)
class History:
    """The best architecture of each epoch of a search, as far as it has come."""

    space: Space
    steps: tuple[int, ...]
    """Epochs."""
    scores: tuple[float, ...]
    """The task's metric on validation examples, under the shared weights of that epoch."""
    architectures: tuple[Architecture, ...]


def history(text: str) -> History:
    """Read what a search, finished or not, wrote of its epochs.

    Raises:
        EnasError: it is not the folder of a search, no epoch is over, or a line is damaged.
    """
    path = Path(text)
    if not path.is_dir():
        raise UsageError(f"{text} is no folder: a picture that moves needs the folder of a search")
    settings = SearchSettings.from_json(Run.open(path).settings, str(path))
    space, file = load(settings.space), path / ARCHITECTURES
    lines = _lines(file)
    steps, scores, found = [], [], []
    for number, line in enumerate(lines, 1):
        where = f"{file}, line {number}"
        try:
            record = json.loads(line)
            step, score, content = int(record["step"]), float(record["score"]), record["architecture"]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise RunError(f"{where} is damaged: it is not an epoch's architecture") from error
        architecture = replace(Architecture.from_json(json.dumps(content), where), space=space.name)
        encode(architecture, space.steps(architecture.size), where)  # checks every choice
        steps.append(step)
        scores.append(score)
        found.append(architecture)
    if not found:
        raise RunError(f"{path} has no architectures yet: its search has not finished an epoch")
    return History(space, tuple(steps), tuple(scores), tuple(found))


def _lines(file: Path) -> list[bytes]:
    """The whole lines of a file; the last one may be cut short, in the middle of being written."""
    try:
        content = file.read_bytes() if file.is_file() else b""
    except OSError as error:
        raise RunError(f"cannot read {file}: {error.strerror or error}") from error
    return content[: content.rfind(b"\n") + 1].splitlines()


def find(text: str) -> Source:
    """Resolve RUN, ARCHITECTURE.json, dag.json, published:NAME, random:SPACE[:SEED] or arc:SPACE:NUMBERS.

    Raises:
        EnasError: there is no such architecture.
    """
    if text.startswith("published:"):
        return from_architecture(published(text.removeprefix("published:")), text)
    if text.startswith("random:"):
        return _random(text)
    if text.startswith("arc:"):
        name, _, arc = text.removeprefix("arc:").partition(":")
        return from_architecture(read_reference(load(name), arc, f"arc:{name}"), f"arc:{name}")
    if are_numbers(text) and len(text.split()) > 1:
        raise UsageError("numbers alone do not tell their space: write arc:SPACE:NUMBERS, as in 'arc:macro:0 3 0'")
    path = Path(text)
    if path.is_dir():
        return _from_run(path)
    if not path.exists() and (hint := _hint(text)):
        raise UsageError(f"there is no file or run {text!r}: {hint}")
    return from_architecture(_load(path), str(path))


def _hint(text: str) -> str | None:
    """What may have been meant by a name that is no file; None: nobody knows."""
    if text == "cnn":
        return "image networks are of the space macro (whole networks) or micro (cells), as in random:macro"
    if text in names():
        return f"{text} is a space: search it with 'enas search {text}', or name a random one, random:{text}"
    listed = [name for space in names() for name in load(space).published]
    if text in listed:
        return f"did you mean published:{text}?"
    close = difflib.get_close_matches(text, (*names(), *listed), 1)
    if not close:
        return None
    if close[0] in listed:
        return f"did you mean published:{close[0]}?"
    return f"did you mean the space {close[0]!r} (as in 'enas compare {close[0]}'), or random:{close[0]}?"


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


def read_reference(space: Space, text: str, where: str) -> Architecture:
    """The architecture that a text describes in one of the space's notations.

    Args:
        space: Whose architecture it is.
        text: What stands in a predecessor's file, script or log.
        where: Its name, for messages.

    Raises:
        EnasError: the space has no notation, or the text is in none of them, or wrong.
    """
    if not space.notations:
        raise UsageError(f"the space {space.name} has no other notation: give an architecture.json")
    for notation in space.notations:
        if notation.recognises(text):
            return notation.read(text, where)
    known = "; ".join(f"{notation.name}: {notation.what}" for notation in space.notations)
    raise ArchitectureError(f"{where} is in no notation of {space.name} ({known})")


def read_foreign(path: Path) -> Architecture | None:
    """The architecture of a file in a notation that tells its space by itself, such as `dag.json`; None: it is no such file.

    Raises:
        EnasError: several spaces could be meant, or the file is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None  # whoever reads it as an architecture.json says why not
    spaces = [load(name) for name in names()]
    meant = [space for space in spaces if any(notation.recognises(text) for notation in space.notations)]
    if len(meant) > 1:
        listed = ", ".join(space.name for space in meant)
        raise UsageError(f"{path} may be of the spaces {listed}: say which with 'enas convert --from SPACE {path}'")
    return read_reference(meant[0], text, str(path)) if meant else None


def from_architecture(architecture: Architecture, where: str) -> Source:
    """An architecture without a run: the space's default recipe, the embedded data.

    Args:
        architecture: One of its space.
        where: Name of its origin, for messages.
    """
    space = load(architecture.space)
    return Source(architecture, space, where, DataConfig(), space.default_preset, None)


def _load(path: Path) -> Architecture:
    architecture = read_foreign(path) or Architecture.load(path)
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
