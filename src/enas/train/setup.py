"""From an architecture and settings to a network in training, and back from a run's folder."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from enas.architecture import Architecture, encode
from enas.bounds import check
from enas.config import DataConfig, TrainConfig
from enas.data.progress import Progress
from enas.errors import RunError, UsageError
from enas.flags import from_dict
from enas.space import Space
from enas.spaces import load
from enas.tasks.mixed import in_precision
from enas.tasks.task import Part, Task


@dataclass(frozen=True)
class TrainSettings:
    """Everything that decides the result of a training but the architecture; `config.json` of its run."""

    space: str
    preset: str
    data: DataConfig
    network: Any  # an instance of the space's network_config
    train: TrainConfig
    augment: Any  # an instance of the options of the space's task

    @classmethod
    def from_preset(cls, space: Space, preset: str, data: DataConfig) -> "TrainSettings":
        """The settings of a named recipe.

        Raises:
            UsageError: the space has no such preset.
        """
        if preset not in space.presets:
            raise UsageError(f"{space.label} has no preset {preset!r}: known are {', '.join(space.presets)}")
        chosen = space.presets[preset]
        return cls(space.name, preset, data, chosen.network, chosen.train, chosen.train_augment)

    def to_json(self) -> dict[str, object]:
        """Plain data for `config.json`."""
        return {"kind": "train", **asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], where: str) -> "TrainSettings":
        """Read what `to_json` wrote.

        Raises:
            EnasError: it is not the settings of a training, or damaged.
        """
        if data.get("kind") != "train" or not isinstance(data.get("space"), str):
            raise RunError(f"{where} is not the folder of a training: give one made by 'enas train'")
        space = load(data["space"])
        kinds = {
            "data": DataConfig,
            "network": space.network_config,
            "train": TrainConfig,
            "augment": space.task.options,
        }
        missing = [key for key in ("preset", *kinds) if key not in data]
        if missing:
            raise RunError(f"{where}: {missing[0]!r} is missing from config.json: the run folder is damaged")
        parts: dict[str, Any] = {
            key: from_dict(kind, data[key], f"{where}/config.json: {key}") for key, kind in kinds.items()
        }
        return cls(data["space"], data["preset"], **parts)


@dataclass(frozen=True)
class TrainObjects:
    """What a training works on."""

    architecture: Architecture
    task: Task
    network: nn.Module
    config: TrainConfig

    @property
    def part(self) -> Part:
        """The examples that are trained on."""
        return trained_part(self.config)


def trained_part(config: TrainConfig) -> Part:
    """The part of the data that is trained on."""
    return "train+valid" if config.train_on_valid else "train"


def build(
    settings: TrainSettings,
    architecture: Architecture,
    *,
    cache: Path,
    device: torch.device,
    where: str = "architecture",
    progress: Progress | None = None,
) -> TrainObjects:
    """Read the data and make the network, seeded.

    Raises:
        EnasError: data, architecture or settings are unfit.
    """
    for part in (settings.data, settings.network, settings.train, settings.augment):
        check(part)
    space = load(settings.space)
    encode(architecture, space.steps(architecture.size), where)
    task: Task = space.task.load(settings.data, settings.augment, cache=cache, device=device, progress=progress)
    task = in_precision(task, settings.train.precision, device)
    task.steps(
        trained_part(settings.train), settings.train.batch_size
    )  # refused now rather than after the folder is made
    torch.manual_seed(settings.train.seed)
    network = space.network(settings.network, task.spec, architecture)
    network.to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a keyword that the stubs lack
    return TrainObjects(architecture, task, network, settings.train)
