"""Rewards from a table: what is refused, what counts as a query."""

import csv
import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from enas.errors import DataError, EnasError, UsageError
from enas.spaces import load
from enas.spaces.nasbench_macro.steps import SIZE
from enas.tabular.queries import FinishedError, Queries, read_rewards

SPACE = load("nasbench-macro")
ALL = {"".join(digits): 10.0 + sum(map(int, digits)) for digits in product("012", repeat=8)}


def read(path: Path, data: object) -> dict[tuple[int, ...], float]:
    path.write_text(json.dumps(data))
    return read_rewards(SPACE, SIZE, path, None)


def test_every_architecture_gets_its_accuracy(tmp_path: Path) -> None:
    values = read(tmp_path / "table.json", {name: {"mean_acc": value, "params": 3} for name, value in ALL.items()})
    assert len(values) == 6561
    assert all(values[tuple(map(int, name))] == value for name, value in ALL.items())


def test_a_table_of_shares_is_read_as_percent(tmp_path: Path) -> None:
    values = read(tmp_path / "table.json", {name: value / 100 for name, value in ALL.items()})
    assert values[(2,) * 8] == pytest.approx(26)


def test_a_csv_file_is_read_too(tmp_path: Path) -> None:
    with (tmp_path / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("architecture", "accuracy"), *ALL.items()])
    assert read_rewards(SPACE, SIZE, tmp_path / "table.csv", None)[(1,) * 8] == 18


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"22222222": None}, "None for '22222222'"),
        ({"22222222": 101.0}, "accuracies lie in 0 to 1, or 0 to 100"),
        ({"22222222": -1.0}, "accuracies lie in 0 to 1, or 0 to 100"),
        ({"22222223": 50.0}, "8 digits from 0 to 2, not '22222223'"),
    ],
)
def test_a_bad_table_gets_one_clear_line(tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path / "table.json", {**ALL, **change})
    assert "\n" not in str(caught.value)
    assert "table.json" in str(caught.value)


def test_a_table_without_some_architectures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="6,560 of the 6,561 architectures of nasbench-macro"):
        read(tmp_path / "table.json", {name: value for name, value in ALL.items() if name != "01201201"})


def test_a_space_without_strings_and_one_scored_downwards_are_refused(tmp_path: Path) -> None:
    (tmp_path / "table.json").write_text(json.dumps(ALL))
    for space, message in ((replace(SPACE, strings=None), "no string form"), (load("rnn"), "string form|perplexity")):
        with pytest.raises(UsageError, match=message):
            read_rewards(space, SIZE, tmp_path / "table.json", None)
    with pytest.raises(UsageError, match="scored by perplexity"):
        read_rewards(replace(load("rnn"), strings=SPACE.strings), SIZE, tmp_path / "table.json", None)


def test_a_query_is_a_distinct_architecture() -> None:
    queries = Queries({(0,): 1.0, (1,): 2.0, (2,): 3.0}, budget=2)
    assert [queries((0,)), queries((0,)), queries((1,)), queries((0,))] == [1, 1, 2, 1]
    with pytest.raises(FinishedError):
        queries((2,))
    assert queries((1,)) == 2
    assert list(queries.asked.items()) == [((0,), 1.0), ((1,), 2.0)]
    assert not issubclass(FinishedError, EnasError)


def test_the_goal_ends_and_is_counted() -> None:
    queries = Queries({(0,): 1.0, (1,): 2.0}, budget=9, goal=2.0)
    assert queries((0,)) == 1
    with pytest.raises(FinishedError):
        queries((1,))
    assert list(queries.asked) == [(0,), (1,)]


def test_nothing_left_to_ask_for_ends_too() -> None:
    queries = Queries({(0,): 1.0, (1,): 2.0}, budget=2)
    assert queries((0,)) == 1
    with pytest.raises(FinishedError):
        queries((1,))
    assert len(queries.asked) == 2
