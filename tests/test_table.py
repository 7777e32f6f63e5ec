"""Tables of figures: both forms, which figure is taken, and what is refused."""

import json
from pathlib import Path

import pytest

from enas.architecture import Architecture
from enas.errors import DataError
from enas.spaces import load
from enas.table import architecture_string, read_table

PUBLISHED = Path(__file__).parents[1].parent / "shared" / "data" / "nas-bench-macro_cifar10.json"


def write(folder: Path, text: str) -> Path:
    file = folder / "table"
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        ('{"a": 1, "b": 2.5}', None, {"a": 1.0, "b": 2.5}),
        ('{"a": {"mean_acc": 91, "params": 7}}', None, {"a": 91.0}),
        ('{"a": {"accuracy": 91, "test_acc": 7}}', None, {"a": 91.0}),
        ('{"a": {"test_acc": [1, 2], "ppl": 7}}', None, {"a": 7.0}),
        ('{"a": {"mean_acc": 91, "params": 7}}', "params", {"a": 7.0}),
        ("architecture,accuracy\n0 1,0.5\n\n0 2,0.75\n", None, {"0 1": 0.5, "0 2": 0.75}),
        ('architecture,note,x,ppl\n"a,b",fine,3,60.5\n', "ppl", {"a,b": 60.5}),
        ("architecture,note,x\na,fine,3\n", None, {"a": 3.0}),
    ],
)
def test_figures_are_read(text: str, key: str | None, expected: dict[str, float], tmp_path: Path) -> None:
    assert read_table(write(tmp_path, text), key) == expected


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ("{", None, "not valid JSON"),
        ("{}", None, "is empty"),
        ("a,b\n", None, "is empty"),
        ("just words\n", None, "needs a header with two columns"),
        ("a,b\nx,1,2\n", None, r"line 2 of the table .* has 3 columns, not 2"),
        ("a,b\nx,1\nx,2\n", None, "has 'x' twice"),
        ('{"a": {"x": 1, "y": 2}}', None, "has x, y for 'a': say which with --table-key"),
        ('{"a": {"x": 1}}', "z", "has no 'z' for 'a'; there are x"),
        ('{"a": 1}', "z", "holds plain numbers: leave out the name 'z'"),
        ('{"a": "high"}', None, "holds 'high' for 'a': a number is expected"),
        ('{"a": NaN}', None, "a number is expected"),
        ('{"a": true}', None, "a number is expected"),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(text: str, key: str | None, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_table(write(tmp_path, text), key)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read the table .*none.json: No such file"):
        read_table(tmp_path / "none.json")


def test_strings_are_the_space_s_own_or_else_codes() -> None:
    nasbench = load("nasbench-macro")
    assert nasbench.strings is not None
    assert architecture_string(nasbench, nasbench.strings.read("02012100")) == "02012100"
    choices = {"layer0.op": "conv5x5", "layer1.op": "conv3x3", "layer1.skips": ("stem",)}
    assert architecture_string(load("macro"), Architecture("macro", {"layers": 2}, choices)) == "2 0 1"


@pytest.mark.skipif(not PUBLISHED.is_file(), reason="the published table is not here")
def test_the_published_table_has_its_published_figures() -> None:
    values = read_table(PUBLISHED)
    assert len(values) == 3**8 == 6561
    assert max(values.values()) == pytest.approx(93.13, abs=0.005)
    assert sum(values.values()) / 6561 == pytest.approx(90.25, abs=0.005)
    raw = json.loads(PUBLISHED.read_text())["02012100"]["test_acc"]
    assert values["02012100"] == pytest.approx(sum(raw) / 3)
