"""The micro space: a normal and a reduction cell that are stacked to a network (Pham et al. 2018, section 2.4)."""

from collections.abc import Mapping

from enas.space import Space
from enas.spaces.micro.network import MicroNetworkConfig, Network
from enas.spaces.micro.presets import PRESETS
from enas.spaces.micro.reference import NOTATIONS
from enas.spaces.micro.steps import steps
from enas.spaces.micro.supernet import MicroSupernetConfig, Supernet
from enas.spaces.micro.wiring import wiring
from enas.tasks.images import ImageTask


def _size(config: MicroSupernetConfig) -> Mapping[str, int]:
    return {"nodes": config.nodes, "all_nodes": int(config.all_nodes)}


SPACE = Space(
    name="micro",
    task=ImageTask,
    supernet_config=MicroSupernetConfig,
    network_config=MicroNetworkConfig,
    size=_size,
    steps=steps,
    supernet=Supernet,
    network=Network,
    wiring=wiring,
    presets=PRESETS,
    published={"enas-micro": "enas-micro.json", "darts-v1": "darts-v1.json"},
    notations=NOTATIONS,
)
"""What the rest of the program knows of this space."""
