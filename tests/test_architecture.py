import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from enas.architecture import Architecture, decode, encode
from enas.controller import sample_uniformly
from enas.errors import ArchitectureError
from enas.spaces.macro.steps import steps

SIZE = {"layers": 5}


def example() -> Architecture:
    codes = sample_uniformly(steps(SIZE), 1, torch.Generator().manual_seed(3))[0].tolist()
    return decode(codes, steps(SIZE), space="macro", size=SIZE)


@given(st.integers(0, 2**31), st.integers(1, 9))
def test_codes_and_json_round_trip(seed: int, layers: int) -> None:
    size = {"layers": layers}
    codes = tuple(sample_uniformly(steps(size), 1, torch.Generator().manual_seed(seed))[0].tolist())
    architecture = decode(codes, steps(size), space="macro", size=size)
    assert encode(architecture, steps(size)) == codes
    assert Architecture.from_json(architecture.to_json()) == architecture


def test_file_can_be_read_by_a_person(tmp_path: Path) -> None:
    example().save(tmp_path / "a.json")
    lines = (tmp_path / "a.json").read_text().splitlines()
    assert len(lines) == 4 + 1 + 1 + len(example().choices) + 1
    assert Architecture.load(tmp_path / "a.json") == example()


def changed(**fields: object) -> str:
    return json.dumps({**json.loads(example().to_json()), **fields})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not valid JSON"),
        ("[]", "expected a JSON object"),
        ("[" * 100_000, "not valid JSON"),
        (changed(format=2), "format 2 is unknown"),
        (changed(format=True), "format True is unknown"),
        (changed(space=3), "'space' must be a name"),
        (changed(size={"layers": 1.5}), "'size' must map"),
        (changed(choices=[1]), "'choices' must map"),
        (changed(choices={"layer0.op": 1}), "must be a name or a list"),
        (changed(more=1), "'more' is unknown"),
        ('{"format": 1, "space": "macro", "size": {}}', "'choices' is missing"),
        ('{"format": 1, "format": 1}', "stands there twice"),
    ],
)
def test_damaged_files_are_refused_in_one_line(text: str, words: str) -> None:
    with pytest.raises(ArchitectureError, match=words) as caught:
        Architecture.from_json(text, "x.json")
    assert "x.json" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "answer", "words"),
    [
        ("layer0.op", "conv9x9", "cannot be 'conv9x9'; on offer: conv3x3"),
        ("layer0.op", ("conv3x3",), "must be one name"),
        ("layer2.skips", "stem", "must be a list of names"),
        ("layer2.skips", ("layer1",), "cannot be 'layer1'"),
        ("layer2.skips", ("stem", "stem"), "names a node twice"),
    ],
)
def test_choices_that_the_space_does_not_offer_are_refused(key: str, answer: str | tuple[str, ...], words: str) -> None:
    architecture = example()
    wrong = Architecture(architecture.space, SIZE, {**architecture.choices, key: answer})
    with pytest.raises(ArchitectureError, match=words):
        encode(wrong, steps(SIZE))


def test_codes_out_of_range_are_refused() -> None:
    with pytest.raises(ArchitectureError, match="code 6 is out of range, expected 0 to 5"):
        decode([6], steps({"layers": 1}), space="macro", size={"layers": 1})
    with pytest.raises(ArchitectureError, match="needs 1 codes"):
        decode([], steps({"layers": 1}), space="macro", size={"layers": 1})


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArchitectureError, match=r"cannot read .*none\.json"):
        Architecture.load(tmp_path / "none.json")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ArchitectureError, match="not a text file"):
        Architecture.load(tmp_path / "binary.json")
