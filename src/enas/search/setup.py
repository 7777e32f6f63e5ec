"""From settings to the objects of a search, and back from a run's folder."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from enas.bounds import check
from enas.config import ControllerConfig, DataConfig, SearchConfig
from enas.controller import Controller
from enas.data.progress import Progress
from enas.decisions import Op, Step, decisions
from enas.errors import RunError, UsageError
from enas.flags import from_dict
from enas.search.reinforce import check_update
from enas.search.scoring import Decoder
from enas.space import Space
from enas.spaces import load
from enas.tasks.mixed import in_precision
from enas.tasks.task import Task


@dataclass(frozen=True)
class SearchSettings:
    """Everything that decides the result of a search; `config.json` of its run."""

    space: str
    preset: str
    data: DataConfig
    supernet: Any  # an instance of the space's supernet_config
    controller: ControllerConfig
    search: SearchConfig
    augment: Any  # an instance of the options of the space's task

    @classmethod
    def from_preset(cls, space: Space, preset: str, data: DataConfig) -> "SearchSettings":
        """The settings of a named recipe.

        Raises:
            UsageError: the space has no such preset.
        """
        if preset not in space.presets:
            raise UsageError(f"{space.label} has no preset {preset!r}: known are {', '.join(space.presets)}")
        chosen = space.presets[preset]
        return cls(space.name, preset, data, chosen.supernet, chosen.controller, chosen.search, chosen.search_augment)

    def to_json(self) -> dict[str, object]:
        """Plain data for `config.json`."""
        return {"kind": "search", **asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], where: str) -> "SearchSettings":
        """Read what `to_json` wrote.

        Raises:
            EnasError: it is not the settings of a search, or damaged.
        """
        if data.get("kind") != "search" or not isinstance(data.get("space"), str):
            raise RunError(f"{where} is not the folder of a search: give one made by 'enas search'")
        space = load(data["space"])
        kinds = {
            "data": DataConfig,
            "supernet": space.supernet_config,
            "controller": ControllerConfig,
            "search": SearchConfig,
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
class SearchObjects:
    """What a search works on."""

    space: Space
    task: Task
    supernet: nn.Module
    controller: Controller
    decoder: Decoder
    config: SearchConfig


def check_sampling(config: SearchConfig, steps: Sequence[Step]) -> None:
    """Refuse settings of sampling and updates that contradict each other, or that a space cannot follow.

    Raises:
        UsageError: names the flags, and says what to do.
    """
    check_update(config)
    fair = "fair" in (config.weights_sampling, config.warmup_sampling)
    if fair and not any(isinstance(decision, Op) for decision in decisions(steps)):
        raise UsageError("fair sampling is of operations, and this space asks for none: sample uniformly")
    if config.warmup_sampling != "uniform" and not config.warmup_epochs:
        raise UsageError(f"--warmup-sampling {config.warmup_sampling} needs --warmup-epochs of at least 1")
    if config.warmup_epochs >= config.epochs:
        raise UsageError(
            f"--warmup-epochs {config.warmup_epochs} leaves none of the {config.epochs} epochs to the controller: lower it"
        )
    if config.fix_reward_batch and not config.share_reward_batch:
        raise UsageError("--fix-reward-batch gives all architectures one batch, --no-share-reward-batch each its own")
    if config.derive_from == "uniform" and config.controller_steps:
        raise UsageError("--derive-from uniform makes no use of a controller: add --controller-steps 0")


def build(
    settings: SearchSettings, *, cache: Path, device: torch.device, progress: Progress | None = None
) -> SearchObjects:
    """Read the data and make supernet and controller, seeded.

    Raises:
        EnasError: data or settings are unfit.
    """
    for part in (settings.data, settings.supernet, settings.controller, settings.search, settings.augment):
        check(part)
    space = load(settings.space)
    size = dict(space.size(settings.supernet))
    steps = space.steps(size)
    check_sampling(settings.search, steps)
    task: Task = space.task.load(settings.data, settings.augment, cache=cache, device=device, progress=progress)
    task = in_precision(task, settings.search.precision, device)
    task.steps("train", settings.search.batch_size)  # refused now rather than after the folder is made
    torch.manual_seed(settings.search.seed)
    running = settings.search.batch_norm == "running"
    supernet = space.supernet(settings.supernet, task.spec, running_statistics=running)
    controller = Controller(steps, settings.controller)
    supernet.to(device)
    supernet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a keyword that the stubs lack
    return SearchObjects(space, task, supernet, controller, Decoder(space.name, steps, size), settings.search)
