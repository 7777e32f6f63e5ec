"""Search network of the RNN space: one pair of matrices for every edge, of which an architecture uses one a node.

Source: Pham et al. 2018, section 2.1; the authors' code has one pair for each edge and activation. Parameter counts agree with
both (tests/spaces/rnn). Letters of shapes: T places, B texts, H width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from enas.architecture import Architecture
from enas.bounds import Bounds, Count, Decay, NotNegative, Positive
from enas.data.text import TextSpec
from enas.errors import UsageError
from enas.nn.language import Regularisation, Words, same_mask
from enas.spaces.rnn.cell import run_cell
from enas.spaces.rnn.plain import run_plainly
from enas.spaces.rnn.steps import ACTIVATIONS
from enas.spaces.rnn.wiring import Average, Cell, cell_of
from enas.tasks.text import Prediction


@dataclass(frozen=True)
class RnnSupernetConfig:
    """Size and regularisation of the search network."""

    nodes: Annotated[int, Bounds(2, 1000)] = 12
    """Nodes of the cell, the first of which reads the word and the state before."""
    tanh_first: bool = False
    """Whether the first node is always tanh and the questions are those of the authors' corrected language model."""
    average: Average = "loose_ends"
    """Nodes whose mean is the output and the next state: those that no other node reads, or all but the first."""
    weights_for: Literal["edge", "edge_and_activation"] = "edge"
    """What has weights of its own: each pair of nodes (paper), or each pair with each activation (authors' code)."""
    width: Count = 200
    """Width of state and embedding."""
    weight_range: NotNegative = 0.04
    """All weights start uniform in plus and minus this."""
    longest_state: Positive | None = None
    """Largest norm of the state of one text, which is shortened to it at each place: some cells would grow without end; None:
    off."""
    drop_word: Decay = 0.0
    """Probability of dropping all places of a word in one text of the batch."""
    drop_embedding: Decay = 0.0
    """Probability of dropping all places of a word in all texts of the batch."""
    drop_input: Decay = 0.0
    """Probability of dropping a feature of the embedded words, the same at all places."""
    drop_hidden: Decay = 0.0
    """Probability of dropping a feature of the states that the cell multiplies, the same at all nodes and places."""
    drop_output: Decay = 0.0
    """Probability of dropping a feature of the cell's output, the same at all places."""
    activation_penalty: NotNegative = 0.0
    """Weight of the mean square of the dropped output in the loss (activation regularisation)."""
    temporal_penalty: NotNegative = 0.0
    """Weight of the mean square of the output's change from place to place (temporal regularisation, slowness)."""


class Supernet(nn.Module):
    """Shared weights; `forward` computes one architecture and touches nothing else."""

    def __init__(self, config: RnnSupernetConfig, spec: TextSpec, *, running_statistics: bool = False) -> None:
        """Make the weights of all edges.

        Args:
            config: Sizes.
            spec: Size of the vocabulary.
            running_statistics: Must be False: there is no batch norm.

        Raises:
            UsageError: running statistics are asked for.
        """
        super().__init__()
        if running_statistics:
            raise UsageError("--batch-norm running: the cell of the RNN space has no batch norm; leave it out")
        self.config, width = config, config.width
        self.words = Words(spec.vocabulary, width, config.weight_range, Regularisation.of(config))

        def matrix() -> nn.Parameter:
            return nn.Parameter(torch.empty(width, 2 * width).uniform_(-config.weight_range, config.weight_range))

        first = ("tanh",) if config.tanh_first else ACTIVATIONS
        self.entries = nn.ParameterDict({name: matrix() for name in self._names("x_node0", first)})
        self.edges = nn.ParameterDict({name: matrix() for name in self._names("h_node0", first)})
        for node in range(1, config.nodes):
            for source in range(node):
                for name in self._names(f"node{source}_node{node}", ACTIVATIONS):
                    self.edges[name] = matrix()

    def forward(
        self, tokens: Int64[Tensor, "T B"], hidden: Float[Tensor, "B H"] | None, architecture: Architecture
    ) -> Prediction:
        """What one architecture predicts; `hidden` is the state before the window, None at the start of a text."""
        cell = cell_of(architecture, self.config.average)
        entry = self.entries[self._name("x_node0", cell.operations[0])]
        return predict(
            self.words, cell, tokens, hidden, [entry, *self._weights(cell)], longest=self.config.longest_state
        )

    def _weights(self, cell: Cell) -> list[Tensor]:
        """Those of a cell, node by node."""
        keys = ["h_node0", *(f"node{source}_node{node}" for node, source in enumerate(cell.sources) if node)]
        return [self.edges[self._name(key, name)] for key, name in zip(keys, cell.operations, strict=True)]

    def _name(self, edge: str, activation: str) -> str:
        return edge if self.config.weights_for == "edge" else f"{edge}_{activation}"

    def _names(self, edge: str, activations: tuple[str, ...]) -> list[str]:
        return list(dict.fromkeys(self._name(edge, activation) for activation in activations))


def predict(
    words: Words,
    cell: Cell,
    tokens: Int64[Tensor, "T B"],
    hidden: Float[Tensor, "B H"] | None,
    weights: Sequence[Float[Tensor, "H twoH"]],
    *,
    longest: float | None,
) -> Prediction:
    """What a cell predicts: the part that supernet and network share.

    Args:
        words: Embedding and decoder.
        cell: The wiring.
        tokens: The window.
        hidden: State before it; None at the start of a text.
        weights: What multiplies the word, then that of each node.
        longest: Largest norm of a state; None: no limit.
    """
    x = words.embed(tokens)
    mask = same_mask(x, words.regularisation.drop_hidden, training=words.training)
    state = x.new_zeros(x.shape[1:]) if hidden is None else hidden
    if torch.compiler.is_compiling():  # or exporting: the cell's own function writes into buffers of one size
        assert mask is None, "nothing is dropped outside training"
        output = run_plainly(cell, x @ weights[0], state, weights[1:], longest=longest)
    else:
        output = run_cell(cell, x @ weights[0], state, mask, weights[1:], longest=longest)
    return words.predict(output, output[-1])
