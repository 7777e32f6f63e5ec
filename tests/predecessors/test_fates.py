"""What becomes of every flag of the predecessors: in the document, on the command line, and never in silence."""

import dataclasses
import re
from pathlib import Path
from typing import Any, get_args

import pytest

from enas.config import ControllerConfig, DataConfig, SearchConfig, TrainConfig
from enas.predecessors import authors, enas_pytorch
from enas.predecessors.fates import SPACES, Always, Becomes, Flag, Without
from enas.predecessors.translate import FLAGS, NEW
from enas.spaces import load

from .commands import refusal, translated

DOCUMENT = (Path(__file__).parents[2] / "docs" / "coming-from.md").read_text(encoding="utf-8")


def samples(flag: Flag) -> str:
    """A value of its type."""
    if flag.name == "child_fixed_arc":
        return "0 3 0"
    choices = get_args(flag.hint)
    return choices[0] if choices else {int: "1", float: "1.0", bool: "true", str: "x"}[flag.hint]


@pytest.mark.parametrize("origin", [enas_pytorch.FLAGS, authors.FLAGS, NEW], ids=["enas_pytorch", "authors", "new"])
def test_the_document_lists_every_flag_with_what_became_of_it(origin: tuple[Flag, ...]) -> None:
    rows = [f"| `--{flag.name}` | {flag.text} |" for flag in origin]
    assert "\n".join(rows) + "\n" in DOCUMENT


def test_the_document_lists_no_other_flag() -> None:
    listed = set(re.findall(r"^\| `--(\w+)` \|", DOCUMENT, re.MULTILINE))
    assert listed == set(FLAGS)


def test_new_flags_are_those_of_the_command_line_and_named_in_the_text() -> None:
    for flag in FLAGS.values():
        for target, fate in (flag.fates or {}).items():
            if not isinstance(fate, Becomes):
                continue
            for name in (*fate.flags, *(name for name, _ in fate.also)):
                assert f"`{name}" in flag.text or (name, "cosine") in fate.also, (flag.name, name)
                assert name.removeprefix("--").replace("-", "_") in settings(target), (flag.name, target)


def settings(target: str) -> set[str]:
    """Names of the flags that a command has."""
    verb, _, name = target.partition(" ")
    known = {"device", "threads", "cache_dir"}
    if verb == "derive":
        return known | {"samples"}
    if verb == "test":
        return known
    space = load(name)
    network = space.supernet_config if verb == "search" else space.network_config
    kinds: tuple[Any, ...] = (
        DataConfig,
        network,
        SearchConfig if verb == "search" else TrainConfig,
        space.task.options,
    )
    if verb == "search":
        kinds += (ControllerConfig,)
    return known | {field.name for kind in kinds for field in dataclasses.fields(kind)}


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("name", [name for name, flag in FLAGS.items() if flag.fates is not None])
def test_every_flag_changes_the_command_or_is_said_or_refused(name: str, space: str) -> None:
    """Nothing is ignored in silence, but a value that is had anyhow."""
    flag = FLAGS[name]
    assert flag.fates is not None
    where = "--network_type rnn" if space == "rnn" else f"--search_for {space}"
    extra = "--activation_regularization --temporal_activation_regularization" if name.endswith("_amount") else ""
    before = translated(f"{where} {extra}")
    fate = flag.fates.get(f"search {space}")
    value = samples(flag)
    command = f"{where} {extra} --{name}={value}"
    had_values = [str(one).lower() for one in fate.values] if isinstance(fate, Always) else []
    if isinstance(fate, Always) and value not in had_values and value.removesuffix(".0") not in had_values:
        assert refusal(command).startswith(f"--{name} {value}: ")
        return
    after = translated(command)
    if after.words == before.words and f"--{name}" not in " ".join(after.notes):
        had = fate.values if isinstance(fate, Always) else fate.unless if isinstance(fate, Without) else ()
        usual = {"activation_regularization_amount": "1.0", "temporal_activation_regularization_amount": "1.0"}
        assert value in [str(one).lower() for one in had] or usual.get(name) == value
