"""What a command line says: its flags, read into settings and into where a command works.

Heavy imports wait until a verb runs, so that help is quick.
"""

import argparse
import itertools
import os
import re
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
    "list": "list: spaces with their presets, published architectures, data sets",
    "demo": "demo: all of it on the embedded digits, in a minute or two",
}

SUBJECTS = {
    "SPACE": "macro, micro, rnn, nasbench-macro, nasbench201, module.attribute or FILE.py",
    "ARCHITECTURE": "RUN: folder that 'enas search' or 'enas train' made; FILE: architecture.json or dag.json; "
    "published:NAME; random:SPACE[:SEED]; 'arc:SPACE:NUMBERS'",
    "derive": "folder that 'enas search' made",
    "test": "folder that 'enas train' made, or that of its search",
    "export": "folder that 'enas train' made, or that of its search; or a .safetensors that 'enas export' wrote",
    "convert": "an architecture: RUN, FILE, published:NAME, random:SPACE[:SEED] or 'arc:SPACE:NUMBERS'; with --from, the "
    "numbers or text of another program, or a file that holds them",
}
"""What a verb works on, by its own name or by what its help calls it."""
EPILOGS = {
    "search": "With --reward-table FILE the controller is trained on a table of accuracies, without shared weights: "
    "'enas search nasbench-macro --reward-table FILE --help' shows the flags of that.",
    "compare": "'enas compare SPACE --help' shows the flags of a comparison of methods: --seeds, --methods, --table, ...",
}
"""What else a verb does, at the end of its help."""


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

    subject, known = _space_and_known(arguments)
    if subject == "cnn":
        raise UsageError("unknown space 'cnn': image networks are macro (whole networks) or micro (cells)")
    space = load(subject or "macro")
    out = known.out or Path("runs") / f"{space.label}-{known.preset or space.default_preset}"
    if known.resume and known.preset is None and (out / "config.json").is_file():
        defaults = SearchSettings.from_json(Run.open(out).settings, str(out))
    else:
        defaults = SearchSettings.from_preset(space, known.preset or space.default_preset, DataConfig())
    parser = parser_of("search", positional="SPACE", optional=known.resume, out=True)
    parser.add_argument(
        "--preset", metavar="NAME", help=f"{', '.join(space.presets)} (default: {space.default_preset})"
    )
    shown = "" if subject else "These are the flags of macro: 'enas search rnn --help' shows those of rnn. "
    parser.epilog = shown + EPILOGS["search"]
    parts = ("data", "supernet", "controller", "search", "augment")
    for part in parts:
        add_flags(parser, getattr(defaults, part))
    options = parser.parse_args(arguments)
    if options.subject is not None and load(options.subject).name != space.name:  # as with `--flip micro --resume`
        raise UsageError(f"{out} searches {space.name}, not {options.subject}: give a new search another --out")
    settings = replace(defaults, **{part: collect(options, getattr(defaults, part)) for part in parts})
    return settings, Place(out, options.resume, runtime_of(options))


def _space_and_known(arguments: list[str]) -> tuple[str | None, argparse.Namespace]:
    """The space of a search, and what looking ahead finds; a run that is taken up knows its space by itself."""
    from enas.run import CONFIG, Run

    if _first_free(arguments) is None:  # what is left may be a space, or the value of a flag
        known = _peek("search").parse_known_args(arguments)[0]
        if known.resume and known.out is not None and (known.out / CONFIG).is_file():
            stored = Run.open(known.out).settings.get("space")
            if isinstance(stored, str):
                return stored, known
    return look_ahead(arguments, "search", "a SPACE")


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
    parser.add_argument(
        "--preset", metavar="NAME", help=f"{', '.join(source.space.presets)} (default: that of the search, or cpu)"
    )
    if verb == "compare":
        parser.add_argument(
            "--random", type=int, default=3, metavar="N", help="random architectures to train (default: 3)"
        )
    name = source.space.label
    shown = f"These are the flags for {name}: 'enas {verb} published:enas-lm --help' shows those for recurrent cells. "
    parser.epilog = ("" if known.subject else shown) + EPILOGS.get(verb, "")
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


def parser_of(
    verb: str, *, positional: str | None = None, more: bool = False, optional: bool = False, out: bool = False
) -> Parser:
    """A parser with the flags that all verbs have.

    Args:
        verb: Its name.
        positional: What the help calls the argument; None: there is none.
        more: Whether there may be several of it.
        optional: Whether it may be left out.
        out: Whether the verb makes a run.
    """
    parser = Parser(prog=f"enas {verb}", description=VERBS[verb])
    if positional is not None:
        count = "+" if more else "?" if optional else None
        parser.add_argument("subject", metavar=positional, nargs=count, help=SUBJECTS.get(verb) or SUBJECTS[positional])
    if out:
        parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the run")
        parser.add_argument("--resume", action="store_true", help="go on with the run in this folder")
    parser.add_argument("--device", default="auto", metavar="NAME", help="cpu, cuda or auto (default: auto)")
    parser.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="processor threads (default: one a core, within the quota of a container)",
    )
    parser.add_argument("--quiet", action="store_true", help="show nothing but errors")
    parser.add_argument(
        "--cache-dir", type=Path, metavar="DIR", help="folder of decoded data sets (default: ~/.cache/enas)"
    )
    return parser


def look_ahead(arguments: list[str], verb: str, positional: str) -> tuple[str | None, argparse.Namespace]:
    """Look ahead at the subject and the preset, on which the other flags' defaults depend.

    Raises:
        UsageError: there is no subject.
    """
    free = _first_free(arguments)
    known, _ = _peek(verb).parse_known_args(arguments if free is None else [free, *arguments])
    if known.subject is None and not {"-h", "--help"} & set(arguments):
        raise UsageError(f"enas {verb} needs {positional}: see enas {verb} --help")
    return known.subject, known


def _peek(verb: str) -> Parser:
    """A parser of what the defaults of other flags depend on."""
    peek = Parser(prog=f"enas {verb}", add_help=False)
    peek.add_argument("subject", nargs="?")
    peek.add_argument("--preset")
    peek.add_argument("--out", type=Path)
    peek.add_argument("--resume", action="store_true")
    return peek


def _first_free(arguments: list[str]) -> str | None:
    """The first word that follows no flag: a word after a flag may be that flag's value."""
    for before, word in pairwise(["", *arguments]):
        if not word.startswith("-") and not before.startswith("-"):
            return word
    return None


def check_quoted(arguments: list[str]) -> None:
    """Refuse numbers of `arc:SPACE:NUMBERS` that the shell has parted.

    Raises:
        UsageError: says to quote them.
    """
    for index, (word, after) in enumerate(pairwise(arguments)):
        if re.fullmatch(r"arc:[^:]+:[\d\s]*", word) and after.isdigit():
            numbers = itertools.takewhile(str.isdigit, arguments[index + 1 :])
            raise UsageError(f"numbers with blanks between need quotes: '{' '.join([word, *numbers])}'")


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
