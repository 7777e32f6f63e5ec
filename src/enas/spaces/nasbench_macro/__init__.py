"""The space of NAS-Bench-Macro (Su et al. 2021, arXiv 2103.11922): one of three blocks for each of eight layers.

All of its 6,561 architectures were trained on CIFAR-10 and their accuracies published, so a search can be judged at once.
"""

from collections.abc import Mapping

from enas.space import Space, Strings
from enas.spaces.nasbench_macro.network import NasBenchMacroNetworkConfig, Network
from enas.spaces.nasbench_macro.presets import PRESETS
from enas.spaces.nasbench_macro.steps import SIZE, steps
from enas.spaces.nasbench_macro.strings import NAME, read_string, write_string
from enas.spaces.nasbench_macro.supernet import NasBenchMacroSupernetConfig, Supernet
from enas.spaces.nasbench_macro.wiring import wiring
from enas.tasks.images import ImageTask


def _size(config: NasBenchMacroSupernetConfig) -> Mapping[str, int]:
    return SIZE


SPACE = Space(
    name=NAME,
    task=ImageTask,
    supernet_config=NasBenchMacroSupernetConfig,
    network_config=NasBenchMacroNetworkConfig,
    size=_size,
    steps=steps,
    supernet=Supernet,
    network=Network,
    wiring=wiring,
    presets=PRESETS,
    published={},
    strings=Strings(write_string, read_string),
)
"""What the rest of the program knows of this space."""
