"""The program as Python functions: `enas.search`, `enas.train`, `enas.load`, ... (`docs/python.md`).

Settings are the flags of the command line with underscores: `epochs=2` is `--epochs 2`, and mistakes get the same answers.
The examples here are run by the tests.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from enas import arguments, commands
from enas.architecture import Architecture, encode
from enas.bounds import check
from enas.draw import draw as draw_graph
from enas.errors import UsageError
from enas.export import export as export_network
from enas.flags import Parser, add_flags, collect
from enas.runtime import resolve_device
from enas.search.derive import Derivation
from enas.sources import Source, find, from_architecture
from enas.spaces import load as load_space
from enas.trained import Trained
from enas.trained import load as load_trained


@dataclass(frozen=True)
class Search:
    """A search that has ended."""

    run: Path
    """Its folder."""
    architecture: Architecture
    """The best one that its controller sampled."""
    derivation: Derivation
    """All architectures that were scored at its end, and the comparison with chance."""


Origin = str | Path | Architecture | Search | Trained
"""What an architecture is taken from: what `enas train` takes (a run, a file, "published:enas-macro", "random:macro:1"), or an
object of this module."""


SWITCHES = ("resume", "quiet")
"""Flags without a value."""
WITHOUT_NONE = ("preset", "out", "threads", "cache_dir")
"""Keyword arguments for which None is the same as leaving them out: their flags know no "none"."""


def search(space: str | Path, **settings: Any) -> Search:
    """Search an architecture.

    Args:
        space: "macro", "micro", "rnn", or one of your own: "module.attribute" or a file (`docs/your-own-space.md`).
        **settings: The flags of `enas search`: dataset, preset, out, resume, quiet, epochs, ... None is the flag's "none".

    Raises:
        EnasError: settings, data or folder are unfit.
        Interrupted: the user asked to stop; all is saved, and `resume=True` goes on.

    Example:
        >>> import enas
        >>> found = enas.search("macro", preset="demo", out="runs/first", epochs=1, layers=2, filters=4,
        ...                     steps_per_epoch=2, controller_steps=1, derive_samples=2, quiet=True)
        >>> sorted(found.architecture.choices)
        ['layer0.op', 'layer1.op', 'layer1.skips']
        >>> enas.search("macro", epochss=1)
        Traceback (most recent call last):
        enas.errors.UsageError: unknown flag --epochss: did you mean --epochs?
    """
    chosen, place = arguments.search_settings([str(space), *_flags(settings)])
    found = commands.search(chosen, place.out, place.runtime, resume=place.resume)
    return Search(place.out, found.best.architecture, found)


def derive(run: str | Path | Search, *, samples: int | None = None, **settings: Any) -> Search:
    """Sample and rank again from the newest checkpoint of a search, without searching; writes `architecture.json` anew.

    Args:
        run: The search, or its folder.
        samples: Architectures to sample, and as many uniform ones; None: as many as before.
        **settings: device, threads, quiet, cache_dir.

    Raises:
        EnasError: the folder is not that of a search, or holds no checkpoint.

    Example:
        >>> again = enas.derive("runs/first", samples=3, quiet=True)
        >>> len(again.derivation.candidates)
        6
    """
    path = run.run if isinstance(run, Search) else Path(run)
    found = commands.derive(path, samples, arguments.runtime("derive", _flags(settings)))
    return Search(path, found.best.architecture, found)


def train(architecture: Origin, **settings: Any) -> Trained:
    """Train an architecture from scratch, and give the trained network.

    Args:
        architecture: What to train. Data and preset are those of its search, where it has one.
        **settings: The flags of `enas train`: dataset, preset, out, resume, quiet, epochs, filters, ...

    Raises:
        EnasError: settings, data or folder are unfit.
        Interrupted: the user asked to stop; all is saved, and `resume=True` goes on.

    Example:
        >>> trained = enas.train("runs/first", epochs=1, filters=4, lr_first_cycle=1, steps_per_epoch=2, quiet=True)
        >>> trained.path.as_posix(), sorted(trained.result)[-2:]
        ('runs/first/train', ['valid/accuracy', 'valid/loss'])
    """
    source = _source(architecture)
    chosen, place = arguments.train_settings(["ARCHITECTURE", *_flags(settings)], source)
    commands.train(chosen, source, place.out, place.runtime, resume=place.resume)
    return load_trained(place.out, place.runtime.device)


def test(run: str | Path | Trained, **settings: Any) -> dict[str, int | float]:
    """Score the trained weights of a run on the test split.

    Args:
        run: The training, its folder, or that of its search.
        **settings: device, threads, quiet, cache_dir.

    Raises:
        EnasError: the folder is not that of a training, or its data has no test split.

    Example:
        >>> figures = enas.test("runs/first", quiet=True)
        >>> sorted(figures)
        ['test/accuracy', 'test/loss']
    """
    path = run.path if isinstance(run, Trained) else Path(run)
    return commands.test(path, arguments.runtime("test", _flags(settings)))


def load(run: str | Path, *, device: str = "cpu") -> Trained:
    """The trained network of a run, in evaluation mode, with its best weights; its data is not needed.

    Args:
        run: Folder of a training or of its search, or a `.safetensors` file that was exported.
        device: Where the network goes: "cpu", "cuda" or "auto".

    Returns:
        An `ImageClassifier`, which gives classes and probabilities of images (files, Pillow's images or bytes), or a
        `LanguageModel`, which gives the words that follow a text. Both hold the network as `network`.

    Raises:
        EnasError: there is no such training, or it is damaged.

    Example:
        >>> from PIL import Image
        >>> classifier = enas.load("runs/first")
        >>> images = [Image.new("L", (20, 30)), Image.new("L", (8, 8))]
        >>> classifier.predict(images)[0] in classifier.interface.classes
        True
        >>> classifier.probabilities(images).shape
        torch.Size([2, 10])
    """
    return load_trained(Path(run), resolve_device(device))


def build(architecture: Origin, spec: Any, *, preset: str | None = None, **settings: Any) -> nn.Module:
    """An untrained network of an architecture, as a module for a program of your own.

    Args:
        architecture: What to build.
        spec: The data: `enas.ImageSpec(channels=3, height=32, width=32, classes=10)` or `enas.TextSpec(vocabulary=10_000)`.
        preset: Where settings that are not given come from; None: the space's default.
        **settings: The settings of the network among the flags of `enas train`: filters, dropout, ...

    Returns:
        A module from images "B C H W" to logits, or of the space's other inputs. Its initial weights come from torch's
        global generator.

    Raises:
        EnasError: the architecture or a setting is unfit.

    Example:
        >>> import torch
        >>> network = enas.build("published:enas-macro", enas.ImageSpec(3, 32, 32, 10), filters=8)
        >>> network(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """
    source = _source(architecture)
    name = preset or source.space.default_preset
    if name not in source.space.presets:
        known = ", ".join(source.space.presets)
        raise UsageError(f"{source.space.label} has no preset {name!r}: known are {known}")
    defaults = source.space.presets[name].network
    parser = Parser(prog="enas train", add_help=False)
    add_flags(parser, defaults)
    config = collect(parser.parse_args(_flags(settings)), defaults)
    check(config)
    return source.space.network(config, spec, source.architecture)


def draw(architecture: Origin, path: str | Path) -> None:
    """Write a picture of an architecture.

    Args:
        architecture: What to draw.
        path: The file: .svg, .png or .pdf.

    Raises:
        EnasError: there is no such architecture, or the suffix is unknown.

    Example:
        >>> enas.draw("runs/first", "runs/first/architecture.svg")
    """
    source = _source(architecture)
    draw_graph(source.space.wiring(source.architecture), Path(path))


def export(run: str | Path | Trained, path: str | Path) -> None:
    """Write a trained network for use elsewhere.

    Args:
        run: The training, its folder, or that of its search.
        path: The file: `.pt2` (PyTorch without this program), `.onnx`, or `.safetensors`, which `enas.load` reads.

    Raises:
        EnasError: there is no such training, the suffix is unknown, or a package is missing.

    Example:
        >>> enas.export("runs/first", "runs/first/network.safetensors")
        >>> enas.load("runs/first/network.safetensors").architecture == trained.architecture
        True
    """
    trained = run if isinstance(run, Trained) else load_trained(Path(run), torch.device("cpu"))
    export_network(trained, Path(path))


def _source(origin: Origin) -> Source:
    if isinstance(origin, Search):
        return find(str(origin.run))
    if isinstance(origin, Trained):
        origin = origin.architecture
    if isinstance(origin, Architecture):
        encode(origin, load_space(origin.space).steps(origin.size))  # checks every choice
        return from_architecture(origin, "architecture")
    return find(str(origin))


def _flags(settings: dict[str, Any]) -> list[str]:
    """Keyword arguments as flags: epochs=2 becomes --epochs=2."""
    words = []
    for name, value in settings.items():
        flag = "--" + name.replace("_", "-")
        if name in SWITCHES:
            if not isinstance(value, bool):
                raise UsageError(f"{flag} expects true or false, got {value!r}")
            words += [flag] if value else []
        elif value is not None or name not in WITHOUT_NONE:
            words.append(f"{flag}={'none' if value is None else value}")
    return words
