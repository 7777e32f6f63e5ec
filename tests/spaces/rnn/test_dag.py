"""`dag.json` of the predecessor: the published one, round trips, and what is said of damaged ones."""

import json
from pathlib import Path
from typing import Any

import pytest

from enas.architecture import Architecture
from enas.cli import main
from enas.errors import ArchitectureError
from enas.spaces import published
from enas.spaces.rnn.dag import is_dag, read_dag, write_dag
from enas.spaces.rnn.wiring import cell_of

SMALL: dict[str, Any] = {
    "-1": [[0, "tanh"]],
    "-2": [[0, "tanh"]],
    "0": [[1, "ReLU"], [2, "sigmoid"]],
    "1": [[3, "avg"]],
    "2": [[3, "avg"]],
    "3": [[4, "h[t]"]],
}


def test_a_dag_becomes_a_cell_and_back() -> None:
    architecture = read_dag(json.dumps(SMALL))
    assert architecture == Architecture(
        "rnn",
        {"nodes": 3, "tanh_first": 0},
        {"node0.op": "tanh", "node1.input": "node0", "node1.op": "relu", "node2.input": "node0", "node2.op": "sigmoid"},
    )
    assert json.loads(write_dag(architecture)) == SMALL


@pytest.mark.parametrize("name", ["enas-rnn", "enas-lm", "darts-rnn"])
def test_published_cells_go_there_and_back(name: str) -> None:
    cell = cell_of(published(name))
    assert cell_of(read_dag(write_dag(published(name)))) == cell


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"0": [[2, "ReLU"]]}, "without a gap"),
        ({"0": [[1, "ReLU"], [2, "swish"]]}, "is not a pair of a node and an activation"),
        ({"0": [[1, "ReLU"], ["2", "tanh"]]}, "is not a pair"),
        ({"0": 7}, "'0' must be a number with a list"),
        ({"zero": []}, "'zero' must be a number"),
        ({"1": [[2, "tanh"]]}, "node 2 has two predecessors"),
        ({"2": [[1, "tanh"]]}, "node 1 reads node 2"),
        ({"-2": [[0, "ReLU"]]}, "node 0 has two activations"),
    ],
)
def test_damaged_dags_get_one_line(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ArchitectureError) as error:
        read_dag(json.dumps(SMALL | change), "my/dag.json")
    assert words in str(error.value)
    assert str(error.value).startswith("my/dag.json")
    assert "\n" not in str(error.value)


def test_only_a_dag_looks_like_one() -> None:
    assert is_dag(json.dumps(SMALL))
    assert not is_dag(published("enas-rnn").to_json())
    assert not is_dag("{")
    for text in ("{", "[]"):
        with pytest.raises(ArchitectureError):
            read_dag(text)
    for name in ("enas-macro", "lstm"):
        with pytest.raises(ArchitectureError, match="a cell of the space rnn only"):
            write_dag(published(name))


def test_the_command_converts_both_ways(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "dag.json").write_text(json.dumps(SMALL))
    assert main(["convert", str(tmp_path / "dag.json"), "-o", str(tmp_path / "a.json")]) == 0
    assert main(["convert", str(tmp_path / "a.json"), "-o", str(tmp_path / "again.json")]) == 0
    assert json.loads((tmp_path / "again.json").read_text()) == SMALL
    assert main(["convert", "published:enas-macro", "--to", "dag", "-o", str(tmp_path / "b.json")]) == 2
    assert main(["convert", str(tmp_path / "none.json"), "-o", str(tmp_path / "b.json")]) == 2
    assert len(capfd.readouterr().err.strip().splitlines()) == 2
    assert not (tmp_path / "b.json").exists()
