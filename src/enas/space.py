"""`Space`: the contract of a search space. A user's own space is one file that makes one of these."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from torch import nn

from enas.architecture import Architecture
from enas.config import ControllerConfig, SearchConfig, TrainConfig
from enas.decisions import Step
from enas.notation import Notation, Strings
from enas.space_file import ATTRIBUTE, file_and_attribute


@dataclass(frozen=True)
class Node:
    """A box of a drawing."""

    name: str
    label: str
    """Text inside the box."""
    kind: str
    """What decides the colour and stands in the legend: an operation's name, "input", "output", "reduction", ..."""
    panel: str = ""
    """Heading of the part of the drawing where the box stands; parts stand side by side, and no arrow joins them."""


@dataclass(frozen=True)
class Edge:
    """An arrow of a drawing."""

    source: str
    target: str
    kind: Literal["flow", "skip"] = "flow"
    """Main data flow, or a skip connection (drawn as an arc)."""
    label: str = ""


@dataclass(frozen=True)
class Graph:
    """What `enas draw` shows of an architecture."""

    title: str
    nodes: tuple[Node, ...]
    """In topological order; a chain is drawn in this order."""
    edges: tuple[Edge, ...]
    layout: Literal["chain", "layered"] = "layered"
    """"chain": nodes in one line, skips as arcs (a whole network). "layered": by distance from the inputs (a cell)."""


@dataclass(frozen=True)
class Preset:
    """All settings of a named recipe; flags of the command line override single fields."""

    supernet: Any  # an instance of the space's supernet_config
    network: Any  # an instance of the space's network_config
    controller: ControllerConfig
    search: SearchConfig
    train: TrainConfig
    search_augment: Any  # an instance of the options of the space's task
    train_augment: Any  # likewise


@runtime_checkable
class FollowsProgress(Protocol):
    """A stand-alone network that changes over its training (drop-path); the training loop tells it before each step."""

    def set_progress(self, fraction: float) -> None:
        """Take note of the share of all training steps that is over when this step is: above 0, and 1 at the last step."""


@dataclass(frozen=True)
class Space:
    """Table of contents of a search space. Configs are frozen dataclasses of the space's own; `spec` is its task's `spec`."""

    name: str
    task: Any  # type[Task], which cannot be checked at run time since the protocol has data members
    """The class of data: a `Task`, with its `load` and `options`."""
    supernet_config: type
    """Sizes of the search network."""
    network_config: type
    """Sizes of the network that is trained from scratch."""
    size: Callable[[Any], Mapping[str, int]]
    """supernet config -> the numbers from which `steps` is made; they go into `architecture.json`."""
    steps: Callable[[Mapping[str, int]], tuple[Step, ...]]
    """size -> the controller's questions. Raises ArchitectureError when the size is not one of this space."""
    supernet: Callable[..., nn.Module]
    """(supernet config, spec, running_statistics=bool) -> module; forward(*inputs, architecture), where the inputs
    and the result are those that the task's `step` gives and takes (images: logits, or what else its `loss` takes)."""
    network: Callable[..., nn.Module]
    """(network config, spec, architecture) -> stand-alone module; forward(*inputs) as above; it may be a
    `FollowsProgress`."""
    wiring: Callable[[Architecture], Graph]
    """architecture -> drawing."""
    presets: Mapping[str, Preset]
    """"paper", "cpu", "demo", ..."""
    published: Mapping[str, str]
    """Name of a published architecture -> file name in the space's folder `published`."""
    strings: Strings | None = None
    """The short form of an architecture by which tables of accuracies name it; None: there is none."""
    notations: tuple[Notation, ...] = ()
    """How other programs write its architectures down, for `enas convert` and for sources; the first one is the usual one."""

    @property
    def label(self) -> str:
        """The name without folders, fit for a title or for the name of a folder."""
        found = file_and_attribute(self.name)
        if found is None:
            return self.name
        stem = Path(found[0]).stem
        return stem if found[1] == ATTRIBUTE else f"{stem}-{found[1]}"

    @property
    def default_preset(self) -> str:
        """The recipe that is used where none is named: "cpu", or else the first."""
        return "cpu" if "cpu" in self.presets else next(iter(self.presets))
