"""Questions of the RNN space: for each node an earlier node and an activation (Pham et al. 2018, section 2.1)."""

from collections.abc import Mapping

from enas.decisions import Input, Op, Step, Vocabulary
from enas.errors import ArchitectureError

ACTIVATIONS = ("tanh", "relu", "identity", "sigmoid")
"""In the order of the authors' first code; their language model swaps the last two."""
VOCABULARY = Vocabulary(ACTIVATIONS)
LOCALITY = 6.0
"""The authors' first code subtracts a sixth of the squared distance from the logit of a node."""
LSTM_SIZE = {"lstm": 1}
"""The size of a yardstick, not of the space: one layer of `torch.nn.LSTM`, about which nothing is asked."""


def node_name(index: int) -> str:
    """Name of a node."""
    return f"node{index}"


def is_lstm(size: Mapping[str, int]) -> bool:
    """Whether a size means the yardstick."""
    return dict(size) == LSTM_SIZE


def steps(size: Mapping[str, int]) -> tuple[Step, ...]:
    """The questions for a cell of `nodes` nodes.

    With `tanh_first` 0 they are those of the paper and the authors' first code: the activation of node 0 is asked, and near
    nodes are preferred. With 1 they are those of the authors' corrected language model: node 0 is tanh and a zero vector to the
    controller, and there is no preference (docs/details.md).

    Raises:
        ArchitectureError: the size is not {"nodes": 2 or more, "tanh_first": 0 or 1}, nor that of the LSTM.
    """
    if is_lstm(size):
        return ()
    if set(size) != {"nodes", "tanh_first"} or not 2 <= size["nodes"] <= 1000 or size["tanh_first"] not in (0, 1):
        raise ArchitectureError(f"the size of a cell is 'nodes', 2 to 1000, and 'tanh_first', 0 or 1, not {dict(size)}")
    corrected = size["tanh_first"] == 1
    ticks = [Step(remember=node_name(0), blank=corrected)]
    if not corrected:
        ticks.append(Step(Op("node0.op", VOCABULARY)))
    for node in range(1, size["nodes"]):
        name, candidates = node_name(node), tuple(node_name(index) for index in range(node))
        question = Input(f"{name}.input", candidates, None if corrected else LOCALITY)
        ticks.append(Step(question, remember=None if corrected else name))
        ticks.append(Step(Op(f"{name}.op", VOCABULARY), remember=name if corrected else None))
    return tuple(ticks)
