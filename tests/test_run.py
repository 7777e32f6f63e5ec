"""The folder of a run: what is written is read back, and a resumed run writes what an uninterrupted one does."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

import enas
from enas.errors import RunError
from enas.rng import restore_rng, rng_state
from enas.run import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", {"kind": "search", "seed": 1})


def one_line(error: pytest.ExceptionInfo[Any]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def test_settings_come_back_and_config_tells_the_versions(run: Run) -> None:
    assert Run.open(run.path).settings == run.settings == {"kind": "search", "seed": 1}
    config = json.loads((run.path / "config.json").read_text())
    assert config["versions"]["enas"] == enas.__version__
    assert config["versions"].keys() == {"enas", "torch", "python"}


def test_create_takes_no_occupied_folder(run: Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="--resume goes on with it, --out NAME starts another") as error:
        Run.create(run.path, {})
    assert str(run.path) in one_line(error)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="not empty"):
        Run.create(tmp_path, {})
    with pytest.raises(RunError, match="cannot write"):
        Run.create(tmp_path / "notes.txt", {})


def test_create_takes_an_empty_folder_and_one_of_a_run_killed_at_its_start(tmp_path: Path) -> None:
    (tmp_path / ".config.json.abc.part").write_text("{")
    Run.create(tmp_path, {"seed": 2})
    assert [file.name for file in tmp_path.iterdir()] == ["config.json"]


def test_open_tells_what_is_missing_or_damaged(run: Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"it has no config\.json"):
        Run.open(tmp_path / "nothing")
    for content in (b'{"seed": ', b"\xff\xfe", b"[]", b"", b"[" * 100_000):
        (run.path / "config.json").write_bytes(content)
        with pytest.raises(RunError, match="is damaged") as error:
            Run.open(run.path)
        one_line(error)


def test_json_files(run: Run) -> None:
    run.write_json("result.json", {"test/accuracy": 0.1})
    assert run.read_json("result.json") == {"test/accuracy": 0.1}
    with pytest.raises(RunError, match="cannot read"):
        run.read_json("other.json")


def test_logs_are_lines_of_json_and_tensorboard(run: Run) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run.log(1, {"train/loss": 0.1, "a": 2})
    run.log_timing(1, {"time/rate": 1e9})
    run.log_architecture(1, {"space": "macro"}, 0.5)
    run.close()
    run.close()
    assert (run.path / "metrics.jsonl").read_text() == '{"step": 1, "train/loss": 0.1, "a": 2}\n'
    assert (run.path / "timing.jsonl").read_text() == '{"step": 1, "time/rate": 1000000000.0}\n'
    line = json.loads((run.path / "architectures.jsonl").read_text())
    assert line == {"step": 1, "score": 0.5, "architecture": {"space": "macro"}}
    events = EventAccumulator(str(run.path / "tensorboard")).Reload()
    assert set(events.Tags()["scalars"]) == {"train/loss", "a", "time/rate"}
    assert [(e.step, e.value) for e in events.Scalars("train/loss")] == [(1, pytest.approx(0.1))]


def log_epochs(run: Run, epochs: range, *, until: int | None = None) -> None:
    for epoch in epochs:
        run.log(epoch, {"loss": 1 / (1 + epoch)})
        run.log_architecture(epoch, {"layer": epoch}, epoch / 10)
        if until is None or epoch <= until:
            run.save({"epoch": epoch})


def test_a_resumed_run_writes_the_same_logs(run: Run, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    whole = Run.create(tmp_path / "whole", {})
    log_epochs(whole, range(1, 6))
    log_epochs(run, range(1, 5), until=3)
    with (run.path / "metrics.jsonl").open("a") as stream:
        stream.write('{"step": 5, "lo')  # killed while it wrote
    run.close()
    again = Run.open(run.path)
    assert again.load() == {"epoch": 3}
    log_epochs(again, range(4, 6))
    for name in ("metrics.jsonl", "architectures.jsonl"):
        assert (again.path / name).read_bytes() == (whole.path / name).read_bytes()
    again.close()
    whole.close()
    events = EventAccumulator(str(again.path / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("loss")] == [1, 2, 3, 4, 5]


def test_a_run_resumed_before_its_first_checkpoint_begins_anew(run: Run) -> None:
    run.log_architecture(1, {}, 0.0)
    again = Run.open(run.path)
    assert again.load() is None
    assert (run.path / "architectures.jsonl").read_bytes() == b""


def test_load_without_rewind_only_reads(run: Run) -> None:
    run.save({"epoch": 0})
    run.log_architecture(1, {}, 0.0)
    assert run.load(rewind=False) == {"epoch": 0}
    assert (run.path / "architectures.jsonl").read_bytes() != b""


def test_a_log_that_lost_its_end_is_told_and_not_filled_up(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    run.log_architecture(1, {}, 0.0)
    run.save({"epoch": 0})
    os.truncate(run.path / "architectures.jsonl", 5)
    assert run.load() == {"epoch": 0}
    assert "lost its end" in caplog.messages[0]
    assert (run.path / "architectures.jsonl").stat().st_size == 5


def test_random_numbers_go_on_where_they_were(run: Run) -> None:
    generator = torch.Generator().manual_seed(7)
    with torch.random.fork_rng(devices=[]):
        torch.rand(3, generator=generator)
        run.save({"rng": rng_state(generator)})
        expected = torch.rand(3, generator=generator), torch.rand(3)
        loaded = run.load()
        assert loaded is not None
        other = torch.Generator()
        restore_rng(loaded["rng"], other)
        assert torch.equal(torch.rand(3, generator=other), expected[0])
        assert torch.equal(torch.rand(3), expected[1])


def test_probes_are_cut_back_with_the_other_logs(run: Run) -> None:
    run.log_probes(1, {"uniform": {"codes": [[0, 1]], "scores": [0.5]}})
    run.save({})
    run.log_probes(2, {"uniform": {"codes": [[0, 1]], "scores": [0.25]}})
    run.load()
    (line,) = (run.path / "probes.jsonl").read_text().splitlines()
    assert json.loads(line) == {"step": 1, "uniform": {"codes": [[0, 1]], "scores": [0.5]}}
