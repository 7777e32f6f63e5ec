"""Weights of a network as a file: they come back exactly, or the user is told why not."""

from pathlib import Path

import pytest
import torch
from torch import nn

from enas.errors import CheckpointError, RunError
from enas.weights import load_weights, save_weights


def network(width: int = 4) -> nn.Sequential:
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
    for position in (-1, 7, 8, len(sound) - 100):
        damaged = bytearray(sound)
        damaged[position] ^= 1
        for content in (bytes(damaged), sound[:position]):
            file.write_bytes(content)
            with pytest.raises(CheckpointError, match="damaged") as error:
                load_weights(file, module)
            assert "\n" not in str(error.value)
    with pytest.raises(RunError, match="cannot read the weights"):
        load_weights(tmp_path / "none.safetensors", module)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (network(5), r"0\.weight has the shape \(5, 3\), not \(4, 3\)"),
        (nn.Sequential(nn.Linear(3, 4)), r"1\.weight is missing"),
        (network().append(nn.Linear(1, 1)), r"it has no 2\.bias"),
    ],
)
def test_weights_of_another_network_are_told(tmp_path: Path, other: nn.Module, message: str) -> None:
    save_weights(tmp_path / "w.safetensors", other)
    with pytest.raises(CheckpointError, match=message) as error:
        load_weights(tmp_path / "w.safetensors", network())
    assert "\n" not in str(error.value)
