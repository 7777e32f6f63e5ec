"""Settings of a comparison of methods."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from enas.bounds import check
from enas.config import DataConfig
from enas.errors import UsageError
from enas.flags import Parser, add_flags, collect
from enas.search.setup import SearchSettings
from enas.space import Space, file_and_attribute
from enas.spaces import load, names
from enas.train.setup import TrainSettings

METHODS: Final = ("enas", "shared-random", "random")
"""ENAS; random search with weight sharing (Li and Talwalkar 2019); architectures drawn by chance and trained."""
WITH_TABLE, WITH_TRAINING = 200, 8
"""Architectures of each kind whose rank correlation is measured, where looking up is free and where each must be trained."""


@dataclass(frozen=True)
class StudySettings:
    """What is compared, and how."""

    search: SearchSettings
    """Of every search; each method and seed changes it as `methods.search_settings` says."""
    train: TrainSettings
    """Of every training from scratch."""
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    table: Path | None
    """Where true figures are looked up; None: each architecture is trained."""
    table_key: str | None
    random: int | None
    """Architectures among which plain random search chooses; None: as many as can be trained in the seconds of a search."""


def is_space(text: str) -> bool:
    """Whether the subject of `enas compare` names a space rather than an architecture or a run."""
    dotted = "." in text and all(part.isidentifier() for part in text.split(".")) and not text.endswith(".json")
    return text in names() or file_and_attribute(text) is not None or (dotted and not Path(text).exists())


def read_settings(
    parser: Parser, arguments: Sequence[str], space_name: str, preset: str | None
) -> tuple[StudySettings, argparse.Namespace]:
    """Add the flags of a comparison of methods to a parser, and read them.

    Raises:
        UsageError: a flag is unknown or has a wrong value, or settings contradict each other.
    """
    space = load(space_name)
    _add_own_flags(parser, space)
    search = SearchSettings.from_preset(space, preset or space.default_preset, DataConfig())
    train = TrainSettings.from_preset(space, preset or space.default_preset, DataConfig())
    given = "--table" in arguments or any(word.startswith("--table=") for word in arguments)
    probes = WITH_TABLE if given else WITH_TRAINING
    search = replace(search, search=replace(search.search, probe_samples=probes))
    parts = ("data", "supernet", "controller", "search", "augment")
    for part in parts:
        add_flags(parser, getattr(search, part), skip=("seed",) if part == "search" else ())
    trained = {"network": "network-", "train": "train-", "augment": "train-"}
    for part, prefix in trained.items():
        add_flags(parser, getattr(train, part), prefix=prefix, title=f"Training from scratch: {part}")
    options = parser.parse_args(arguments)
    search = replace(search, **{part: collect(options, getattr(search, part)) for part in parts})
    collected = {part: collect(options, getattr(train, part), prefix=prefix) for part, prefix in trained.items()}
    train = replace(train, data=search.data, **collected)
    settings = StudySettings(
        search, train, options.methods, options.seeds, options.table, options.table_key, options.random
    )
    check_settings(settings)
    return settings, options


def check_settings(settings: StudySettings) -> None:
    """Refuse settings that contradict each other.

    Raises:
        UsageError: names the flag, and says what to do.
    """
    for part in (settings.search.search, settings.train.train):
        check(part)
    if settings.random is not None and settings.random < 1:
        raise UsageError(f"--random must be at least 1, got {settings.random}")
    if settings.search.search.max_hours is not None or settings.train.train.max_hours is not None:
        raise UsageError("a comparison at equal budget needs whole runs: leave out --max-hours and --train-max-hours")
    if settings.methods == ("random",) and settings.random is None:
        raise UsageError("--methods random alone has no search whose seconds it could spend: add --random N")
    if settings.table_key is not None and settings.table is None:
        raise UsageError("--table-key names a figure of a table: add --table FILE")
    if "enas" in settings.methods and settings.search.search.derive_from != "policy":
        raise UsageError("--derive-from uniform is the method shared-random: leave it to --methods")
    if settings.table is None and settings.train.train.train_on_valid and "random" in settings.methods:
        raise UsageError("plain random search chooses by validation figures: add --no-train-train-on-valid")


def _add_own_flags(parser: Parser, space: Space) -> None:
    parser.add_argument(
        "--preset", metavar="NAME", help=f"{', '.join(space.presets)} (default: {space.default_preset})"
    )
    seeds, methods = _each(int, "a whole number"), _each(str, "a name")
    parser.add_argument(
        "--seeds", nargs="+", action=_Joined, type=seeds, default=(0, 1, 2), metavar="N",
        help="of the searches (default: 0 1 2)",
    )  # fmt: skip
    parser.add_argument(
        "--methods", nargs="+", action=_Joined, type=methods, default=METHODS, choices_of=METHODS, metavar="NAME",
        help=f"what to compare (default: {','.join(METHODS)})",
    )  # fmt: skip
    parser.add_argument(
        "--table", type=Path, metavar="FILE", help="true figures, JSON or CSV (default: each architecture is trained)"
    )
    parser.add_argument(
        "--table-key", metavar="NAME", help="field or column of the table (default: accuracy, mean_acc or the only one)"
    )
    parser.add_argument(
        "--random", type=int, metavar="N",
        help="trainings of plain random search (default: what a search's seconds pay for)",
    )  # fmt: skip


def _each(kind: Callable[[str], object], what: str) -> Callable[[str], tuple[object, ...]]:
    def read(text: str) -> tuple[object, ...]:
        try:
            return tuple(kind(word) for word in text.split(",") if word)
        except ValueError:
            raise UsageError(f"{text!r} is not {what}, or some with commas between") from None

    return read


class _Joined(argparse.Action):
    """Joins words and comma-separated words into one tuple without doubles."""

    def __init__(self, *args: object, choices_of: Sequence[str] = (), **settings: object) -> None:
        super().__init__(*args, **settings)  # type: ignore[arg-type]  # argparse's own
        self.choices_of = choices_of

    def __call__(self, parser: object, namespace: argparse.Namespace, values: object, option: object = None) -> None:
        assert isinstance(values, list)
        joined = tuple(dict.fromkeys(word for value in values for word in value))
        for word in joined:
            if self.choices_of and word not in self.choices_of:
                raise UsageError(f"unknown method {word!r}: known are {', '.join(self.choices_of)}")
            if isinstance(word, int) and not 0 <= word <= 2**62:
                raise UsageError(f"--seeds must be at least 0, got {word}")
        if not joined:
            raise UsageError(f"--{self.dest} needs one at least")
        setattr(namespace, self.dest, joined)
