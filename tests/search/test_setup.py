"""Settings of a search: from a recipe, to config.json and back, and what is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from enas.config import AugmentConfig, ControllerConfig, DataConfig, SearchConfig
from enas.errors import EnasError, RunError, UsageError
from enas.search.setup import SearchSettings, build, check
from enas.spaces import load
from enas.spaces.macro.supernet import MacroSupernetConfig

CPU = torch.device("cpu")
SETTINGS = SearchSettings(
    "macro",
    "demo",
    DataConfig(dataset="digits"),
    MacroSupernetConfig(layers=3, filters=2),
    ControllerConfig(hidden=8),
    SearchConfig(epochs=1, seed=7),
    AugmentConfig(),
)


def test_settings_of_a_preset_are_its_own() -> None:
    space = load("macro")
    data = DataConfig(dataset="digits", data_seed=3)
    for name, preset in space.presets.items():
        assert SearchSettings.from_preset(space, name, data) == SearchSettings(
            "macro", name, data, preset.supernet, preset.controller, preset.search, preset.search_augment
        )


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"^macro has no preset 'huge': known are paper, cpu, demo$"):
        SearchSettings.from_preset(load("macro"), "huge", DataConfig())


@pytest.mark.parametrize("preset", ["paper", "cpu", "demo"])
def test_settings_come_back_from_config_json(preset: str) -> None:
    settings = SearchSettings.from_preset(load("macro"), preset, DataConfig(dataset="digits"))
    changed = replace(
        settings,
        search=replace(settings.search, lr_max=0.25, grad_clip=2.0, batch_norm="running"),
        controller=replace(settings.controller, tanh_constant=None, temperature=5.0),
    )
    text = json.dumps(changed.to_json())
    assert SearchSettings.from_json(json.loads(text), "run") == changed


def without(key: str) -> Callable[[dict[str, Any]], object]:
    return lambda data: data.pop(key)


@pytest.mark.parametrize(
    ("damage", "kind", "message"),
    [
        (lambda data: data.update(kind="train"), RunError, "my/run is not the folder of a search: give one made by"),
        (without("kind"), RunError, "my/run is not the folder of a search"),
        (without("space"), RunError, "my/run is not the folder of a search"),
        (lambda data: data.update(space=None), RunError, "my/run is not the folder of a search"),
        (without("preset"), RunError, "my/run: 'preset' is missing from config.json: the run folder is damaged"),
        (without("data"), RunError, "my/run: 'data' is missing from config.json"),
        (without("supernet"), RunError, "my/run: 'supernet' is missing from config.json"),
        (without("controller"), RunError, "my/run: 'controller' is missing from config.json"),
        (without("search"), RunError, "my/run: 'search' is missing from config.json"),
        (without("augment"), RunError, "my/run: 'augment' is missing from config.json"),
        (
            lambda data: data["controller"].update(hidden=1.5),
            EnasError,
            "my/run/config.json: controller: hidden must be a whole number, not 1.5",
        ),
        (
            lambda data: data["search"].update(batch_norm="none"),
            EnasError,
            "my/run/config.json: search: batch_norm must be batch or running, not 'none'",
        ),
        (lambda data: data["supernet"].update(width=3), EnasError, "my/run/config.json: supernet: 'width' is unknown"),
        (lambda data: data.update(space="marco"), UsageError, "unknown space 'marco': did you mean 'macro'?"),
    ],
)
def test_damage_of_config_json_is_named_in_one_line(
    damage: Callable[[dict[str, Any]], object], kind: type[EnasError], message: str
) -> None:
    data: dict[str, Any] = json.loads(json.dumps(SETTINGS.to_json()))
    damage(data)
    with pytest.raises(kind) as error:
        SearchSettings.from_json(data, "my/run")
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "field", ["epochs", "batch_size", "controller_samples", "evaluation_samples", "derive_samples", "reward_batch_size"]
)
@pytest.mark.parametrize("value", [0, -2])
def test_counts_that_are_not_positive_are_refused_by_their_flag(field: str, value: int, tmp_path: Path) -> None:
    settings = replace(SETTINGS, search=replace(SETTINGS.search, **{field: value}))
    with pytest.raises(UsageError) as error:
        build(settings, cache=tmp_path, device=CPU)
    assert str(error.value) == f"--{field.replace('_', '-')} must be at least 1, got {value}"


@pytest.mark.parametrize("field", ["steps_per_epoch", "derive_examples"])
def test_counts_that_may_be_off_are_refused_when_they_are_not_positive(field: str) -> None:
    check(SearchConfig(**{field: None}))
    check(SearchConfig(**{field: 1}))
    with pytest.raises(UsageError) as error:
        check(SearchConfig(**{field: 0}))
    assert str(error.value) == f"--{field.replace('_', '-')} must be at least 1 or none, got 0"


def test_no_controller_steps_are_allowed_but_not_fewer() -> None:
    check(SearchConfig(controller_steps=0))
    with pytest.raises(UsageError, match=r"^--controller-steps must be at least 0, got -1$"):
        check(SearchConfig(controller_steps=-1))


def weights(module: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()])


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path: Path) -> None:
    made = [
        build(replace(SETTINGS, search=replace(SETTINGS.search, seed=seed)), cache=tmp_path, device=CPU)
        for seed in (1, 1, 2)
    ]
    for kind in ("supernet", "controller"):
        first, same, other = (weights(getattr(objects, kind)) for objects in made)
        assert torch.equal(first, same)
        assert not torch.equal(first, other)


def test_what_is_built_fits_together(tmp_path: Path) -> None:
    objects = build(SETTINGS, cache=tmp_path, device=CPU)
    codes = objects.controller(1, generator=torch.Generator().manual_seed(0)).codes
    assert codes.shape == (1, 3 + 1 + 2)  # three operations; layers 1 and 2 may skip to one and to two maps
    architecture = objects.decoder(codes[0])
    assert architecture.size == {"layers": 3}
    assert objects.supernet(torch.zeros(4, 1, 8, 8), architecture).shape == (4, 10)
    assert objects.space.name == "macro"
    assert objects.config == SETTINGS.search
    assert objects.task.examples("valid") == 200


@pytest.mark.parametrize(("kind", "running"), [("batch", False), ("running", True)])
def test_batch_norm_keeps_running_averages_only_when_asked_for(kind: str, running: bool, tmp_path: Path) -> None:
    settings = replace(SETTINGS, search=replace(SETTINGS.search, batch_norm=kind))
    objects = build(settings, cache=tmp_path, device=CPU)
    assert (len(list(objects.supernet.buffers())) > 0) == running
