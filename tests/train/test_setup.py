"""Settings of a training: from a recipe, to config.json and back, and what is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from enas.architecture import Architecture
from enas.config import AugmentConfig, DataConfig, TrainConfig
from enas.errors import ArchitectureError, EnasError, RunError, UsageError
from enas.spaces import load
from enas.spaces.macro.network import MacroNetworkConfig
from enas.train.setup import TrainSettings, build

CPU = torch.device("cpu")
ARCHITECTURE = Architecture(
    "macro",
    {"layers": 2},
    {"layer0.op": "conv3x3", "layer1.op": "max_pool", "layer1.skips": ("stem",)},
)
SETTINGS = TrainSettings(
    "macro",
    "demo",
    DataConfig(dataset="digits"),
    MacroNetworkConfig(filters=4),
    TrainConfig(epochs=1, seed=7),
    AugmentConfig(),
)


def test_settings_of_a_preset_are_its_own() -> None:
    space = load("macro")
    data = DataConfig(dataset="digits", data_seed=3)
    for name, preset in space.presets.items():
        settings = TrainSettings.from_preset(space, name, data)
        assert settings == TrainSettings("macro", name, data, preset.network, preset.train, preset.train_augment)


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"^macro has no preset 'huge': known are paper, cpu, demo$"):
        TrainSettings.from_preset(load("macro"), "huge", DataConfig())


@pytest.mark.parametrize("preset", ["paper", "cpu", "demo"])
def test_settings_come_back_from_config_json(preset: str) -> None:
    settings = TrainSettings.from_preset(load("macro"), preset, DataConfig(dataset="digits"))
    changed = replace(settings, train=replace(settings.train, lr_max=0.25, max_hours=1.5, train_on_valid=True))
    text = json.dumps(changed.to_json())
    assert TrainSettings.from_json(json.loads(text), "run") == changed


def without(key: str) -> Callable[[dict[str, Any]], object]:
    return lambda data: data.pop(key)


@pytest.mark.parametrize(
    ("damage", "kind", "message"),
    [
        (lambda data: data.update(kind="search"), RunError, "my/run is not the folder of a training: give one made"),
        (without("kind"), RunError, "my/run is not the folder of a training"),
        (without("space"), RunError, "my/run is not the folder of a training"),
        (lambda data: data.update(space=3), RunError, "my/run is not the folder of a training"),
        (without("preset"), RunError, "my/run: 'preset' is missing from config.json: the run folder is damaged"),
        (without("data"), RunError, "my/run: 'data' is missing from config.json: the run folder is damaged"),
        (without("network"), RunError, "my/run: 'network' is missing from config.json"),
        (without("train"), RunError, "my/run: 'train' is missing from config.json"),
        (without("augment"), RunError, "my/run: 'augment' is missing from config.json"),
        (lambda data: data["network"].update(width=3), EnasError, "my/run/config.json: network: 'width' is unknown"),
        (lambda data: data.update(augment=[]), EnasError, "my/run/config.json: augment must map settings to values"),
        (
            lambda data: data["train"].update(epochs="many"),
            EnasError,
            "my/run/config.json: train: epochs must be a whole number, not 'many'",
        ),
        (lambda data: data.update(space="marco"), UsageError, "unknown space 'marco': did you mean 'macro'?"),
    ],
)
def test_damage_of_config_json_is_named_in_one_line(
    damage: Callable[[dict[str, Any]], object], kind: type[EnasError], message: str
) -> None:
    data: dict[str, Any] = json.loads(json.dumps(SETTINGS.to_json()))
    damage(data)
    with pytest.raises(kind) as error:
        TrainSettings.from_json(data, "my/run")
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_the_same_seed_gives_the_same_network_and_another_seed_another(tmp_path: Path) -> None:
    def weights(seed: int) -> torch.Tensor:
        settings = replace(SETTINGS, train=replace(SETTINGS.train, seed=seed))
        network = build(settings, ARCHITECTURE, cache=tmp_path, device=CPU).network
        return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


@pytest.mark.parametrize(("on_valid", "part", "examples"), [(False, "train", 1197), (True, "train+valid", 1397)])
def test_what_is_trained_on(on_valid: bool, part: str, examples: int, tmp_path: Path) -> None:
    settings = replace(SETTINGS, train=replace(SETTINGS.train, train_on_valid=on_valid))
    made = build(settings, ARCHITECTURE, cache=tmp_path, device=CPU)
    assert made.part == part
    assert made.task.examples(made.part) == examples
    assert made.architecture == ARCHITECTURE
    assert made.network(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("epochs", 0, "--epochs must be at least 1, got 0"),
        ("epochs", -3, "--epochs must be at least 1, got -3"),
        ("batch_size", 0, "--batch-size must be at least 1, got 0"),
    ],
)
def test_settings_that_train_nothing_are_refused(field: str, value: int, message: str, tmp_path: Path) -> None:
    settings = replace(SETTINGS, train=replace(SETTINGS.train, **{field: value}))
    with pytest.raises(UsageError) as error:
        build(settings, ARCHITECTURE, cache=tmp_path, device=CPU)
    assert str(error.value) == message


def test_an_architecture_that_does_not_fit_is_refused_by_its_name(tmp_path: Path) -> None:
    choices = {**ARCHITECTURE.choices, "layer0.op": "conv9x9"}
    with pytest.raises(ArchitectureError, match=r"^mine\.json: layer0\.op cannot be 'conv9x9'; on offer: conv3x3, "):
        build(SETTINGS, replace(ARCHITECTURE, choices=choices), cache=tmp_path, device=CPU, where="mine.json")
