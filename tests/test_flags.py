"""Flags: what a user may write on the command line, what is refused in one line, and the help."""

import argparse
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pytest

from enas.config import SearchConfig, TrainConfig
from enas.errors import UsageError
from enas.flags import Parser, add_flags, collect, normalise

from .kitchen import Settings, parser


def parse(*arguments: str, defaults: Settings | None = None) -> Settings:
    return collect(parser().parse_args(normalise(arguments)), defaults or Settings())


def refusal(*arguments: str) -> str:
    with pytest.raises(UsageError) as error:
        parse(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_without_flags_the_defaults_stay() -> None:
    assert parse() == Settings()
    assert parse(defaults=Settings(cups=9, milk=True)) == Settings(cups=9, milk=True)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("--cups 7", {"cups": 7}),
        ("--cups=-7", {"cups": -7}),
        ("--sugar-share 1e-3", {"sugar_share": 0.001}),
        ("--sugar_share 2", {"sugar_share": 2.0}),
        ("--sugar_share=0.25", {"sugar_share": 0.25}),
        ("--title none", {"title": "none"}),
        ("--title=a_b=c", {"title": "a_b=c"}),
        ("--kind black", {"kind": "black"}),
        ("--folder some_where/else", {"folder": Path("some_where/else")}),
        ("--minutes 5", {"minutes": 5}),
        ("--degrees 70.5", {"degrees": 70.5}),
        ("--degrees none", {"degrees": None}),
        ("--guest None", {"guest": None}),
        ("--guest NONE", {"guest": None}),
        ("--guest nonesuch", {"guest": "nonesuch"}),
        ("--list-file x", {"list_file": Path("x")}),
        ("--list_file none", {"list_file": None}),
        ("--cups 1 --cups 2", {"cups": 2}),
        ("--cups 1 --minutes 2 --milk --kind black", {"cups": 1, "minutes": 2, "milk": True, "kind": "black"}),
    ],
)
def test_a_flag_sets_its_field_and_no_other(arguments: str, expected: dict[str, Any]) -> None:
    found = asdict(parse(*arguments.split()))
    assert found == {**asdict(Settings()), **expected}
    assert all(type(found[name]) is type(value) for name, value in expected.items())


def test_a_given_none_overrides_a_default_that_is_something() -> None:
    assert parse("--minutes=none", defaults=Settings(minutes=4)).minutes is None


@pytest.mark.parametrize("word", ["true", "True", "TRUE", "yes", "1", "on"])
@pytest.mark.parametrize("form", ["--milk={}", "--milk {}"])
def test_accepted_spellings_of_true(form: str, word: str) -> None:
    assert parse(*form.format(word).split()).milk is True


@pytest.mark.parametrize("word", ["false", "False", "FALSE", "no", "0", "off"])
@pytest.mark.parametrize("form", ["--milk={}", "--milk {}"])
def test_accepted_spellings_of_false(form: str, word: str) -> None:
    assert parse(*form.format(word).split(), defaults=Settings(milk=True)).milk is False


def test_a_bare_flag_is_true_and_its_negation_false() -> None:
    assert parse("--milk").milk is True
    assert parse("--milk", "--cups", "2") == Settings(milk=True, cups=2)
    assert parse("--no-milk", defaults=Settings(milk=True)).milk is False
    assert parse("--no_milk", defaults=Settings(milk=True)).milk is False
    assert parse("--milk", "--no-milk").milk is False


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--cups ten", "--cups expects a whole number, got 'ten'"),
        ("--cups 1.5", "--cups expects a whole number, got '1.5'"),
        ("--cups none", "--cups expects a whole number, got 'none'"),
        ("--cups=", "--cups expects a whole number, got ''"),
        ("--sugar_share much", "--sugar-share expects a number, got 'much'"),
        ("--sugar-share nan", "--sugar-share expects a number, got 'nan'"),
        ("--sugar-share inf", "--sugar-share expects a number, got 'inf'"),
        ("--degrees -inf", "--degrees expects a number or none, got '-inf'"),
        ("--milk maybe", "--milk expects true or false, got 'maybe'"),
        ("--kind white", "--kind expects green or black, got 'white'"),
        ("--kind Green", "--kind expects green or black, got 'Green'"),
        ("--minutes soon", "--minutes expects a whole number or none, got 'soon'"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_expected(arguments: str, message: str) -> None:
    flag, value = arguments.replace("=", " ", 1).split(" ", 1)
    assert refusal(f"{flag}={value}") == message


def test_a_missing_value_is_refused_and_help_is_named() -> None:
    assert refusal("--cups") == "--cups: expected one argument (see enas brew --help)"


def test_unknown_flags_get_a_suggestion() -> None:
    assert refusal("--cupps", "3") == "unknown flag --cupps: did you mean --cups?"
    assert refusal("--sugarshare=3") == "unknown flag --sugarshare: did you mean --sugar-share?"
    assert refusal("--no-mlik") == "unknown flag --no-mlik: did you mean --no-milk?"
    assert refusal("--zzzzzzzz") == "unknown flag --zzzzzzzz: enas brew --help lists all flags"
    assert refusal("-q").startswith("unknown flag -q: ")
    assert refusal("stray") == "unknown argument stray: enas brew --help lists all flags"


def test_abbreviations_are_not_guessed() -> None:
    assert refusal("--cup", "3") == "unknown flag --cup: did you mean --cups?"


def test_normalise_changes_names_of_long_flags_only() -> None:
    words = ["a_b", "--c_d", "--e_f=g_h=i_j", "-k_l", "--m-n", "-"]
    assert normalise(words) == ["a_b", "--c-d", "--e-f=g_h=i_j", "-k_l", "--m-n", "-"]


def test_help_shows_docstring_default_and_heading() -> None:
    text = " ".join(parser().format_help().split())
    assert "Settings of a kitchen:" in text
    assert "More text" not in text
    for sentence in (
        "--cups N Number of cups. (default: 3)",
        "--sugar-share X Share of sugar, 50% as a rule. (default: 0.5)",
        "--title TEXT What is brewed. (default: tea)",
        "--milk [true|false] Whether there is milk. (default: false)",
        "--kind green|black Leaves. (default: green)",
        "--folder PATH Where. (default: kitchen)",
        "--minutes N How long; none: until it is good. (default: none)",
        "--guest TEXT Who comes; none: nobody. (default: you)",
        "--list-file PATH List of guests; none: no list. (default: none)",
        "--plain N (default: 1)",
    ):
        assert sentence in text
    assert "--no-milk" not in text


def test_help_shows_the_defaults_of_the_instance_not_of_the_class() -> None:
    made = argparse.ArgumentParser()
    add_flags(made, Settings(cups=12, minutes=4), title="Tonight")
    text = " ".join(made.format_help().split())
    assert "Tonight:" in text
    assert "Settings of a kitchen" not in text
    assert "(default: 12)" in text
    assert "until it is good. (default: 4)" in text


def test_help_has_a_flag_and_a_sentence_for_each_published_setting() -> None:
    for config in (SearchConfig(), TrainConfig()):
        made = Parser(prog="enas")
        add_flags(made, config)
        text = " ".join(made.format_help().split())
        source = Path(__import__(type(config).__module__, fromlist=["x"]).__file__).read_text()
        for item in fields(config):
            assert f"--{item.name.replace('_', '-')} " in text
            body = source.split(f"class {type(config).__name__}", 1)[1]
            sentence = body.split(f"\n    {item.name}: ", 1)[1].split('"""')[1]
            assert f"{' '.join(sentence.split()).replace('None:', 'none:')} (default: " in text


def test_skipped_fields_have_no_flag() -> None:
    made = Parser(prog="enas")
    add_flags(made, Settings(), skip=("cups", "milk"))
    assert "--cups" not in made.format_help()
    with pytest.raises(UsageError, match="unknown flag --cups"):
        made.parse_args(["--cups", "3"])
    assert collect(made.parse_args(["--minutes", "3"]), Settings(cups=5)) == Settings(cups=5, minutes=3)


def test_collect_ignores_what_belongs_to_other_settings() -> None:
    assert collect(argparse.Namespace(cups=4, saucers=9), Settings()) == Settings(cups=4)


def test_a_dataclass_without_source_has_flags_without_sentences() -> None:
    namespace: dict[str, Any] = {}
    exec("import dataclasses\n@dataclasses.dataclass(frozen=True)\nclass Made:\n    cups: int = 3\n", namespace)
    made = Parser(prog="enas")
    add_flags(made, namespace["Made"]())
    assert "(default: 3)" in made.format_help()
    assert collect(made.parse_args(["--cups", "4"]), namespace["Made"]()).cups == 4


def test_two_groups_with_the_same_fields_are_told_apart_by_a_prefix() -> None:
    made = Parser(prog="enas brew")
    add_flags(made, Settings())
    add_flags(made, Settings(), prefix="guest-")
    words = ["--cups", "5", "--guest-cups=7", "--no-guest-milk", "--guest-guest", "none"]
    options = made.parse_args(normalise(words))
    assert collect(options, Settings()) == Settings(cups=5)
    assert collect(options, Settings(milk=True), prefix="guest-") == Settings(cups=7, guest=None)
