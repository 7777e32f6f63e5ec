"""The folder of a run: what is written is read back, and what is damaged, cut off or full is told in one line."""

import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import enas
from enas.errors import CheckpointError, RunError
from enas.run import Interrupt, Run, load_weights, restore_rng, rng_state, save_weights

STATE = {"weights": torch.arange(6.0).reshape(2, 3), "epoch": 3, "sums": {"loss": 0.1}, "phase": "weights"}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", {"kind": "search", "seed": 1})


def flip(file: Path, at: int | None = None) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2 if at is None else at] ^= 1
    file.write_bytes(content)


def checkpoints(run: Run) -> list[str]:
    return sorted(file.name for file in run.path.glob("*checkpoint*"))


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
    assert line == {"step": 1, "reward": 0.5, "architecture": {"space": "macro"}}
    events = EventAccumulator(str(run.path / "tensorboard")).Reload()
    assert set(events.Tags()["scalars"]) == {"train/loss", "a", "time/rate"}
    assert [(e.step, e.value) for e in events.Scalars("train/loss")] == [(1, pytest.approx(0.1))]


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
    assert torch.equal(*moments)


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


def network(width: int = 4) -> nn.Module:
    return nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width))


def test_weights_come_back(tmp_path: Path) -> None:
    file, one, two = tmp_path / "best.safetensors", network(), network()
    one(torch.randn(8, 3))
    save_weights(file, one)
    load_weights(file, two)
    for name, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[name])


def test_damaged_weights_are_told_and_leave_the_module_alone(tmp_path: Path) -> None:
    file, module = tmp_path / "best.safetensors", network()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    save_weights(file, network())
    sound = file.read_bytes()
    for damage in (
        lambda: flip(file, -1),
        lambda: flip(file, 7),
        lambda: os.truncate(file, 100),
        lambda: flip(file, 8),
    ):
        file.write_bytes(sound)
        damage()
        with pytest.raises(CheckpointError, match="damaged") as error:
            load_weights(file, module)
        one_line(error)
    with pytest.raises(RunError, match="cannot read the weights"):
        load_weights(tmp_path / "none.safetensors", module)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (network(5), r"0\.weight has the shape \(5, 3\), not \(4, 3\)"),
        (nn.Sequential(nn.Linear(3, 4)), r"1\.weight is missing"),
        (nn.Sequential(*network(), nn.Linear(1, 1)), r"it has no 2\.bias"),
    ],
)
def test_weights_of_another_network_are_told(tmp_path: Path, other: nn.Module, message: str) -> None:
    save_weights(tmp_path / "w.safetensors", other)
    with pytest.raises(CheckpointError, match=message) as error:
        load_weights(tmp_path / "w.safetensors", network())
    one_line(error)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_signal_asks_and_second_raises(number: signal.Signals) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with Interrupt() as interrupt:
        assert not interrupt.requested
        os.kill(os.getpid(), number)
        assert interrupt.requested
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_interrupt_in_another_thread_does_nothing() -> None:
    seen: list[object] = []

    def work() -> None:
        with Interrupt() as interrupt:
            seen.extend([signal.getsignal(signal.SIGINT), interrupt.requested])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT), False]
