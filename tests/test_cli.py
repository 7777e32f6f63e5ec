"""What the command line says: help, lists, and one line for each mistake."""

from pathlib import Path

import pytest

from enas.arguments import VERBS
from enas.cli import main
from enas.spaces import names


def help_of(text: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        main([*text.split(), "--help"])
    assert ended.value.code == 0
    return " ".join(capsys.readouterr().out.split())


def refusal(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> str:
    assert main(arguments) == 2
    (line,) = capfd.readouterr().err.strip().splitlines()
    return line.removeprefix("enas: ")


def test_help_lists_every_verb_and_is_a_verb_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for text in VERBS.values():
        assert f"  enas {text}\n" in shown
    assert main(["help"]) == 0
    assert capsys.readouterr().out == shown
    with pytest.raises(SystemExit):
        main(["help", "list"])
    assert "usage: enas list" in capsys.readouterr().out


def test_help_says_what_a_subject_is(capsys: pytest.CaptureFixture[str]) -> None:
    search = help_of("search micro", capsys)
    for name in names():
        assert name in search
    assert "module.attribute or FILE.py" in search
    assert "See above" not in search
    assert "RUN: folder that 'enas search' or 'enas train' made" in help_of("train random:macro", capsys)
    assert "folder that 'enas search' made" in help_of("derive", capsys)
    for verb in ("test", "export"):
        assert "folder that 'enas train' made" in help_of(verb, capsys)


def test_help_without_a_subject_says_whose_flags_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    whose = "These are the flags of macro: 'enas search rnn --help' shows those of rnn."
    assert whose in help_of("search", capsys)
    assert "These are" not in help_of("search rnn", capsys)
    assert "These are the flags for macro: 'enas train published:enas-lm --help'" in help_of("train", capsys)
    study = "'enas compare SPACE --help' shows the flags of a comparison of methods: --seeds, --methods, --table"
    assert study in help_of("compare", capsys)
    assert study in help_of("compare random:macro", capsys)
    table = help_of("search nasbench-macro", capsys)
    assert "'enas search nasbench-macro --reward-table FILE --help' shows the flags of that" in table
    assert "--queries" in help_of("search nasbench-macro --reward-table FILE", capsys)


def test_help_names_places_and_numbers_alike(capsys: pytest.CaptureFixture[str]) -> None:
    shown = help_of("search macro", capsys)
    for words in ("--out DIR", "--cache-dir DIR", "--threads N", "--preset NAME", "--epochs N", "--lr-max X"):
        assert words in shown
    assert "--samples N" in help_of("derive", capsys)


@pytest.mark.parametrize("text", ["draw published:enas-macro", "convert published:enas-macro"])
def test_out_is_another_name_of_output(text: str, tmp_path: Path) -> None:
    for flag in ("-o", "--output", "--out"):
        file = tmp_path / f"{flag}.svg"
        assert main([*text.split(), flag, str(file)]) == 0
        assert file.is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("train marco", "did you mean the space 'macro' (as in 'enas compare macro'), or random:macro?"),
        ("compare marco", "did you mean the space 'macro' (as in 'enas compare macro'), or random:macro?"),
        ("train macro", "macro is a space: search it with 'enas search macro', or name a random one, random:macro"),
        ("train enas-macro", "did you mean published:enas-macro?"),
        ("train enas-marco", "did you mean published:enas-macro?"),
        ("train cnn", "macro (whole networks) or micro (cells)"),
        ("search cnn", "macro (whole networks) or micro (cells)"),
        ("train nothing.json", "cannot read nothing.json"),
        ("compare random:macro --table x", "--table goes with a SPACE ('enas compare macro --table ...'), not with random:"),
        ("compare random:macro --seeds=1", "--seeds goes with a SPACE"),
        ("derive run --samples 0", "--samples must be at least 1, got 0"),
        ("train arc:macro:0 3 0", "numbers with blanks between need quotes: 'arc:macro:0 3 0'"),
        ("draw arc:macro:0 3 0 -o x.svg", "numbers with blanks between need quotes: 'arc:macro:0 3 0'"),
        ("draw arc:macro: 0 3 0 -o x.svg", "numbers with blanks between need quotes: 'arc:macro: 0 3 0'"),
        ("search macro --zzz 3", "unknown flag --zzz: enas search --help lists all flags"),
        ("search macro --lr 3", "unknown flag --lr: enas search --help lists all flags"),
        ("search macro --epoch 3", "did you mean --epochs?"),
    ],
)  # fmt: skip
def test_a_mistake_gets_one_line(
    arguments: str, words: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert words in refusal(arguments.split(), capfd)
