"""Settings in config.json: what comes back from it, and what is refused in one line."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from enas.config import TrainConfig
from enas.errors import UsageError
from enas.flags import Parser, add_flags, collect, from_dict

from .kitchen import Settings


def as_json(**changed: Any) -> dict[str, Any]:
    return {**asdict(Settings()), "folder": "kitchen", **changed}


def test_settings_come_back_from_their_json() -> None:
    settings = Settings(cups=1, milk=True, minutes=2, guest=None, degrees=None, list_file=Path("l"))
    data = {**asdict(settings), "folder": "kitchen", "list_file": "l"}
    assert from_dict(Settings, data, "file") == settings


def test_a_whole_number_stands_for_a_float_but_not_the_other_way() -> None:
    found = from_dict(Settings, as_json(sugar_share=2, degrees=3), "file")
    assert (found.sugar_share, found.degrees) == (2.0, 3.0)
    assert type(found.sugar_share) is float
    assert type(found.degrees) is float


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"cups": 1.0}, "file: cups must be a whole number, not 1.0"),
        ({"cups": True}, "file: cups must be a whole number, not True"),
        ({"cups": "1"}, "file: cups must be a whole number, not '1'"),
        ({"cups": None}, "file: cups must be a whole number, not None"),
        ({"sugar_share": True}, "file: sugar_share must be a number, not True"),
        ({"title": 3}, "file: title must be a text, not 3"),
        ({"milk": 1}, "file: milk must be true or false, not 1"),
        ({"milk": "true"}, "file: milk must be true or false, not 'true'"),
        ({"kind": "white"}, "file: kind must be green or black, not 'white'"),
        ({"kind": ["green"]}, "file: kind must be green or black, not ['green']"),
        ({"folder": 3}, "file: folder must be a path, not 3"),
        ({"minutes": "none"}, "file: minutes must be a whole number or none, not 'none'"),
        ({"guest": 3}, "file: guest must be a text or none, not 3"),
        ({"saucers": 3}, "file: 'saucers' is unknown"),
    ],
)
def test_json_of_a_wrong_type_is_refused_in_one_line(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as error:
        from_dict(Settings, as_json(**changed), "file")
    assert str(error.value) == message


def test_json_of_before_a_setting_existed_has_its_default() -> None:
    data = as_json(cups=7)
    del data["plain"], data["minutes"]
    assert from_dict(Settings, data, "file") == from_dict(Settings, as_json(cups=7), "file")


@dataclass(frozen=True)
class Kettle:
    """Kettle."""

    litres: float
    """Litres."""
    whistles: list[str] = field(default_factory=list)
    """Whistles."""


def test_json_without_a_needed_field_or_without_fields_is_refused() -> None:
    assert from_dict(Kettle, {"litres": 2}, "file") == Kettle(2.0)
    with pytest.raises(UsageError, match=r"^file: 'litres' is missing$"):
        from_dict(Kettle, {"whistles": []}, "file")
    with pytest.raises(UsageError, match=r"^file must map settings to values, not \[1\]$"):
        from_dict(Settings, [1], "file")


@dataclass(frozen=True)
class Pot:
    """Pot."""

    size: Literal["small", "large"] | None = None
    """Size."""


def test_a_choice_that_may_be_none_is_read() -> None:
    parser = Parser(prog="enas")
    add_flags(parser, Pot())
    assert collect(parser.parse_args(["--size", "large"]), Pot()) == Pot("large")
    assert from_dict(Pot, {"size": None}, "file") == Pot()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_refused_in_json_as_on_the_command_line(value: float) -> None:
    with pytest.raises(UsageError):
        from_dict(TrainConfig, {**asdict(TrainConfig()), "lr_max": value}, "f")
