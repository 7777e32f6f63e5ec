"""The folder of one run: settings, logs, checkpoints, weights; and how a run is interrupted and taken up again.

A checkpoint is two files, `checkpoint-000007.pt` and its `.sha256`. The digest comes first, so a checkpoint exists,
whole, from the moment in which the `.pt` takes its name; only then are those before the previous one deleted. A run
killed at any moment therefore leaves its last checkpoint valid, and a damaged one still has the one before it.
"""

import hashlib
import io
import itertools
import json
import logging
import os
import platform
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np
import torch
from PIL import Image

import enas
from enas.errors import CheckpointError, RunError
from enas.files import write_bytes, write_errors, write_text
from enas.space_file import settings_found_again

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

CONFIG: Final = "config.json"
METRICS, TIMING, ARCHITECTURES, PROBES = "metrics.jsonl", "timing.jsonl", "architectures.jsonl", "probes.jsonl"
LOGS: Final = (METRICS, TIMING, ARCHITECTURES, PROBES)
KEPT: Final = 2
_LOG = logging.getLogger(__name__)


@final
class Run:
    """The folder of one run."""

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        """Use `create` or `open` instead."""
        self.path = path
        self.settings = settings
        """What the run was started with, as in config.json."""
        self._writer: SummaryWriter | None = None
        self._purge_step: int | None = None
        self._damaged: set[int] = set()

    @classmethod
    def create(cls, path: Path, settings: Mapping[str, object]) -> "Run":
        """Make the folder of a new run, with its config.json.

        Raises:
            RunError: the folder holds something already, or cannot be written.
        """
        cls.check_free(path)
        with write_errors(path):
            path.mkdir(parents=True, exist_ok=True)
        versions = {"enas": enas.__version__, "torch": str(torch.__version__), "python": platform.python_version()}
        run = cls(path, dict(settings))
        run.write_json(CONFIG, {**settings, "versions": versions})
        return run

    @staticmethod
    def check_free(path: Path) -> None:
        """Refuse a folder in which no new run can be made.

        Raises:
            RunError: it holds something already, or cannot be read.
        """
        if not path.exists():
            return
        with write_errors(path):
            for leftover in path.glob(f".{CONFIG}.*.part"):  # of a run killed at its very start
                leftover.unlink()
            occupied = any(path.iterdir())
        if (path / CONFIG).is_file():
            raise RunError(f"run folder {path} exists: --resume goes on with it, --out NAME starts another")
        if occupied:
            raise RunError(f"folder {path} is not empty and not that of a run: --out NAME starts the run in another")

    @classmethod
    def open(cls, path: Path) -> "Run":
        """Open the folder of a run that was started before.

        Raises:
            EnasError: there is no such run, its config.json is damaged, or the file of its space was moved.
        """
        if not (path / CONFIG).is_file():
            raise RunError(f"{path} is not the folder of a run: it has no {CONFIG}")
        run = cls(path, {})
        settings = run.read_json(CONFIG)
        if not isinstance(settings, dict):
            raise RunError(f"{path / CONFIG} is damaged: it holds no settings; start the run again under another --out")
        settings.pop("versions", None)
        run.settings = settings_found_again(settings, str(path / CONFIG))
        return run

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Append the figures of a step that are the same each time the run is repeated: metrics.jsonl and TensorBoard.

        Raises:
            RunError: the disk is full, or the folder cannot be written.
        """
        self._log_figures(METRICS, step, metrics)

    def log_timing(self, step: int, timings: Mapping[str, float]) -> None:
        """Append the figures of a step that depend on the machine's speed: timing.jsonl and TensorBoard.

        Raises:
            RunError: the disk is full, or the folder cannot be written.
        """
        self._log_figures(TIMING, step, timings)

    def log_architecture(self, step: int, architecture_json: Mapping[str, Any], score: float) -> None:
        """Append an architecture and its validation score to architectures.jsonl.

        Raises:
            RunError: the disk is full, or the folder cannot be written.
        """
        self._append(ARCHITECTURES, {"step": step, "score": float(score), "architecture": dict(architecture_json)})

    def log_probes(self, step: int, probes: Mapping[str, Any]) -> None:
        """Append the scores of many architectures to probes.jsonl.

        Raises:
            RunError: the disk is full, or the folder cannot be written.
        """
        self._append(PROBES, {"step": step, **probes})

    def log_picture(self, step: int, name: str, picture: Image.Image) -> None:
        """Show a picture of a step in TensorBoard.

        Raises:
            RunError: the disk is full, or the folder cannot be written.
        """
        with write_errors(self.path / "tensorboard"):
            self._tensorboard().add_image(name, np.asarray(picture), step, dataformats="HWC")
            self._tensorboard().flush()

    def save(self, state: Mapping[str, object]) -> None:
        """Write a checkpoint of plain types and tensors, with the lengths that the logs have now.

        Raises:
            RunError: the disk is full, or the folder cannot be written; the checkpoint before is intact.
        """
        with write_errors(self.path):
            lengths = {name: _size(self.path / name) for name in LOGS}
            for leftover in self.path.glob(".checkpoint-*.part"):  # of a run killed while it saved
                leftover.unlink()
        buffer = io.BytesIO()
        torch.save({"state": dict(state), "lengths": lengths}, buffer)
        content = buffer.getvalue()
        number = max(self._checkpoints(), default=0) + 1
        write_text(self._digest_file(number), hashlib.sha256(content).hexdigest() + "\n")
        write_bytes(self._checkpoint_file(number), content)
        self._delete_old()

    def load(self, *, rewind: bool = True) -> dict[str, Any] | None:
        """Read the newest valid checkpoint and take the logs back to where they were when it was written.

        Args:
            rewind: Whether to cut the logs; False only reads.

        Returns:
            The state that was saved; None when nothing was saved yet.

        Raises:
            CheckpointError: there are checkpoints, and all of them are damaged.
            RunError: the folder cannot be written.
        """
        numbers = sorted(self._checkpoints(), reverse=True)
        for number, before in itertools.zip_longest(numbers, numbers[1:]):
            try:
                stored = self._read_checkpoint(number)
            except CheckpointError as error:
                if before is None:
                    raise CheckpointError(f"{error}; no other checkpoint is left: start the run again") from error
                self._damaged.add(number)
                _LOG.warning("%s; the one before, %s, is used", error, self._checkpoint_file(before).name)
                continue
            if rewind:
                self._rewind(stored["lengths"])
            return stored["state"]
        if rewind:
            self._rewind({})
        return None

    def write_json(self, name: str, content: object) -> None:
        """Write a JSON file of the run, whole or not at all.

        Raises:
            RunError: the disk is full, or the folder cannot be written.
        """
        write_text(self.path / name, json.dumps(content, indent=2) + "\n")

    def read_json(self, name: str) -> Any:
        """Read a JSON file of the run.

        Raises:
            RunError: it is missing or damaged.
        """
        file = self.path / name
        try:
            return json.loads(file.read_bytes())
        except OSError as error:
            raise RunError(f"cannot read {file}: {error.strerror or error}") from error
        except (ValueError, RecursionError) as error:
            raise RunError(f"{file} is damaged: it is not JSON ({' '.join(str(error).split())})") from error

    def close(self) -> None:
        """Close TensorBoard's file; logging again opens another."""
        writer, self._writer = self._writer, None
        if writer is not None:
            with write_errors(self.path / "tensorboard"):
                writer.close()

    def _log_figures(self, name: str, step: int, figures: Mapping[str, float]) -> None:
        plain = {key: value if isinstance(value, int) else float(value) for key, value in figures.items()}
        self._append(name, {"step": step, **plain})
        with write_errors(self.path / "tensorboard"):
            writer = self._tensorboard()
            for key, value in plain.items():
                writer.add_scalar(key, value, step)
            writer.flush()

    def _append(self, name: str, record: dict[str, object]) -> None:
        file = self.path / name
        with write_errors(file), file.open("ab") as stream:
            stream.write((json.dumps(record) + "\n").encode())
            stream.flush()
            os.fsync(stream.fileno())

    def _tensorboard(self) -> "SummaryWriter":
        if self._writer is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                from torch.utils.tensorboard import SummaryWriter  # takes a second: only runs that log pay for it
            self._writer = SummaryWriter(str(self.path / "tensorboard"), purge_step=self._purge_step)
            self._purge_step = None
        return self._writer

    def _checkpoint_file(self, number: int) -> Path:
        return self.path / f"checkpoint-{number:06d}.pt"

    def _digest_file(self, number: int) -> Path:
        return self.path / f"checkpoint-{number:06d}.pt.sha256"

    def _checkpoints(self) -> list[int]:
        matches = (re.fullmatch(r"checkpoint-(\d{6,})\.pt", file.name) for file in self.path.glob("checkpoint-*.pt"))
        return [int(match[1]) for match in matches if match]

    def _read_checkpoint(self, number: int) -> dict[str, Any]:
        file = self._checkpoint_file(number)
        try:
            content = file.read_bytes()
            digest = self._digest_file(number).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise CheckpointError(f"checkpoint {file} is damaged: it or its .sha256 cannot be read") from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise CheckpointError(f"checkpoint {file} is damaged: its SHA-256 is not the one written with it")
        try:
            stored = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        except Exception as error:  # torch.load raises many kinds
            raise CheckpointError(f"checkpoint {file} is damaged: torch cannot read it") from error
        if not isinstance(stored, dict) or not {"state", "lengths"} <= stored.keys():
            raise CheckpointError(f"checkpoint {file} is damaged: it is not one of this program")
        return stored

    def _delete_old(self) -> None:
        sound = sorted(set(self._checkpoints()) - self._damaged)[-KEPT:]
        with write_errors(self.path):
            for file in self.path.glob("checkpoint-*.pt*"):
                match = re.fullmatch(r"checkpoint-(\d{6,})\.pt(\.sha256)?", file.name)
                if match and int(match[1]) not in sound:
                    file.unlink()
        self._damaged.clear()

    def _rewind(self, lengths: Mapping[str, int]) -> None:
        self.close()
        last = -1
        for name in LOGS:
            file, length = self.path / name, lengths.get(name, 0)
            if _size(file) < length:
                _LOG.warning("%s has lost its end: the lines after byte %d are gone", file, _size(file))
            with write_errors(file):
                if _size(file) > length:
                    os.truncate(file, length)
                lines = file.read_bytes().splitlines() if file.is_file() else []
            step = re.match(rb'\{"step": (\d+)', lines[-1]) if lines else None
            last = max(last, int(step[1]) if step else -1)
        self._purge_step = last + 1


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0
