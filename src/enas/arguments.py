"""What a command line says: its flags, read into settings and into where a command works.

Heavy imports wait until a verb runs, so that help is quick.
"""

import argparse
import os
import sys
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from enas.config import DataConfig
from enas.errors import UsageError
from enas.flags import Parser, add_flags, collect

if TYPE_CHECKING:
    from enas.runtime import Runtime
    from enas.search.setup import SearchSettings
    from enas.sources import Source
    from enas.train.setup import TrainSettings

VERBS = {
    "search": "search SPACE: train shared weights and controller in turns, derive an architecture (or --reward-table FILE)",
    "derive": "derive RUN: sample and rank again from a finished or interrupted search",
    "train": "train RUN|FILE|published:NAME|random:SPACE[:SEED]|arc:SPACE:NUMBERS: one architecture from scratch",
    "test": "test RUN: accuracy or perplexity of a trained network on the test split",
    "draw": "draw RUN|FILE|published:NAME -o FILE.svg|png|pdf|gif|webp: an architecture, or how it changed in a search",
    "export": "export RUN -o FILE.pt2|onnx|safetensors: the trained network for use elsewhere",
    "convert": "convert FILE|--from SPACE NUMBERS -o FILE: the predecessors' architectures to architecture.json, or back",
    "compare": "compare RUN|SPACE: the found architecture or a whole method of search against chance",
    "demo": "demo: all of it on the embedded digits, in a minute or two",
}


@dataclass(frozen=True)
class Place:
    """Where a command works."""

    out: Path
    """Folder of the run."""
    resume: bool
    """Whether to go on with the run in it."""
    runtime: "Runtime"


def search_settings(arguments: list[str]) -> "tuple[SearchSettings, Place]":
    """What the arguments of `enas search` say.

    Raises:
        UsageError: one is unknown or wrong.
    """
    from enas.run import Run
    from enas.search.setup import SearchSettings
    from enas.spaces import load

    subject, known = look_ahead(arguments, "search", "a SPACE")
    space = load(subject or "macro")
    out = known.out or Path("runs") / f"{space.label}-{known.preset or space.default_preset}"
    if known.resume and known.preset is None and (out / "config.json").is_file():
        defaults = SearchSettings.from_json(Run.open(out).settings, str(out))
    else:
        defaults = SearchSettings.from_preset(space, known.preset or space.default_preset, DataConfig())
    parser = parser_of("search", positional="SPACE", out=True)
    parser.add_argument("--preset", help=f"{', '.join(space.presets)} (default: {space.default_preset})")
    parts = ("data", "supernet", "controller", "search", "augment")
    for part in parts:
        add_flags(parser, getattr(defaults, part))
    options = parser.parse_args(arguments)
    settings = replace(defaults, **{part: collect(options, getattr(defaults, part)) for part in parts})
    return settings, Place(out, options.resume, runtime_of(options))


def train_settings(
    arguments: list[str], source: "Source", known: argparse.Namespace | None = None
) -> "tuple[TrainSettings, Place]":
    """What the arguments of `enas train` say.

    Args:
        arguments: The architecture (which `source` has replaced) and flags.
        source: The architecture, and where its settings come from.
        known: What looking ahead at the arguments has found already.

    Raises:
        UsageError: one is unknown or wrong.
    """
    known = known or look_ahead(arguments, "train", "an ARCHITECTURE")[1]
    out = known.out or (source.run / "train" if source.run else Path("runs") / "train")
    settings, options = part_settings("train", arguments, source, known, out)
    return settings, Place(out, options.resume, runtime_of(options))


def part_settings(
    verb: str, arguments: list[str], source: "Source", known: argparse.Namespace, out: Path
) -> "tuple[TrainSettings, argparse.Namespace]":
    """The settings of a verb that trains, and its other flags.

    Args:
        verb: "train" or "compare".
        arguments: Its arguments.
        source: The architecture, and where its settings come from.
        known: What looking ahead at the arguments has found.
        out: Folder of the run.

    Raises:
        UsageError: an argument is unknown or wrong.
    """
    from enas.run import Run
    from enas.train.setup import TrainSettings

    if known.resume and known.preset is None and (out / "config.json").is_file():
        defaults = TrainSettings.from_json(Run.open(out).settings, str(out))
    else:
        defaults = TrainSettings.from_preset(source.space, known.preset or source.preset, source.data)
    parser = parser_of(verb, positional="ARCHITECTURE", out=True)
    parser.add_argument("--preset", help=f"{', '.join(source.space.presets)} (default: that of the search, or cpu)")
    if verb == "compare":
        parser.add_argument("--random", type=int, default=3, help="random architectures to train (default: 3)")
    parts = ("data", "network", "train", "augment")
    for part in parts:
        add_flags(parser, getattr(defaults, part))
    options = parser.parse_args(arguments)
    return replace(defaults, **{part: collect(options, getattr(defaults, part)) for part in parts}), options


def runtime(verb: str, arguments: list[str]) -> "Runtime":
    """Where a verb runs, as its flags --device, --threads, --quiet and --cache-dir say.

    Raises:
        UsageError: one is unknown or wrong.
    """
    return runtime_of(parser_of(verb).parse_args(arguments))


def parser_of(verb: str, *, positional: str | None = None, more: bool = False, out: bool = False) -> Parser:
    """A parser with the flags that all verbs have.

    Args:
        verb: Its name.
        positional: What the help calls the argument; None: there is none.
        more: Whether there may be several of it.
        out: Whether the verb makes a run.
    """
    parser = Parser(prog=f"enas {verb}", description=VERBS[verb])
    if positional is not None:
        parser.add_argument(
            "subject", metavar=positional, nargs="+" if more else None, help=f"{positional} (see above)"
        )
    if out:
        parser.add_argument("--out", type=Path, help="folder of the run")
        parser.add_argument("--resume", action="store_true", help="go on with the run in this folder")
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto (default: auto)")
    parser.add_argument(
        "--threads", type=int, help="processor threads (default: one a core, within the quota of a container)"
    )
    parser.add_argument("--quiet", action="store_true", help="show nothing but errors")
    parser.add_argument("--cache-dir", type=Path, help="folder of decoded data sets (default: ~/.cache/enas)")
    return parser


def look_ahead(arguments: list[str], verb: str, positional: str) -> tuple[str | None, argparse.Namespace]:
    """Look ahead at the subject and the preset, on which the other flags' defaults depend.

    Raises:
        UsageError: there is no subject.
    """
    peek = Parser(prog=f"enas {verb}", add_help=False)
    peek.add_argument("subject", nargs="?")
    peek.add_argument("--preset")
    peek.add_argument("--out", type=Path)
    peek.add_argument("--resume", action="store_true")
    # A word after a flag may be that flag's value: a word that is not wins, wherever it stands.
    free = [
        word for before, word in pairwise(["", *arguments]) if not word.startswith("-") and not before.startswith("-")
    ]
    known, _ = peek.parse_known_args([*free[:1], *arguments])
    if known.subject is None and not {"-h", "--help"} & set(arguments):
        raise UsageError(f"enas {verb} needs {positional}: see enas {verb} --help")
    return known.subject, known


def runtime_of(options: argparse.Namespace) -> "Runtime":
    """Where a command runs, as its flags say; a word where its threads are too many.

    Raises:
        UsageError: there is no such device, or no thread.
    """
    import torch
    from rich.console import Console

    from enas.processors import busy_elsewhere, oversubscription, usable_processors
    from enas.runtime import Runtime, keep_freed_memory, resolve_device

    if options.threads is not None and options.threads < 1:
        raise UsageError(f"--threads must be at least 1, got {options.threads}")
    usable = usable_processors()
    torch.set_num_threads(options.threads or min(torch.get_num_threads(), usable))
    keep_freed_memory()
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    plain = None if sys.stdout.isatty() else False  # also in notebooks, which ask for colours without being terminals
    console = Console(quiet=options.quiet, force_jupyter=False, force_terminal=plain)
    found = Runtime(resolve_device(options.device), options.cache_dir or home / "enas", console)
    if found.device.type == "cpu" and hasattr(options, "resume"):  # a long command
        warning = oversubscription(torch.get_num_threads(), usable, busy_elsewhere(), os.cpu_count() or usable)
        if warning:
            found.say(f"warning: {warning}")
    return found
