"""Checkpoints of a run: killed, cut off, damaged or without space, the last sound one is used, and the user is told."""

import logging
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import enas
from enas.errors import CheckpointError
from enas.run import Run

STATE = {"weights": torch.arange(6.0).reshape(2, 3), "epoch": 3, "sums": {"loss": 0.1}, "phase": "weights"}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", {"kind": "search", "seed": 1})


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def checkpoints(run: Run) -> list[str]:
    return sorted(file.name for file in run.path.glob("*checkpoint*"))


def one_line(error: pytest.ExceptionInfo[Any]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def test_checkpoint_comes_back(run: Run) -> None:
    run.save(STATE)
    loaded = Run.open(run.path).load()
    assert loaded is not None
    assert torch.equal(loaded.pop("weights"), torch.arange(6.0).reshape(2, 3))
    assert loaded == {key: value for key, value in STATE.items() if key != "weights"}


def test_optimizer_state_comes_back(run: Run) -> None:
    network = nn.Linear(3, 2)
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    run.save({"network": network.state_dict(), "optimizer": optimizer.state_dict()})
    loaded = run.load()
    assert loaded is not None
    again = torch.optim.Adam(network.parameters())
    again.load_state_dict(loaded["optimizer"])
    moments = [group.state_dict()["state"][0]["exp_avg"] for group in (optimizer, again)]
    assert torch.equal(moments[0], moments[1])


def test_the_newest_two_checkpoints_are_kept(run: Run) -> None:
    (run.path / ".checkpoint-000001.pt.abc.part").write_text("of a run killed while it saved")
    for epoch in range(4):
        run.save({"epoch": epoch})
    names = [f"checkpoint-{number:06d}.pt{suffix}" for number in (3, 4) for suffix in ("", ".sha256")]
    assert checkpoints(run) == names
    assert run.load() == {"epoch": 3}


def test_a_damaged_checkpoint_gives_way_to_the_one_before(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    for epoch in range(3):
        run.save({"epoch": epoch})
    flip(run.path / "checkpoint-000003.pt")
    run = Run.open(run.path)
    with caplog.at_level(logging.WARNING):
        assert run.load() == {"epoch": 1}
    assert len(caplog.messages) == 1
    assert "checkpoint-000003.pt is damaged" in caplog.messages[0]
    assert "checkpoint-000002.pt, is used" in caplog.messages[0]
    assert "\n" not in caplog.messages[0]
    run.save({"epoch": 2})
    assert [name[:17] for name in checkpoints(run)[::2]] == ["checkpoint-000002", "checkpoint-000004"]


@pytest.mark.parametrize("length", [0, 10, 300])
def test_a_cut_off_checkpoint_gives_way_to_the_one_before(run: Run, length: int) -> None:
    run.save({"epoch": 0})
    run.save({"epoch": 1})
    os.truncate(run.path / "checkpoint-000002.pt", length)
    assert Run.open(run.path).load() == {"epoch": 0}


def test_no_sound_checkpoint_is_an_error_that_cuts_no_log(run: Run) -> None:
    run.log_architecture(1, {}, 0.0)
    run.save({"epoch": 0})
    run.save({"epoch": 1})
    flip(run.path / "checkpoint-000001.pt")
    (run.path / "checkpoint-000002.pt.sha256").unlink()
    with pytest.raises(CheckpointError, match=r"checkpoint-000001\.pt is damaged.*no other") as error:
        Run.open(run.path).load()
    one_line(error)
    assert (run.path / "architectures.jsonl").stat().st_size > 0


def test_a_pickle_is_no_checkpoint(run: Run) -> None:
    run.save({"object": Path("/")})
    with pytest.raises(CheckpointError, match="torch cannot read it"):
        run.load()


def test_a_kill_between_digest_and_checkpoint_leaves_the_one_before(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    (run.path / "checkpoint-000001.pt.sha256").write_text("0" * 64)
    assert run.load() is None
    run.save({"epoch": 0})
    (run.path / "checkpoint-000002.pt.sha256").write_text("0" * 64)
    assert Run.open(run.path).load() == {"epoch": 0}
    assert not caplog.messages
    run.save({"epoch": 1})
    assert Run.open(run.path).load() == {"epoch": 1}


def test_a_run_killed_while_it_saves_has_a_sound_checkpoint(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    code = """
        import sys, torch
        from pathlib import Path
        from enas.run import Run
        run = Run.open(Path(sys.argv[1]))
        for epoch in range(10**6):
            run.save({"epoch": epoch, "weights": torch.zeros(300_000)})
            if epoch == 0:
                sys.stdout.write("saved\\n"); sys.stdout.flush()
    """
    for wait in (0.0, 0.013, 0.031):
        process = start(code, str(run.path))
        assert process.stdout is not None
        assert process.stdout.readline() == "saved\n"
        time.sleep(wait)
        process.kill()
        process.communicate()
        assert Run.open(run.path).load() is not None
        assert not caplog.messages


def start(code: str, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", textwrap.dedent(code), *arguments]
    source = str(Path(enas.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": source}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def test_a_place_that_takes_no_more_is_told_and_the_checkpoint_before_is_intact(run: Run) -> None:
    pytest.importorskip("resource")
    run.save({"epoch": 0})
    code = """
        import resource, signal, sys, torch
        from pathlib import Path
        from enas.errors import RunError
        from enas.run import Run
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        run = Run.open(Path(sys.argv[1]))
        try:
            run.save({"weights": torch.zeros(100_000)})
        except RunError as error:
            sys.stdout.write(str(error) + "\\n")
        try:
            while True:
                run.log(1, {"name/%d" % i: 0.0 for i in range(100)})
        except RunError as error:
            sys.stdout.write(str(error) + "\\n")
        run.close()
    """
    output, errors = start(code, str(run.path)).communicate(timeout=60)
    lines = output.splitlines()
    assert len(lines) == 2, errors
    assert lines[0].startswith(f"cannot write {run.path / 'checkpoint-000002.pt'}: File too large"), output
    assert lines[1].startswith("cannot write"), output
    assert not list(run.path.glob("*.part")) + list(run.path.glob(".*.part"))
    assert Run.open(run.path).load() == {"epoch": 0}
