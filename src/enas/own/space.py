"""`own_space`: a whole `Space` from three things: questions, a model, and its settings."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, make_dataclass
from typing import Any, get_type_hints

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from enas.architecture import Architecture, encode
from enas.bounds import check
from enas.decisions import Step
from enas.errors import ArchitectureError, UsageError
from enas.own.recipe import Recipe
from enas.own.wiring import graph_of
from enas.space import FollowsProgress, Graph, Space
from enas.tasks.images import ImageTask


@dataclass(frozen=True)
class NoSize:
    """Nothing: the questions are always the same."""


@dataclass(frozen=True)
class NoConfig:
    """Nothing: the model has no settings."""


def own_space(
    *,
    questions: Callable[[Any], Sequence[Step]],
    model: Callable[[Any, Any, Any, Architecture | None], nn.Module],
    size: type = NoSize,
    config: type = NoConfig,
    task: Any = ImageTask,
    recipes: Mapping[str, Recipe] | None = None,
    wiring: Callable[[Architecture], Graph] | None = None,
) -> Space:
    """Make a search space.

    Args:
        questions: size -> the controller's questions.
        model: (config, size, spec, architecture) -> module; `spec` says what the data is (`ImageSpec`, `TextSpec`). Where
            `architecture` is None, the module holds shared weights of all architectures, else those of that one only; a
            `Choice` sees to that. Its forward(*inputs, architecture) computes the architecture: images -> logits.
        size: Frozen dataclass of whole numbers that the questions depend on, each with a default. They become flags of the
            search, and go into `architecture.json`.
        config: Frozen dataclass of other settings of the model, each with a default. They become flags of search and training.
        task: The kind of data: `ImageTask` or `TextTask`.
        recipes: Name -> settings; None: "cpu" and "demo" with all defaults.
        wiring: architecture -> drawing; None: made from the questions (`graph_of`).

    Raises:
        UsageError: a class of settings does not fit.
    """
    for kind in (size, config):
        _check_defaults(kind)
    both = {item.name for item in fields(size)} & {item.name for item in fields(config)}
    if both:
        raise UsageError(f"{size.__name__} and {config.__name__} both have a field {min(both)!r}: rename one")
    supernet_config = make_dataclass("SupernetConfig", (), bases=(size, config), frozen=True)
    supernet_config.__doc__ = config.__doc__
    maker = _Maker(questions, model, size, config)
    known = {"cpu": Recipe("cpu"), "demo": Recipe("demo")} if recipes is None else recipes
    presets = {
        name: recipe.preset(size=size, config=config, supernet_config=supernet_config, task=task)
        for name, recipe in known.items()
    }
    return Space(
        name="own",
        task=task,
        supernet_config=supernet_config,
        network_config=config,
        size=maker.size_of,
        steps=maker.steps,
        supernet=maker.supernet,
        network=maker.network,
        wiring=wiring or (lambda architecture: graph_of(architecture, maker.steps(architecture.size))),
        presets=presets,
        published={},
    )


@dataclass(frozen=True)
class _Maker:
    """The functions of a `Space`, made from those of the user."""

    questions: Callable[[Any], Sequence[Step]]
    model: Callable[[Any, Any, Any, Architecture | None], nn.Module]
    size: type
    config: type

    def size_of(self, settings: Any) -> Mapping[str, int]:
        return {item.name: int(getattr(settings, item.name)) for item in fields(self.size)}

    def sizes(self, numbers: Mapping[str, int]) -> Any:
        names = {item.name for item in fields(self.size)}
        if set(numbers) != names:
            expected = ", ".join(sorted(names)) or "empty"
            raise ArchitectureError(f"the size of an architecture of this space is {expected}, not {dict(numbers)}")
        hints = get_type_hints(self.size)
        found = self.size(**{name: hints[name](value) for name, value in numbers.items()})
        try:
            check(found)
        except UsageError as error:
            raise ArchitectureError(f"the size {dict(numbers)} is none of this space: {error}") from error
        return found

    def steps(self, numbers: Mapping[str, int]) -> tuple[Step, ...]:
        return tuple(self.questions(self.sizes(numbers)))

    def supernet(self, settings: Any, spec: Any, *, running_statistics: bool = False) -> nn.Module:
        values = {item.name: getattr(settings, item.name) for item in fields(self.config)}
        module = self.model(self.config(**values), self.sizes(self.size_of(settings)), spec, None)
        norms = [part for part in module.modules() if isinstance(part, _BatchNorm)]
        if running_statistics and not norms:
            raise UsageError("--batch-norm running: this space has no batch norm; leave it out")
        if not running_statistics:
            for norm in norms:  # averages over all architectures would fit none of them
                norm.track_running_stats, norm.num_batches_tracked = False, None
                norm.running_mean = norm.running_var = None
        return module

    def network(self, settings: Any, spec: Any, architecture: Architecture) -> nn.Module:
        encode(architecture, self.steps(architecture.size))  # checks every choice
        module = self.model(settings, self.sizes(architecture.size), spec, architecture)
        kind = AloneWithProgress if isinstance(module, FollowsProgress) else Alone
        return kind(module, architecture)


class Alone(nn.Module):
    """A model of one architecture as a network of its own: `forward` takes no architecture."""

    def __init__(self, model: nn.Module, architecture: Architecture) -> None:
        super().__init__()
        self.model, self.architecture = model, architecture

    def forward(self, *inputs: Any) -> Any:
        """What the model makes of the inputs."""
        return self.model(*inputs, self.architecture)


class AloneWithProgress(Alone):
    """The same for a model that changes over its training."""

    def set_progress(self, fraction: float) -> None:
        """Hand on the share of all training steps that is over when this step is."""
        assert isinstance(self.model, FollowsProgress)
        self.model.set_progress(fraction)


def _check_defaults(kind: type) -> None:
    if not dataclasses.is_dataclass(kind) or not kind.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise UsageError(f"{kind.__name__} must be a frozen dataclass: put @dataclass(frozen=True) above it")
    for item in fields(kind):
        if item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
            raise UsageError(f"{kind.__name__}.{item.name} needs a default")
