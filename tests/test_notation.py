"""Numbers as other programs write them, and the notations of every space: there and back, through the command line too."""

from pathlib import Path

import pytest
import torch

from enas.architecture import Architecture
from enas.cli import main
from enas.controller import sample_uniformly
from enas.errors import ArchitectureError, UsageError
from enas.notation import are_numbers, read_numbers, write_numbers
from enas.search.scoring import Decoder
from enas.sources import find, read_reference
from enas.spaces import load, names, published

ARCS = [(name, notation) for name in names() for notation in load(name).notations]


@pytest.mark.parametrize("text", ["0 3 0", "[0]\n[3 0]\n[0 1 0]", "(0, 3, 0)", " 7 "])
def test_numbers_as_scripts_and_logs_show_them(text: str) -> None:
    assert are_numbers(text)
    assert write_numbers([read_numbers(text, "here")]) == " ".join(word for word in text if word.isdigit()) + "\n"


@pytest.mark.parametrize("text", ["", "[]", "0 3 x", "0.5 1", "-1 0", "0 \u00b2"])
def test_what_are_no_numbers(text: str) -> None:
    assert not are_numbers(text)


@pytest.mark.parametrize("text", ["0 x", "1 -1", "12345678901"])
def test_other_words_among_numbers_are_named(text: str) -> None:
    with pytest.raises(ArchitectureError, match=r"^here: .* is not a small whole number$"):
        read_numbers(text, "here")


@pytest.mark.parametrize(("space_name", "notation"), ARCS, ids=[f"{name}-{n.name}" for name, n in ARCS])
def test_drawn_architectures_go_there_and_back_in_every_notation(space_name: str, notation: object) -> None:
    space = load(space_name)
    chosen = next(known for known in space.notations if known is notation)
    size = dict(space.size(space.presets["paper"].supernet))
    steps = space.steps(size)
    decoder = Decoder(space.name, steps, size)
    for row in sample_uniformly(steps, 5, torch.Generator().manual_seed(0)):
        architecture = decoder(row)
        text = chosen.write(architecture)
        assert chosen.recognises(text)
        assert chosen.read(text, "text") == architecture
        assert list(chosen.read(text, "text").choices) == list(architecture.choices)


def test_a_text_in_no_notation_says_which_there_are() -> None:
    with pytest.raises(ArchitectureError, match=r"^this is in no notation of rnn \(dag: .*; arc: .*\)$"):
        read_reference(load("rnn"), "nothing", "this")


def test_numbers_are_a_source_with_the_name_of_their_space() -> None:
    assert find("arc:macro:0 3 0").architecture.choices["layer1.op"] == "sep5x5"
    assert find("arc:rnn:0 0 0").where == "arc:rnn"
    with pytest.raises(UsageError, match="write arc:SPACE:NUMBERS"):
        find("0 3 0")
    with pytest.raises(ArchitectureError, match="arc:macro: 2 numbers fit no macro network"):
        find("arc:macro:0 3")


def test_convert_reads_words_and_files_and_writes_every_notation(tmp_path: Path) -> None:
    file, arc, again = tmp_path / "a.json", tmp_path / "a.txt", tmp_path / "again.json"
    runtime = ["--cache-dir", str(tmp_path)]
    assert main(["convert", "--from", "macro", "0", "3", "0", "0 1 0", "-o", str(file), *runtime]) == 0
    assert Architecture.load(file).size == {"layers": 3}
    assert main(["convert", str(file), "-o", str(arc), *runtime]) == 0
    assert arc.read_text() == "0\n3 0\n0 1 0\n"
    assert main(["convert", "--from", "macro", str(arc), "-o", str(again), *runtime]) == 0
    assert again.read_bytes() == file.read_bytes()
    assert main(["convert", "random:macro:1", "--to", "architecture", "-o", str(again), *runtime]) == 0
    assert Architecture.load(again) == find("random:macro:1").architecture


def test_a_dag_is_a_source_like_any_file(tmp_path: Path) -> None:
    file = tmp_path / "dag.json"
    assert main(["convert", "published:enas-ptb", "-o", str(file), "--cache-dir", str(tmp_path)]) == 0
    assert find(str(file)).architecture == published("enas-rnn")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("convert numbers.txt -o x", "may be of the spaces"),
        ("convert published:enas-macro --to dag -o x", "macro has no notation 'dag': known are architecture, arc"),
        ("convert published:darts-v1 -o x", "join all nodes"),
        ("convert published:lstm --to arc -o x", "not the LSTM"),
        ("convert --from marco 0 -o x", "did you mean 'macro'"),
        ("convert --from macro 9 -o x", "the text: layer0.op: code 9 is out of range"),
        ("convert --from micro 0 2 0 9 0 0 0 0 -o x", "normal cell, node 2, right operation: 9 is out of range"),
        ("convert --from micro 0 2 2 0 0 0 0 0 -o x", "normal cell, node 2, right input: 2 is out of range"),
        ("convert --from micro 0 2 2 0 0 0 0 -o x", "7 numbers fit no micro cells"),
        ("convert --from rnn 0 1 0 -o x", "the text: node1.input: code 1 is out of range"),
        ("convert --from rnn 0 9 -o x", "the text: node1.op: code 9 is out of range"),
        ("convert -o x", "SOURCE"),
    ],
)
def test_what_cannot_be_converted_gets_one_line(
    arguments: str, words: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("numbers.txt").write_text("0 0 0 0 0 0 0 0\n")
    assert main(arguments.split()) == 2
    lines = capfd.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert words in lines[0]
    assert not Path("x").exists()


@pytest.mark.parametrize(
    ("space", "text"),
    [
        ("nasbench-macro", "02012100"),
        ("nasbench201", "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|"),
    ],
)
def test_short_forms_are_notations_too(
    space: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, back = tmp_path / "architecture.json", tmp_path / "back.txt"
    assert main(["convert", "--from", space, text, "-o", str(file)]) == 0
    assert Architecture.load(file).space == space
    assert main(["convert", str(file), "--to", "string", "-o", str(back)]) == 0
    assert back.read_text() == text + "\n"
    capsys.readouterr()
    assert main(["convert", "--from", space, "0123", "-o", str(file)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
