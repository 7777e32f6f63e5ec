"""The authors' numbers of a macro network: their published one."""

import pytest

from enas.architecture import encode
from enas.errors import ArchitectureError
from enas.spaces import published
from enas.spaces.macro.reference import read_arc, write_arc
from enas.spaces.macro.steps import steps

FIXED_ARC = """
0
3 0
0 1 0
2 0 0 1
2 0 0 0 0
3 1 1 0 1 0
2 0 0 0 0 0 1
2 0 1 1 0 1 1 1
1 0 1 1 1 0 1 0 1
0 0 0 0 0 0 0 0 0 0
2 0 0 0 0 0 1 0 0 0 0
0 1 0 0 1 1 0 0 0 0 1 1
2 0 1 0 0 0 0 0 1 0 1 1 0
1 0 0 1 0 0 0 1 1 1 0 1 0 1
0 1 1 0 1 0 1 0 0 0 0 0 1 0 0
2 0 0 1 0 0 0 0 0 0 0 1 0 1 0 1
2 0 1 0 0 0 1 0 0 1 1 1 1 0 0 1 0
2 0 0 0 0 1 0 1 0 1 0 0 1 0 1 0 0 1
3 0 1 1 0 1 0 0 0 0 0 1 0 1 0 1 0 0 0
3 0 1 1 0 0 0 0 0 0 0 0 0 1 1 0 0 0 0 1
0 1 0 0 1 0 1 1 0 0 0 1 0 0 0 0 0 1 1 0 0
3 0 1 0 1 1 0 0 1 0 1 1 0 1 1 0 1 0 0 1 0 0
0 1 0 1 0 1 0 0 0 0 0 0 0 0 1 0 1 0 0 1 0 0 0
0 1 1 0 0 0 1 1 1 0 1 0 0 0 1 0 1 0 0 1 1 0 0 0
""".lstrip()
"""The authors' final script."""


def test_the_authors_script_is_the_published_network() -> None:
    architecture = read_arc(" ".join(FIXED_ARC.split()))
    assert architecture == published("enas-macro")
    assert write_arc(architecture) == FIXED_ARC


def test_its_operations_and_skips_are_those_that_are_counted_in_the_script() -> None:
    choices = read_arc(FIXED_ARC).choices
    operations = [choices[f"layer{layer}.op"] for layer in range(24)]
    counts = [operations.count(name) for name in ("conv3x3", "sep3x3", "conv5x5", "sep5x5", "avg_pool", "max_pool")]
    assert counts == [8, 2, 9, 5, 0, 0]
    assert sum(len(value) for value in choices.values() if isinstance(value, tuple)) == 98


def test_a_line_of_a_searchs_log() -> None:
    architecture = read_arc("[5]\n[4 1]\n[1 0 1]")
    assert architecture.choices["layer1.skips"] == ("stem",)
    assert architecture.choices["layer2.skips"] == ("layer0",)
    assert encode(architecture, steps({"layers": 3})) == (5, 4, 1, 1, 0, 1)


@pytest.mark.parametrize("text", ["", "0 0", "0 0 2", "6", "0 " * 77])
def test_wrong_numbers_are_refused(text: str) -> None:
    with pytest.raises(ArchitectureError, match=r"^script: "):
        read_arc(text, "script")
