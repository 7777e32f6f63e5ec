"""The authors' numbers of recurrent cells: those of both their codes."""

import pytest

from enas.errors import ArchitectureError
from enas.spaces import published
from enas.spaces.rnn.reference import read_arc, write_arc

ARCS = {
    "enas-ptb": "0 0 0 1 1 2 1 2 0 2 0 5 1 1 0 6 1 8 1 8 1 8 1\n",  # first code, final script
    "enas-rnn": "0 0 0 1 1 2 1 2 0 2 0 5 1 1 0 6 1 8 1 8 1 8 1\n",
    "enas-lm": "0 2 1 0 2 1 2 2 4 0 5 0 3 2 6 2\n",  # corrected language model
}


@pytest.mark.parametrize("name", list(ARCS))
def test_the_authors_numbers_are_the_published_cells(name: str) -> None:
    assert read_arc(ARCS[name]) == published(name)
    assert write_arc(published(name)) == ARCS[name]


def test_the_two_codes_swap_sigmoid_and_identity() -> None:
    assert read_arc("0 0 2 1 3").choices["node1.op"] == "identity"
    assert read_arc("0 0 2 1 3").choices["node2.op"] == "sigmoid"
    assert read_arc("0 2 1 3").choices["node1.op"] == "sigmoid"
    assert read_arc("0 2 1 3").choices["node2.op"] == "identity"


@pytest.mark.parametrize("text", ["", "0", "4 0 0", "0 1 0", "0 4", "1 0"])
def test_wrong_numbers_are_refused(text: str) -> None:
    with pytest.raises(ArchitectureError, match=r"^script: "):
        read_arc(text, "script")
