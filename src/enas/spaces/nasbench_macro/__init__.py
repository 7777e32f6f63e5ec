"""The space of NAS-Bench-Macro (Su et al. 2021, arXiv 2103.11922): one of three blocks for each of eight layers.

All of its 6,561 architectures were trained on CIFAR-10 and their accuracies published, so a search can be judged at once.
"""

from collections.abc import Mapping

from enas.notation import Strings, one_line
from enas.space import Space
from enas.spaces.nasbench_macro.network import NasBenchMacroNetworkConfig, Network
from enas.spaces.nasbench_macro.presets import PRESETS
from enas.spaces.nasbench_macro.steps import SIZE, steps
from enas.spaces.nasbench_macro.strings import NAME, read_string, write_string
from enas.spaces.nasbench_macro.supernet import NasBenchMacroSupernetConfig, Supernet
from enas.spaces.nasbench_macro.wiring import wiring
from enas.tasks.images import ImageTask


def _size(config: NasBenchMacroSupernetConfig) -> Mapping[str, int]:
    return SIZE


STRINGS = Strings(write_string, read_string)
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
    strings=STRINGS,
    notations=(one_line(STRINGS, "eight digits from 0 to 2, as in 02012100"),),
)
"""What the rest of the program knows of this space."""
