"""`enas search SPACE --reward-table FILE` from end to end, on a made-up table; figures of its report."""

import json
import math
from itertools import product
from pathlib import Path

import pytest

from enas.architecture import Architecture
from enas.cli import main
from enas.spaces import load
from enas.tabular.report import Trace, quartiles


def write_table(path: Path) -> None:
    """A table of the whole space in which every layer counts by itself."""
    rows = {}
    for digits in product(range(3), repeat=8):
        value = sum((layer + 2) * (digit == layer % 3) for layer, digit in enumerate(digits))
        rows["".join(map(str, digits))] = {"accuracy": 50.0 + value}
    path.write_text(json.dumps(rows))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "table.json"
    write_table(path)
    return path


def test_a_search_on_a_table_leaves_figures_picture_and_architecture(table: Path, tmp_path: Path) -> None:
    first, again = tmp_path / "first", tmp_path / "again"
    common = ["search", "nasbench-macro", "--reward-table", str(table), "--seeds", "2", "--queries", "120"]
    common += ["--entropy-weight-end", "0"]
    for out in (first, again):
        assert main([*common, "--seed", "3", "--out", str(out)]) == 0
    assert {path.name for path in first.iterdir()} == {
        "tabular.json", "tabular.svg", "tabular.png", "architecture.json",
    }  # fmt: skip
    for name in ("tabular.json", "tabular.svg", "architecture.json"):
        assert (first / name).read_bytes() == (again / name).read_bytes()
    data = json.loads((first / "tabular.json").read_text())
    assert data["architectures"] == 6561
    assert data["settings"]["search"]["entropy_weight_end"] == 0.0
    assert [run["seed"] for run in data["methods"]["random"]["runs"]] == [3, 4]
    assert data["top"]["0.5 %"]["architectures"] >= 33  # 32.805, rounded up
    strings, run = load("nasbench-macro").strings, data["methods"]["reinforce"]["runs"][0]
    assert strings is not None
    assert strings.write(Architecture.load(first / "architecture.json")) == run["architecture"]
    assert len(data["methods"]["evolution"]["best_after"]["median"]) == 120
    assert main([*common, "--out", str(first)]) == 2


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--dataset", "cifar10"], "unknown flag --dataset"),
        (["--epochs", "3"], "unknown flag --epochs"),
        (["--resume"], "leave out --resume"),
        (["--queries", "20000"], "--queries 20000 is more than the 6,561"),
        (["--queries", "0"], "--queries must be at least 1"),
        (["--seeds", "0"], "--seeds must be at least 1"),
        (["--tournament", "30"], "--tournament 30 is more than --population 20"),
        (["--preset", "none"], "has no preset 'none'"),
        (["--table-key", "loss"], "no 'loss' for"),
    ],
)
def test_what_does_not_fit_is_refused(
    table: Path, tmp_path: Path, flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["search", "nasbench-macro", "--reward-table", str(table), *flags, "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_a_missing_table_and_a_space_without_strings_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for space, message in (("nasbench-macro", "cannot read the table"), ("micro", "no string form")):
        assert main(["search", space, "--reward-table", str(tmp_path / "no"), "--out", str(tmp_path / "out")]) == 2
        assert message in capsys.readouterr().err


def test_a_trace_counts_queries_and_draws_a_flat_end() -> None:
    trace = Trace(0, {(0,): 50.0, (1,): 70.0, (2,): 60.0})
    assert trace.best == (1,)
    assert [trace.queries_to(value) for value in (50.0, 60.0, 70.0, 71.0)] == [1, 2, 2, math.inf]
    assert trace.curve(5) == [50, 70, 70, 70, 70]


def test_quartiles_are_medians_of_the_halves() -> None:
    assert quartiles([4.0, 1.0, 3.0, 2.0]) == (1.5, 2.5, 3.5)
    assert quartiles([5.0, 1.0, 4.0, 2.0, 3.0]) == (2, 3, 4)
    assert quartiles([1.0, math.inf, math.inf]) == (math.inf, math.inf, math.inf)
    assert quartiles([7.0]) == (7, 7, 7)
