"""The macro space: a whole convolutional network, layer by layer (Pham et al. 2018, section 2.3)."""

from collections.abc import Mapping

from enas.space import Space
from enas.spaces.macro.network import MacroNetworkConfig, Network
from enas.spaces.macro.presets import PRESETS
from enas.spaces.macro.reference import NOTATIONS
from enas.spaces.macro.steps import steps
from enas.spaces.macro.supernet import MacroSupernetConfig, Supernet
from enas.spaces.macro.wiring import wiring
from enas.tasks.images import ImageTask


def _size(config: MacroSupernetConfig) -> Mapping[str, int]:
    return {"layers": config.layers}


SPACE = Space(
    name="macro",
    task=ImageTask,
    supernet_config=MacroSupernetConfig,
    network_config=MacroNetworkConfig,
    size=_size,
    steps=steps,
    supernet=Supernet,
    network=Network,
    wiring=wiring,
    presets=PRESETS,
    published={"enas-macro": "enas-macro.json"},
    notations=NOTATIONS,
)
"""What the rest of the program knows of this space."""
