"""Taking up runs on the command line: none there yet, one of other settings, and one that tells its own space."""

import io
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console

from enas.cli import main
from enas.config import DataConfig
from enas.errors import RunError, UsageError
from enas.resume import open_or_check
from enas.run import Run
from enas.runtime import Runtime
from enas.search.setup import SearchSettings
from enas.spaces import load

SETTINGS = SearchSettings.from_preset(load("macro"), "demo", DataConfig(dataset="digits"))
SMALL_SEARCH = """--dataset digits --preset demo --layers 2 --filters 4 --epochs 1 --lr-first-cycle 1 --threads 1
    --steps-per-epoch 2 --controller-steps 1 --controller-samples 2 --derive-samples 2 --evaluation-samples 2"""


def said_by(runtime: Runtime) -> str:
    assert isinstance(runtime.console.file, io.StringIO)
    return runtime.console.file.getvalue()


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    return Runtime(torch.device("cpu"), tmp_path / "cache", Console(file=io.StringIO()))


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "search"
    assert main(["search", "macro", *SMALL_SEARCH.split(), "--out", str(out)]) == 0
    return out


def test_without_a_run_one_is_started_and_that_is_said(tmp_path: Path, runtime: Runtime) -> None:
    assert open_or_check(SETTINGS, tmp_path / "new", False, runtime) is None
    assert said_by(runtime) == ""
    assert open_or_check(SETTINGS, tmp_path / "new", True, runtime) is None
    assert said_by(runtime) == f"no run in {tmp_path / 'new'} yet: starting one\n"


def test_a_run_is_taken_up_with_its_own_settings_only(tmp_path: Path, runtime: Runtime) -> None:
    out = tmp_path / "run"
    run = Run.create(out, SETTINGS.to_json())
    found = open_or_check(SETTINGS, out, True, runtime)
    assert found is not None
    assert found.path == run.path
    with pytest.raises(RunError, match="--resume goes on with it"):
        open_or_check(SETTINGS, out, False, runtime)
    longer = replace(SETTINGS, search=replace(SETTINGS.search, epochs=99, max_hours=1.0))
    remedy = "to go on, leave out changed flags; for a new run give another --out"
    with pytest.raises(UsageError) as error:
        open_or_check(longer, out, True, runtime)
    assert str(error.value) == f"{out} was started with --epochs {SETTINGS.search.epochs}, not 99: {remedy}"
    with pytest.raises(UsageError) as error:
        open_or_check(replace(SETTINGS, preset="cpu"), out, True, runtime)
    assert str(error.value) == f"{out} was started with preset 'demo', not 'cpu': {remedy}"
    patient = replace(SETTINGS, search=replace(SETTINGS.search, max_hours=1.0))
    assert open_or_check(patient, out, True, runtime) is not None


def test_a_run_that_is_taken_up_knows_its_space(
    searched: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = shutil.copytree(searched, tmp_path / "run")
    before = (out / "architecture.json").read_bytes()
    assert main(["search", "--out", str(out), "--resume", "--max-hours", "9", "--threads", "1"]) == 0
    assert (out / "architecture.json").read_bytes() == before
    assert main(["search", "--resume", f"--out={out}", "--epochs", "12"]) == 2
    assert f"{out} was started with --epochs 1, not 12: to go on" in capfd.readouterr().err
    assert main(["search", "--flip", "micro", "--resume", "--out", str(out)]) == 2
    assert f"{out} searches macro, not micro: give a new search another --out" in capfd.readouterr().err
    assert main(["search", "--resume", "--out", str(tmp_path / "new")]) == 2
    assert "needs a SPACE" in capfd.readouterr().err
