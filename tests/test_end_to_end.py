"""The whole flow through the command line, on the embedded digits: also interruption, resumption, bad input."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from enas.cli import main

SMALL_SEARCH = """--dataset digits --preset demo --layers 3 --filters 4 --epochs 3 --lr-first-cycle 3 --threads 1
    --controller-steps 2 --controller-samples 3 --derive-samples 4 --evaluation-samples 2"""
SMALL_TRAINING = "--preset demo --filters 4 --epochs 2 --lr-first-cycle 2 --threads 1"
QUICK_SEARCH = SMALL_SEARCH.split()
QUICK_TRAIN = SMALL_TRAINING.split()
SAME_BYTES = ("metrics.jsonl", "architectures.jsonl", "candidates.json", "architecture.json")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return ["--cache-dir", str(tmp_path_factory.mktemp("cache"))]


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory, cache: list[str]) -> Path:
    out = tmp_path_factory.mktemp("runs") / "search"
    assert main(["search", "macro", *QUICK_SEARCH, "--out", str(out), *cache]) == 0
    return out


def test_search_leaves_everything_in_its_folder(searched: Path) -> None:
    lines = [json.loads(line) for line in (searched / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert {"train/loss", "controller/baseline", "controller/skip_rate", "valid/sampled_accuracy"} <= lines[0].keys()
    candidates = json.loads((searched / "candidates.json").read_text())
    assert len(candidates["candidates"]) == 8
    scores = [candidate["score"] for candidate in candidates["candidates"]]
    assert scores == sorted(scores, reverse=True)
    assert candidates["difference"] == pytest.approx(candidates["searched_mean"] - candidates["random_mean"])
    best = next(item for item in candidates["candidates"] if item["origin"] == "controller")
    assert json.loads((searched / "architecture.json").read_text())["choices"] == best["choices"]


def test_train_test_draw_and_derive(
    searched: Path, tmp_path: Path, cache: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    searched = shutil.copytree(searched, tmp_path / "run")
    assert main(["train", str(searched), *QUICK_TRAIN, *cache]) == 0
    result = json.loads((searched / "train" / "result.json").read_text())
    capsys.readouterr()
    assert main(["test", str(searched), *cache]) == 0
    assert f"test accuracy {result['test/accuracy']:.4f}" in capsys.readouterr().out
    picture = searched / "picture.svg"
    assert main(["draw", str(searched), "-o", str(picture), *cache]) == 0
    assert "<svg" in picture.read_text()
    assert main(["derive", str(searched), "--samples", "2", *cache]) == 0
    assert len(json.loads((searched / "candidates.json").read_text())["candidates"]) == 4


def test_same_seed_same_result(searched: Path, tmp_path: Path, cache: list[str]) -> None:
    assert main(["search", "macro", *QUICK_SEARCH, "--out", str(tmp_path / "again"), *cache]) == 0
    for name in SAME_BYTES:
        assert (tmp_path / "again" / name).read_bytes() == (searched / name).read_bytes()


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "enas", *arguments]


@pytest.mark.parametrize("seconds", [0.2, 0.6])
def test_killed_search_resumes_to_the_same_bytes(
    searched: Path, tmp_path: Path, cache: list[str], seconds: float
) -> None:
    out = tmp_path / "killed"
    # A checkpoint after every step, so that the kill falls into the middle of an epoch, or of a checkpoint.
    arguments = ["search", "macro", *QUICK_SEARCH, "--checkpoint-minutes", "0", "--out", str(out), *cache]
    process = subprocess.Popen(command(*arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(out.glob("checkpoint-*.pt")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert main([*arguments, "--resume"]) == 0
    for name in SAME_BYTES:
        assert (out / name).read_bytes() == (searched / name).read_bytes()


def test_interrupted_training_says_how_to_go_on(tmp_path: Path, cache: list[str]) -> None:
    whole = ["--dataset", "digits", "--out", str(tmp_path / "whole")]
    arguments = ["train", "random:macro:1", *QUICK_TRAIN, *whole, *cache]
    assert main(arguments) == 0
    out = tmp_path / "cut"
    arguments[arguments.index("--out") + 1] = str(out)
    arguments += ["--checkpoint-minutes", "0"]
    process = subprocess.Popen(command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not list(out.glob("checkpoint-*.pt")) and process.poll() is None:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1].endswith("the same command with --resume goes on")
    assert main([*arguments, "--resume"]) == 0
    for name in ("metrics.jsonl", "result.json"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("search marco", "did you mean 'macro'"),
        ("search macro --epochss 3", "did you mean --epochs?"),
        ("search macro --epochs ten", "--epochs expects a whole number"),
        ("search macro --epochs 0", "--epochs must be at least 1"),
        ("search macro --preset huge", "has no preset 'huge'"),
        ("search", "needs a SPACE"),
        ("serach macro", "did you mean 'search'"),
        ("search macro --dataset /no/such/folder", "/no/such/folder"),
        ("train /no/such/run", "cannot read /no/such/run"),
        ("train published:nothing", "unknown published architecture"),
        ("test /no/such/run", "/no/such/run"),
        ("draw published:enas-macro -o x.jpeg2", "x.jpeg2"),
        ("search macro --device gpu9", "no device 'gpu9'"),
        ("search macro --filters 5 --dataset digits", "--filters must be even"),
        ("search macro --level char", "--level is for text"),
        ("search rnn --image-size 32", "--image-size is for images"),
        ("search rnn --dataset digit", "known names are pydoc, ptb, wikitext"),
        ("search rnn --preset demo --batch-size 90000", "too few for 90000 texts side by side"),
        ("search rnn --preset demo --reward-batch-size 0", "--reward-batch-size must be at least 1"),
        ("search rnn --preset demo --batch-norm running", "has no batch norm"),
        ("train published:lstm --preset demo --bptt 100000", "too few for"),
        ("compare published:lstm --preset demo", "asks no question"),
        ("convert published:lstm -o x.json", "a cell of the space rnn only"),
    ],
)
def test_bad_input_gets_one_line_and_status_2(
    arguments: str, words: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments.split()) == 2
    lines = capfd.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("enas: ")
    assert words in lines[0]


def test_occupied_folder_and_changed_settings_are_refused(
    searched: Path, cache: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ["search", "macro", *QUICK_SEARCH, "--out", str(searched), *cache]
    assert main(arguments) == 2
    assert "--resume" in capfd.readouterr().err
    assert main([*arguments, "--resume", "--seed", "7"]) == 2
    assert "was started with --seed 0, not 7" in capfd.readouterr().err


def test_damaged_architecture_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "architecture.json").write_text('{"format": 1}')
    assert main(["train", str(tmp_path / "architecture.json")]) == 2
    assert "architecture.json: 'choices' is missing" in capfd.readouterr().err


def test_a_refused_setting_leaves_no_run_folder_behind(tmp_path: Path, cache: list[str]) -> None:
    out = tmp_path / "run"
    for verb in (["search", "macro"], ["train", "random:macro:1"]):
        assert main([*verb, "--preset", "demo", "--dataset", "digits", "--epochs", "0", "--out", str(out), *cache]) == 2
        assert not out.exists()


@pytest.mark.parametrize(
    "flags",
    ["--steps-per-epoch -1", "--steps-per-epoch 0", "--lr-max -1", "--dropout 2", "--filters 0", "--filters -2",
     "--momentum -1", "--momentum 2", "--weight-decay -1", f"--seed {10**22}", f"--data-seed {10**22}",
     "--crop-padding -1", "--cutout -1", "--grad-clip 0", "--max-hours -1"],
)  # fmt: skip
def test_settings_of_a_training_that_cannot_be_get_one_line(
    flags: str, tmp_path: Path, cache: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train", "random:macro:1", "--preset", "demo", "--dataset", "digits", "--out", str(tmp_path / "r")]
    assert main([*arguments, *cache, *flags.split()]) == 2
    error = capfd.readouterr().err.strip()
    assert error.startswith(f"enas: {flags.split()[0]} must be ")
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    "flags",
    ["--controller-lr -1", "--controller-epsilon 0", "--controller-beta1 1", "--temperature 0", "--tanh-constant 0",
     "--op-tanh-reduce 0", "--skip-target 0", "--skip-target 1", "--hidden 0", "--init-range -1", "--layers 0",
     "--entropy-weight -1", "--entropy-weight-end -1", "--baseline-decay 5", "--controller-steps -1",
     "--derive-samples 0"],
)  # fmt: skip
def test_settings_of_a_search_that_cannot_be_get_one_line(
    flags: str, tmp_path: Path, cache: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ["search", "macro", "--preset", "demo", "--dataset", "digits", "--out", str(tmp_path / "r")]
    assert main([*arguments, *cache, *flags.split()]) == 2
    error = capfd.readouterr().err.strip()
    assert error.startswith(f"enas: {flags.split()[0]} must be ")
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize("choices", ["{}", '{"layer0.op": "conv9x9"}'])
def test_drawing_an_impossible_architecture_gets_one_line(
    choices: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.json"
    head = '{"format": 1, "space": "macro", "size": {"layers": 1}, "choices": '
    file.write_text(f"{head}{choices}}}")
    assert main(["draw", str(file), "-o", str(tmp_path / "a.svg")]) == 2
    assert len(capfd.readouterr().err.strip().splitlines()) == 1


def test_a_bare_switch_does_not_swallow_the_word_after_it(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "--flip", "marco"]) == 2
    assert "unknown space 'marco'" in capfd.readouterr().err
    assert main(["search", "--flip", "macro", "--dataset", "/no/such/folder"]) == 2
    assert "/no/such/folder" in capfd.readouterr().err


def test_the_space_may_stand_after_flags_with_values(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "--epochs", "3", "macro", "--dataset", "/no/such/folder", "--out", str(tmp_path / "r")]) == 2
    assert "/no/such/folder" in capfd.readouterr().err
