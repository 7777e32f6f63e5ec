"""The command line of a comparison of methods."""

from pathlib import Path

import pytest

from enas.errors import UsageError
from enas.flags import Parser
from enas.study.settings import METHODS, StudySettings, is_space, read_settings


def read(*words: str, space: str = "macro", preset: str | None = "demo") -> StudySettings:
    parser = Parser(prog="enas compare")
    parser.add_argument("subject")
    return read_settings(parser, [space, *words], space, preset)[0]


def test_defaults_are_three_seeds_of_all_methods_with_the_preset_s_recipes() -> None:
    settings = read()
    assert settings.methods == METHODS == ("enas", "shared-random", "random")
    assert settings.seeds == (0, 1, 2)
    assert settings.table is settings.random is None
    assert settings.search.search.probe_samples == 8
    assert settings.search.supernet.layers == 4
    assert settings.train.train.epochs == 15
    assert read("--table", "x.json").search.search.probe_samples == 200
    assert read("--table=x.json", "--probe-samples", "5").search.search.probe_samples == 5


@pytest.mark.parametrize("words", [("--seeds", "3", "5"), ("--seeds", "3,5"), ("--seeds=3,5,3",)])
def test_lists_are_parted_by_blanks_or_commas(words: tuple[str, ...]) -> None:
    assert read(*words).seeds == (3, 5)
    assert read("--methods", "random,enas").methods == ("random", "enas")


def test_flags_of_search_and_training_do_not_mix() -> None:
    words = "--epochs 2 --train-epochs 3 --network-filters 6 --filters 4 --no-train-flip --dataset digits"
    settings = read(*words.split())
    assert settings.search.search.epochs == 2
    assert settings.train.train.epochs == 3
    assert settings.search.supernet.filters == 4
    assert settings.train.network.filters == 6
    assert settings.train.augment.flip is False
    assert settings.search.data == settings.train.data
    assert settings.search.data.dataset == "digits"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--seeds", "x"), "'x' is not a whole number"),
        (("--seeds", "-1"), "must be at least 0"),
        (("--seeds", ","), "--seeds needs one at least"),
        (("--methods", "enas,darts"), "unknown method 'darts': known are enas, shared-random, random"),
        (("--seed", "1"), "unknown flag --seed: did you mean --seeds"),
        (("--random", "0"), "--random must be at least 1, got 0"),
        (("--methods", "random"), "add --random N"),
        (("--table-key", "x"), "add --table FILE"),
        (("--derive-from", "uniform"), "leave it to --methods"),
        (("--train-train-on-valid",), "add --no-train-train-on-valid"),
        (("--max-hours", "1"), "leave out --max-hours"),
        (("--train-max-hours", "0.1"), "leave out --max-hours and --train-max-hours"),
        (("--train-epochs", "0"), "--epochs must be at least 1"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        read(*words)
    assert "\n" not in str(caught.value)


def test_spaces_are_told_from_runs_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.run").mkdir()
    for text, expected in (
        ("macro", True), ("nasbench-macro", True), ("mine.SPACE", True), ("runs/first", False), ("./macro", False),
        ("architecture.json", False), ("my.run", False), ("published:enas-macro", False), ("random:macro:1", False),
    ):  # fmt: skip
        assert is_space(text) == expected, text
