"""The authors' numbers of micro cells: their published ones."""

import pytest

from enas.architecture import Architecture
from enas.errors import ArchitectureError
from enas.spaces import published
from enas.spaces.micro.reference import read_arc, write_arc

FIXED_ARC = """
0 2 0 0 0 4 0 1 0 4 1 1 1 0 0 1 0 2 1 1
1 0 1 0 0 3 0 2 1 1 3 1 1 0 0 4 0 3 1 1
""".lstrip()
"""The authors' final script."""


def test_the_authors_script_is_the_published_cells() -> None:
    architecture = read_arc(FIXED_ARC)
    assert architecture == published("enas-micro")
    assert architecture.to_json() == published("enas-micro").to_json()
    assert write_arc(architecture) == FIXED_ARC


def test_input_comes_before_operation_left_before_right() -> None:
    choices = read_arc("1 4 0 3  0 0 1 2").choices
    assert choices == {
        "normal.node2.left.input": "normal.input1",
        "normal.node2.left.op": "identity",
        "normal.node2.right.input": "normal.input0",
        "normal.node2.right.op": "max_pool",
        "reduction.node2.left.input": "reduction.input0",
        "reduction.node2.left.op": "sep3x3",
        "reduction.node2.right.input": "reduction.input1",
        "reduction.node2.right.op": "avg_pool",
    }


def test_cells_that_join_all_nodes_have_no_numbers() -> None:
    cells = published("enas-micro")
    with pytest.raises(ArchitectureError, match="join all nodes"):
        write_arc(Architecture("micro", {"nodes": 5, "all_nodes": 1}, cells.choices))


@pytest.mark.parametrize("text", ["", "0 0 0 0", "0 0 0 0 0 0 0 5", "0 0 2 0 0 0 0 0"])
def test_wrong_numbers_are_refused(text: str) -> None:
    with pytest.raises(ArchitectureError, match=r"^script: "):
        read_arc(text, "script")
