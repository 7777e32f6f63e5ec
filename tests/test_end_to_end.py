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
