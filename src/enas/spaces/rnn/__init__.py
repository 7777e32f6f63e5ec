"""The RNN space: a recurrent cell, node by node, for language modelling (Pham et al. 2018, section 2.1)."""

from collections.abc import Mapping

from enas.space import Space
from enas.spaces.rnn.network import RnnNetworkConfig, build_network
from enas.spaces.rnn.presets import PRESETS
from enas.spaces.rnn.reference import NOTATIONS
from enas.spaces.rnn.steps import steps
from enas.spaces.rnn.supernet import RnnSupernetConfig, Supernet
from enas.spaces.rnn.wiring import wiring
from enas.tasks.text import TextTask


def _size(config: RnnSupernetConfig) -> Mapping[str, int]:
    return {"nodes": config.nodes, "tanh_first": int(config.tanh_first)}


SPACE = Space(
    name="rnn",
    task=TextTask,
    supernet_config=RnnSupernetConfig,
    network_config=RnnNetworkConfig,
    size=_size,
    steps=steps,
    supernet=Supernet,
    network=build_network,
    wiring=wiring,
    presets=PRESETS,
    published={
        "enas-rnn": "enas-rnn.json",
        "enas-ptb": "enas-rnn.json",  # the same cell by the name of its data
        "enas-lm": "enas-lm.json",
        "darts-rnn": "darts-rnn.json",
        "lstm": "lstm.json",
    },
    notations=NOTATIONS,
)
"""What the rest of the program knows of this space."""
