"""A predecessor's command line becomes one of ours, word by word; nothing is read but folders' names."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from enas.errors import UsageError
from enas.flags import Parser, add_flag
from enas.notation import are_numbers, read_numbers
from enas.predecessors import authors, enas_pytorch
from enas.predecessors.fates import SPACES, Flag, Words

NEW = (
    Flag("preset", str, "settings that are not given: cpu, demo, paper, ... (default: paper)", None),
    Flag("resume", bool, "go on with the run in `--output_dir` or `--load_path`", None),
    Flag("device", str, "`--device`: cpu, cuda or auto", None),
    Flag("threads", int, "`--threads`: processor threads", None),
    Flag("cache_dir", str, "`--cache-dir`: folder of decoded data sets", None),
)
"""What this program adds to both of them."""
FLAGS = {flag.name: flag for flag in (*enas_pytorch.FLAGS, *authors.FLAGS, *NEW)}
_ALIASES = {"cifar": ("cifar", "cifar10"), "cifar10": ("cifar10", "cifar")}
"""Folders by which a data set may go."""
_AMOUNTS = {"activation_regularization": 2.0, "temporal_activation_regularization": 1.0}
"""Switches of penalties and their amounts in ENAS-pytorch."""


@dataclass(frozen=True)
class Translation:
    """A command of this program that does what a predecessor's command says."""

    words: tuple[str, ...]
    """What stands after `enas`."""
    notes: tuple[str, ...]
    """What the user is told first: flags without effect, and where data comes from."""
    set_aside: Path | None = None
    """The folder of a run that is to be renamed first."""


def parser() -> Parser:
    """All flags, with what became of them as their help."""
    made = Parser(
        prog="main.py",
        description="The commands of carpedm20/ENAS-pytorch and melodyguan/enas; docs/coming-from.md has more.",
    )
    groups = {"ENAS-pytorch": enas_pytorch.FLAGS, "melodyguan/enas": authors.FLAGS, "new": NEW}
    known: set[str] = set()
    for title, flags in groups.items():
        group = made.add_argument_group(title)
        for flag in flags:
            if flag.name not in known:
                add_flag(group, f"--{flag.name}", flag.hint, flag.text)
            known.add(flag.name)
    return made


def translate(arguments: Sequence[str], *, now: str) -> Translation:
    """The command that does what a predecessor's command line says.

    Args:
        arguments: What stands after `main.py`.
        now: Time, for the name of a new run.

    Raises:
        UsageError: a flag is unknown, or cannot be had any more.
    """
    given = parser().parse_args([_normalised(word) for word in arguments])
    return _Translator(given, now).translation()


def _normalised(word: str) -> str:
    """Write a flag with underscores, and --nosomething as the authors' scripts mean it."""
    if not word.startswith("--"):
        return word
    name, equals, value = word[2:].partition("=")
    name = name.replace("-", "_")
    negated = FLAGS.get(name.removeprefix("no").removeprefix("_"))
    if name not in FLAGS and not equals and name.startswith("no") and negated is not None and negated.hint is bool:
        return f"--{negated.name}=false"
    return f"--{name}{equals}{value}"


class _Translator:
    """One command line on its way."""

    def __init__(self, given: argparse.Namespace, now: str) -> None:
        self.given, self.now = vars(given), now
        self.mode = self.given.get("mode", "train")
        self.arc: str | None = self.given.get("child_fixed_arc") or None
        self.space = self._space()
        verb = {"train": "search", "single": "train"}.get(self.mode, self.mode)
        self.verb = "train" if self.arc and verb == "search" else verb
        self.words = Words(self.verb if self.verb in ("derive", "test") else f"{self.verb} {self.space}")
        self.notes: list[str] = []
        self.set_aside: Path | None = None

    def translation(self) -> Translation:
        subject = self._subject()
        self._penalties()
        self._controller()
        self._arc()
        if self.verb in ("search", "train"):
            self._preset(subject)
            self._dataset(subject)
            self._out(subject)
        else:
            for name in (
                "preset",
                "resume",
                "dataset",
                "data_path",
                "output_dir",
                "reset_output_dir",
                "child_fixed_arc",
            ):
                if self.given.get(name):
                    self.words.note(f"it does not concern enas {self.verb}", name)
        for name, value in self.given.items():
            self.words.take(FLAGS[name], value)
        for name in ("device", "threads", "cache_dir"):
            if name in self.given:
                self.words.set(f"--{name.replace('_', '-')}", str(self.given[name]), name)
        flags = [word for flag, value in self.words.flags.items() for word in ((flag, value) if value else (flag,))]
        notes = [f"no effect, since {reason}: {', '.join(names)}" for reason, names in self.words.notes.items()]
        return Translation((self.verb, subject, *flags), (*self.notes, *notes), self.set_aside)

    def _space(self) -> str:
        kind, search_for = self.given.get("network_type"), self.given.get("search_for")
        if kind == "rnn" and search_for:
            raise UsageError(
                f"--network_type rnn and --search_for {search_for} contradict each other: give one of them"
            )
        return search_for or {"cnn": "macro", "rnn": "rnn"}.get(kind or "") or self._space_of_source() or "rnn"

    def _space_of_source(self) -> str | None:
        """The space of the file or run that is given; None: none is given, or it does not say."""
        places = [Path(self.given["dag_path"])] if self.given.get("dag_path") else []
        if not places and self.given.get("load_path"):
            places = list(self._run_places(self.given.get("dataset", "ptb")))
        files = [file for place in places for file in (place, place / "architecture.json", place / "config.json")]
        for file in files:
            try:
                content = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
            except (ValueError, OSError, RecursionError):
                continue  # whoever reads it says what is wrong with it
            if isinstance(content, dict) and content.get("space") in SPACES:
                return str(content["space"])
        return None

    def _subject(self) -> str:
        """The space to search, the architecture to train, or the run to look at."""
        if self.verb == "search":
            if self.given.get("dag_path"):
                self.words.note("a search samples its own architectures (--mode single trains one)", "dag_path")
            return self.space
        if self.verb == "train":
            if self.arc and (self.mode == "train" or not self.given.get("dag_path")):
                return f"arc:{self.space}:{self.arc}"
            if self.given.get("dag_path"):
                for name in ("load_path", "child_fixed_arc"):
                    if self.given.get(name):
                        self.words.note("--dag_path says what is trained", name)
                return str(self.given["dag_path"])
            if not self.given.get("load_path"):
                raise UsageError("--mode single needs --dag_path: a dag.json, an architecture.json or a run")
        if not self.given.get("load_path"):
            raise UsageError(f"--mode {self.mode} needs --load_path: the folder of a run")
        return str(self._run())

    def _run(self) -> Path:
        """The folder that --load_path means, which may leave out the folder of logs and the name of the data set."""
        for place in self._run_places(self._dataset_name()):
            if place.is_dir():
                return place
        logs = self.given.get("log_dir", "logs")
        raise UsageError(f"--load_path {self.given['load_path']}: there is no such folder, nor one in {logs}")

    def _run_places(self, dataset: str) -> tuple[Path, ...]:
        text, logs = self.given["load_path"], Path(self.given.get("log_dir", "logs"))
        return Path(text), logs / text, logs / f"{dataset}_{text}"

    def _penalties(self) -> None:
        for switch, usual in _AMOUNTS.items():
            amount = f"{switch}_amount"
            if self.given.get(switch):
                self.given.setdefault(amount, usual)
            elif amount in self.given:
                self.words.note(f"--{switch} is not on", amount)
                del self.given[amount]

    def _controller(self) -> None:
        """--controller_training, which the authors' scripts turn off to train one architecture."""
        training = self.given.get("controller_training")
        if training is False and self.verb == "search":
            self.words.set("--controller-steps", "0", "controller_training")
        if training and self.arc and self.verb == "train":
            raise UsageError("--controller_training and --child_fixed_arc contradict each other: give one of them")
        if training and self.verb in ("derive", "test"):
            self.words.note(f"it does not concern enas {self.verb}", "controller_training")

    def _arc(self) -> None:
        """Sizes that --child_fixed_arc says already must be those that are given besides."""
        if self.verb != "train" or not self.arc:
            return
        if not are_numbers(self.arc):
            raise UsageError(f"--child_fixed_arc needs whole numbers, as in '0 3 0 0 1 0', not {self.arc!r}")
        name, size = "child_num_layers", self.given.get("child_num_layers", 0)
        needed = size * (size + 1) // 2
        if self.space == "micro":
            name, size = "child_num_cells", self.given.get("child_num_cells", 0)
            needed = 8 * size
        count = len(read_numbers(self.arc, "--child_fixed_arc"))
        if size:
            if needed != count:
                raise UsageError(f"--{name} {size} needs {needed} numbers, and --child_fixed_arc has {count}")
            del self.given[name]

    def _preset(self, subject: str) -> None:
        """What is not given is that of the paper, unless the run knows better."""
        goes_on = (self.verb == "search" and self.given.get("load_path")) or Path(subject).is_dir()
        if "preset" in self.given or not goes_on:
            self.words.set("--preset", self.given.get("preset", "paper"), "preset")

    def _dataset(self, subject: str) -> None:
        folder, name = self.given.get("data_path"), self.given.get("dataset")
        if folder and name:
            raise UsageError("--dataset and --data_path both name the data: give one of them")
        if folder:
            place = Path(folder)
            if place.is_dir():
                self.words.set("--dataset", folder, "data_path")
            else:
                self.notes.append(f"there is no folder {folder}: taking the data set {place.name} (--data_path)")
                self.words.set("--dataset", place.name, "data_path")
        elif name or not (Path(subject).is_dir() or (self.verb == "search" and self.given.get("load_path"))):
            self.words.set("--dataset", self._found(self._dataset_name()), "dataset")

    def _found(self, name: str) -> str:
        """The folder of a data set under --data_dir, or its name as it is."""
        places = [Path(self.given.get("data_dir", "data")) / known for known in _ALIASES.get(name, (name,))]
        for place in places:
            if place.is_dir():
                return str(place)
        if not Path(name).is_dir():
            self.notes.append(f"there is no folder {places[0]}: taking the data set {name} (--data_dir)")
        return name

    def _dataset_name(self) -> str:
        return self.given.get("dataset") or ("ptb" if self.space == "rnn" else "cifar10")

    def _out(self, subject: str) -> None:
        """The folder of the run, and whether it is gone on with."""
        resume = bool(self.given.get("resume"))
        place = self.given.get("output_dir")
        if place:
            there = (Path(place) / "config.json").is_file()
            if there and self.given.get("reset_output_dir"):
                self.set_aside = Path(place)
            if resume and self.set_aside:
                raise UsageError("--resume and --reset_output_dir contradict each other: give one of them")
            resume = resume or (there and self.set_aside is None)
        elif self.given.get("load_path") and self.verb == "search":
            place, resume = str(self._run()), True
        elif not Path(subject).is_dir():
            name = Path(self._dataset_name()).name
            place = str(Path(self.given.get("log_dir", "logs")) / f"{name}_{self.now}")
        if place:
            self.words.set("--out", place, "output_dir")
        if resume:
            self.words.flags["--resume"] = ""
