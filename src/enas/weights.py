"""Weights of a network as a safetensors file, with a digest of their bytes in its header."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor, nn

from enas.errors import CheckpointError, RunError
from enas.files import write_bytes

DIGEST = "sha256"
"""Key of the digest among the metadata of the file."""


def save_weights(path: Path, module: nn.Module, notes: Mapping[str, str] | None = None) -> None:
    """Write the parameters and buffers of a module, whole or not at all.

    Args:
        path: The file.
        module: What is written.
        notes: Texts for the header, by name.

    Raises:
        RunError: the disk is full, or the place cannot be written.
    """
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in module.state_dict().items()}
    _, data = _split(safetensors.torch.save(tensors))
    digest = hashlib.sha256(data).hexdigest()
    write_bytes(path, safetensors.torch.save(tensors, metadata={**(notes or {}), DIGEST: digest}))


def load_weights(path: Path, module: nn.Module) -> None:
    """Put the weights of a file into a module, all of them or none.

    Raises:
        RunError: the file is missing or cannot be read.
        CheckpointError: it is damaged, or its weights are not those of such a module.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RunError(f"cannot read the weights {path}: {error.strerror or error}") from error
    try:
        tensors = safetensors.torch.load(content)
        header, data = _split(content)
        digest = json.loads(header).get("__metadata__", {}).get(DIGEST)
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise CheckpointError(f"weights {path} are damaged: they are not a whole safetensors file") from error
    if digest is not None and digest != hashlib.sha256(data).hexdigest():
        raise CheckpointError(f"weights {path} are damaged: their SHA-256 is not the one written with them")
    difference = _difference(tensors, module.state_dict())
    if difference:
        raise CheckpointError(f"weights {path} are those of another network: {difference}")
    module.load_state_dict(tensors)


def read_notes(path: Path) -> dict[str, str]:
    """The texts in the header of a file of weights.

    Raises:
        RunError: the file is missing or cannot be read.
        CheckpointError: it is damaged.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except OSError as error:
        raise RunError(f"cannot read the weights {path}: {error.strerror or error}") from error
    except SafetensorError as error:
        raise CheckpointError(f"weights {path} are damaged: they are not a whole safetensors file") from error


def _split(content: bytes) -> tuple[bytes, memoryview]:
    end = 8 + int.from_bytes(content[:8], "little")
    return content[8:end], memoryview(content)[end:]


def _difference(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> str:
    """The first thing in which weights differ from those that are wanted; empty when nothing does."""
    for name, value in wanted.items():
        if name not in found:
            return f"{name} is missing"
        if found[name].shape != value.shape:
            return f"{name} has the shape {tuple(found[name].shape)}, not {tuple(value.shape)}"
    extra = sorted(found.keys() - wanted.keys())
    return f"it has no {extra[0]}" if extra else ""
