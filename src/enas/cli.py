"""The command line: thin verbs over `enas.commands`. Heavy imports wait until a verb runs, so that help is quick."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from enas import __version__
from enas.config import DataConfig
from enas.errors import EnasError, Interrupted, UsageError
from enas.flags import Parser, add_flags, collect, normalise

if TYPE_CHECKING:
    from enas.runtime import Runtime
    from enas.sources import Source
    from enas.train.setup import TrainSettings

VERBS = {
    "search": "search SPACE: train shared weights and controller in turns, derive an architecture",
    "derive": "derive RUN: sample and rank again from a finished or interrupted search",
    "train": "train RUN|FILE|published:NAME|random:SPACE[:SEED]: one architecture from scratch",
    "test": "test RUN: accuracy or perplexity of a trained network on the test split",
    "draw": "draw RUN|FILE|published:NAME -o FILE.svg|png|pdf: a picture of an architecture",
    "export": "export RUN -o FILE.pt2|onnx|safetensors: the trained network for use elsewhere",
    "convert": "convert FILE -o FILE: a cell from the dag.json of ENAS-pytorch to architecture.json, or back",
    "compare": "compare RUN: train the found and some random architectures alike",
    "demo": "demo: all of it on the embedded digits, in a minute or two",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, 2 for bad input, 130 for an interruption."""
    arguments = normalise(sys.argv[1:] if argv is None else argv)
    logging.basicConfig(format="enas: %(message)s", level=logging.WARNING)
    try:
        return _run(arguments)
    except Interrupted as error:
        print(f"enas: {error}", file=sys.stderr)
        return 130
    except EnasError as error:
        print(f"enas: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("enas: stopped", file=sys.stderr)
        return 130


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        lines = "\n".join(f"  enas {text}" for text in VERBS.values())
        print(f"Efficient neural architecture search.\n\n{lines}\n\nenas VERB --help lists the flags of a verb.")
        return 0
    if arguments[0] == "--version":
        print(f"enas {__version__}")
        return 0
    verbs: dict[str, Callable[[list[str]], None]] = {
        "search": _search,
        "derive": _derive,
        "train": _train,
        "test": _test,
        "draw": _draw,
        "export": _export,
        "convert": _convert,
        "compare": _compare,
        "demo": _demo,
    }
    verb = arguments[0]
    if verb not in verbs:
        import difflib

        close = difflib.get_close_matches(verb, verbs, 1)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(verbs)}"
        raise UsageError(f"unknown command {verb!r}: {hint}")
    verbs[verb](arguments[1:])
    return 0


def _parser(verb: str, *, positional: str | None = None, out: bool = False) -> Parser:
    parser = Parser(prog=f"enas {verb}", description=VERBS[verb])
    if positional is not None:
        parser.add_argument("subject", metavar=positional, help=f"{positional} (see above)")
    if out:
        parser.add_argument("--out", type=Path, help="folder of the run")
        parser.add_argument("--resume", action="store_true", help="go on with the run in this folder")
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto (default: auto)")
    parser.add_argument("--threads", type=int, help="processor threads (default: one a core)")
    parser.add_argument("--cache-dir", type=Path, help="folder of decoded data sets (default: ~/.cache/enas)")
    return parser


def _first(arguments: list[str], verb: str, positional: str) -> tuple[str | None, argparse.Namespace]:
    """Look ahead at the subject and the preset, on which the other flags' defaults depend."""
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


def _runtime(options: argparse.Namespace) -> "Runtime":
    import torch
    from rich.console import Console

    from enas.runtime import Runtime, keep_freed_memory, resolve_device

    if options.threads is not None:
        if options.threads < 1:
            raise UsageError(f"--threads must be at least 1, got {options.threads}")
        torch.set_num_threads(options.threads)
    keep_freed_memory()
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Runtime(resolve_device(options.device), options.cache_dir or home / "enas", Console())


def _search(arguments: list[str]) -> None:
    from enas import commands
    from enas.run import Run
    from enas.search.setup import SearchSettings
    from enas.spaces import load

    subject, known = _first(arguments, "search", "a SPACE")
    space = load(subject or "macro")
    out = known.out or Path("runs") / f"{space.label}-{known.preset or space.default_preset}"
    if known.resume and known.preset is None and (out / "config.json").is_file():
        defaults = SearchSettings.from_json(Run.open(out).settings, str(out))
    else:
        defaults = SearchSettings.from_preset(space, known.preset or space.default_preset, DataConfig())
    parser = _parser("search", positional="SPACE", out=True)
    parser.add_argument("--preset", help=f"{', '.join(space.presets)} (default: {space.default_preset})")
    parts = ("data", "supernet", "controller", "search", "augment")
    for part in parts:
        add_flags(parser, getattr(defaults, part))
    options = parser.parse_args(arguments)
    settings = replace(defaults, **{part: collect(options, getattr(defaults, part)) for part in parts})
    commands.search(settings, out, _runtime(options), resume=options.resume)


def _derive(arguments: list[str]) -> None:
    parser = _parser("derive", positional="RUN")
    parser.add_argument("--samples", type=int, help="architectures to sample, and as many uniform ones")
    options = parser.parse_args(arguments)
    from enas import commands

    commands.derive(Path(options.subject), options.samples, _runtime(options))


def _train(arguments: list[str]) -> None:
    from enas import commands
    from enas.sources import find

    subject, known = _first(arguments, "train", "a RUN, FILE, published:NAME or random:SPACE")
    source = find(subject or "published:enas-macro")
    out = known.out or (source.run / "train" if source.run else Path("runs") / "train")
    settings, options = _train_settings("train", arguments, source, known, out)
    commands.train(settings, source, out, _runtime(options), resume=options.resume)


def _compare(arguments: list[str]) -> None:
    from enas.compare import compare
    from enas.sources import find

    subject, known = _first(arguments, "compare", "a RUN")
    source = find(subject or "published:enas-macro")
    out = known.out or (source.run or Path("runs")) / "compare"
    settings, options = _train_settings("compare", arguments, source, known, out)
    compare(settings, source, options.random, out, _runtime(options), resume=options.resume)


def _train_settings(
    verb: str, arguments: list[str], source: "Source", known: argparse.Namespace, out: Path
) -> "tuple[TrainSettings, argparse.Namespace]":
    from enas.run import Run
    from enas.train.setup import TrainSettings

    if known.resume and known.preset is None and (out / "config.json").is_file():
        defaults = TrainSettings.from_json(Run.open(out).settings, str(out))
    else:
        defaults = TrainSettings.from_preset(source.space, known.preset or source.preset, source.data)
    parser = _parser(verb, positional="ARCHITECTURE", out=True)
    parser.add_argument("--preset", help=f"{', '.join(source.space.presets)} (default: that of the search, or cpu)")
    if verb == "compare":
        parser.add_argument("--random", type=int, default=3, help="random architectures to train (default: 3)")
    parts = ("data", "network", "train", "augment")
    for part in parts:
        add_flags(parser, getattr(defaults, part))
    options = parser.parse_args(arguments)
    return replace(defaults, **{part: collect(options, getattr(defaults, part)) for part in parts}), options


def _test(arguments: list[str]) -> None:
    options = _parser("test", positional="RUN").parse_args(arguments)
    from enas import commands

    commands.test(Path(options.subject), _runtime(options))


def _draw(arguments: list[str]) -> None:
    parser = _parser("draw", positional="ARCHITECTURE")
    parser.add_argument("-o", "--output", type=Path, required=True, help="picture to write: .svg, .png or .pdf")
    options = parser.parse_args(arguments)
    from enas import commands

    commands.draw(options.subject, options.output, _runtime(options))


def _export(arguments: list[str]) -> None:
    parser = _parser("export", positional="RUN")
    parser.add_argument("-o", "--output", type=Path, required=True, help="file to write: .pt2, .onnx or .safetensors")
    options = parser.parse_args(arguments)
    from enas import commands

    commands.export(Path(options.subject), options.output, _runtime(options))


def _convert(arguments: list[str]) -> None:
    parser = _parser("convert", positional="FILE")
    parser.add_argument("-o", "--output", type=Path, required=True, help="file to write")
    options = parser.parse_args(arguments)
    from enas import commands

    commands.convert(options.subject, options.output, _runtime(options))


def _demo(arguments: list[str]) -> None:
    options = _parser("demo", out=True).parse_args(arguments)
    from enas.demo import demo

    demo(options.out or Path("runs") / "demo", _runtime(options), resume=options.resume)
