"""The space of NAS-Bench-201 (Dong and Yang 2020, arXiv 2001.00326): a cell of four nodes, 15,625 architectures."""

from collections.abc import Mapping

from enas.notation import Strings, one_line
from enas.space import Space
from enas.spaces.nasbench201.network import NasBench201NetworkConfig, Network
from enas.spaces.nasbench201.presets import PRESETS
from enas.spaces.nasbench201.steps import SIZE, steps
from enas.spaces.nasbench201.strings import NAME, read_string, write_string
from enas.spaces.nasbench201.supernet import NasBench201SupernetConfig, Supernet
from enas.spaces.nasbench201.wiring import wiring
from enas.tasks.images import ImageTask


def _size(config: NasBench201SupernetConfig) -> Mapping[str, int]:
    return SIZE


STRINGS = Strings(write_string, read_string)
SPACE = Space(
    name=NAME,
    task=ImageTask,
    supernet_config=NasBench201SupernetConfig,
    network_config=NasBench201NetworkConfig,
    size=_size,
    steps=steps,
    supernet=Supernet,
    network=Network,
    wiring=wiring,
    presets=PRESETS,
    published={},
    strings=STRINGS,
    notations=(one_line(STRINGS, "the benchmark's string, as in |op~0|+|op~0|op~1|+|op~0|op~1|op~2|"),),
)
"""What the rest of the program knows of this space."""
