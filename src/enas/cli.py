"""The command line: thin verbs over `enas.commands`. Heavy imports wait until a verb runs, so that help is quick."""

import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from enas import __version__
from enas.arguments import (
    VERBS,
    check_quoted,
    look_ahead,
    parser_of,
    part_settings,
    runtime_of,
    search_settings,
    train_settings,
)
from enas.config import MovieConfig
from enas.errors import EnasError, Interrupted, UsageError
from enas.flags import Parser, add_flags, collect, normalise


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
    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:], "--help"]
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
        "list": _list,
        "demo": _demo,
    }
    verb = arguments[0]
    if verb not in verbs:
        import difflib

        close = difflib.get_close_matches(verb, verbs, 1)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(verbs)}"
        raise UsageError(f"unknown command {verb!r}: {hint}")
    if verb != "convert":  # which joins words by itself
        check_quoted(arguments)
    verbs[verb](arguments[1:])
    return 0


def _search(arguments: list[str]) -> None:
    from enas import commands

    if any(word.partition("=")[0] == "--reward-table" for word in arguments):
        _search_table(arguments)
        return
    settings, place = search_settings(arguments)
    commands.search(settings, place.out, place.runtime, resume=place.resume)


def _search_table(arguments: list[str]) -> None:
    from enas.spaces import load
    from enas.tabular.settings import read_settings
    from enas.tabular.tabular import tabular_search

    subject, known = look_ahead(arguments, "search", "a SPACE")
    space = load(subject or "nasbench-macro")
    if known.resume:
        raise UsageError("a search on a table takes seconds and is not resumed: leave out --resume")
    parser = parser_of("search", positional="SPACE", out=True)
    settings, options = read_settings(parser, arguments, space, known.preset)
    tabular_search(settings, options.out or Path("runs") / f"{space.label}-table", runtime_of(options))


def _derive(arguments: list[str]) -> None:
    parser = parser_of("derive", positional="RUN")
    parser.add_argument("--samples", type=int, metavar="N", help="architectures to sample, and as many uniform ones")
    options = parser.parse_args(arguments)
    from enas import commands

    commands.derive(Path(options.subject), options.samples, runtime_of(options))


def _train(arguments: list[str]) -> None:
    from enas import commands
    from enas.sources import find

    subject, known = look_ahead(arguments, "train", "a RUN, FILE, published:NAME or random:SPACE")
    source = find(subject or "published:enas-macro")
    settings, place = train_settings(arguments, source, known)
    commands.train(settings, source, place.out, place.runtime, resume=place.resume)


def _compare(arguments: list[str]) -> None:
    from enas.compare import compare
    from enas.sources import find
    from enas.spaces import load
    from enas.study import settings as study_settings
    from enas.study.study import study

    subject, known = look_ahead(arguments, "compare", "a RUN or a SPACE")
    if subject is not None and study_settings.is_space(subject):
        parser = parser_of("compare", positional="SPACE", out=True)
        chosen, given = study_settings.read_settings(parser, arguments, subject, known.preset)
        out = known.out or Path("runs") / f"compare-{load(subject).label}"
        study(chosen, out, runtime_of(given), resume=given.resume)
        return
    source = find(subject or "published:enas-macro")
    words = {word.partition("=")[0] for word in arguments}
    strange = next((flag for flag in ("--table", "--table-key", "--seeds", "--methods") if flag in words), None)
    if subject is not None and strange is not None:
        raise UsageError(
            f"{strange} goes with a SPACE ('enas compare {source.space.label} {strange} ...'), not with {subject}"
        )
    out = known.out or (source.run or Path("runs")) / "compare"
    settings, options = part_settings("compare", arguments, source, known, out)
    compare(settings, source, options.random, out, runtime_of(options), resume=options.resume)


def _test(arguments: list[str]) -> None:
    options = parser_of("test", positional="RUN").parse_args(arguments)
    from enas import commands

    commands.test(Path(options.subject), runtime_of(options))


def _draw(arguments: list[str]) -> None:
    parser = parser_of("draw", positional="ARCHITECTURE")
    _add_output(parser, "picture: .svg, .png, .pdf, .gif or .webp")
    add_flags(parser, MovieConfig())
    options = parser.parse_args(arguments)
    from enas import commands

    commands.draw(options.subject, options.output, runtime_of(options), collect(options, MovieConfig()))


def _export(arguments: list[str]) -> None:
    parser = parser_of("export", positional="RUN")
    _add_output(parser, "file to write: .pt2, .onnx or .safetensors")
    options = parser.parse_args(arguments)
    from enas import commands

    commands.export(Path(options.subject), options.output, runtime_of(options))


def _convert(arguments: list[str]) -> None:
    parser = parser_of("convert", positional="SOURCE", more=True)
    _add_output(parser, "file to write")
    parser.add_argument(
        "--from", dest="space", metavar="SPACE", help="SOURCE is what another program wrote for this space"
    )
    parser.add_argument(
        "--to",
        metavar="NOTATION",
        help="architecture, arc (the authors' numbers), dag (rnn: dag.json) or string (of a benchmark)",
    )
    options = parser.parse_args(arguments)
    from enas import commands

    text = " ".join(options.subject)
    commands.convert(text, options.output, runtime_of(options), space=options.space, to=options.to)


def _add_output(parser: Parser, text: str) -> None:
    parser.add_argument("-o", "--output", "--out", type=Path, required=True, metavar="PATH", help=text)


def _list(arguments: list[str]) -> None:
    Parser(prog="enas list", description=VERBS["list"]).parse_args(arguments)
    from enas.listing import listing

    print("\n".join(listing()))


def _demo(arguments: list[str]) -> None:
    options = parser_of("demo", out=True).parse_args(arguments)
    from enas.demo import demo

    demo(options.out or Path("runs") / "demo", runtime_of(options), resume=options.resume)
