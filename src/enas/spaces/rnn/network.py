"""Stand-alone language model of a cell, to be trained from scratch; also the LSTM that it is measured against.

Letters of shapes: T places, B texts, H width.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from enas.architecture import Architecture, encode
from enas.bounds import Count, Decay, NotNegative, Positive
from enas.data.text import TextSpec
from enas.nn.language import Regularisation, Words
from enas.spaces.rnn.steps import is_lstm, steps
from enas.spaces.rnn.supernet import predict
from enas.spaces.rnn.wiring import Average, cell_of
from enas.tasks.text import Prediction


@dataclass(frozen=True)
class RnnNetworkConfig:
    """Size and regularisation of the network that is trained from scratch."""

    width: Count = 748
    """Width of state and embedding."""
    average: Average = "loose_ends"
    """Nodes whose mean is the output and the next state: those that no other node reads, or all but the first."""
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
    """Probability of dropping a feature of the states that the cell multiplies, the same at all nodes and places; LSTM: of its
    recurrent weights, the same at all places of a window (Merity, Keskar and Socher 2018)."""
    drop_output: Decay = 0.0
    """Probability of dropping a feature of the cell's output, the same at all places."""
    activation_penalty: NotNegative = 0.0
    """Weight of the mean square of the dropped output in the loss (activation regularisation)."""
    temporal_penalty: NotNegative = 0.0
    """Weight of the mean square of the output's change from place to place (temporal regularisation, slowness)."""


def build_network(config: RnnNetworkConfig, spec: TextSpec, architecture: Architecture) -> nn.Module:
    """The language model of an architecture, or of the LSTM.

    Raises:
        ArchitectureError: the architecture does not fit the RNN space.
    """
    encode(architecture, steps(architecture.size))  # checks every choice
    return LstmNetwork(config, spec) if is_lstm(architecture.size) else Network(config, spec, architecture)


class Network(nn.Module):
    """One cell with weights of its own."""

    def __init__(self, config: RnnNetworkConfig, spec: TextSpec, architecture: Architecture) -> None:
        super().__init__()
        self.cell, self.longest = cell_of(architecture, config.average), config.longest_state
        width, limit = config.width, config.weight_range
        self.words = Words(spec.vocabulary, width, limit, Regularisation.of(config))
        self.entry = nn.Parameter(torch.empty(width, 2 * width).uniform_(-limit, limit))
        self.weights = nn.ParameterList(
            torch.empty(width, 2 * width).uniform_(-limit, limit) for _ in self.cell.operations
        )

    def forward(self, tokens: Int64[Tensor, "T B"], hidden: Float[Tensor, "B H"] | None = None) -> Prediction:
        """What the cell predicts; `hidden` is the state before the window, None at the start of a text."""
        return predict(self.words, self.cell, tokens, hidden, [self.entry, *self.weights], longest=self.longest)


class LstmNetwork(nn.Module):
    """One layer of `torch.nn.LSTM` between the same embedding and decoder."""

    def __init__(self, config: RnnNetworkConfig, spec: TextSpec) -> None:
        super().__init__()
        self.words = Words(spec.vocabulary, config.width, config.weight_range, Regularisation.of(config))
        self.lstm = nn.LSTM(config.width, config.width)
        for parameter in self.lstm.parameters():
            nn.init.uniform_(parameter, -config.weight_range, config.weight_range)

    def forward(self, tokens: Int64[Tensor, "T B"], hidden: Any = None) -> Prediction:
        """What the LSTM predicts; `hidden` is a pair of states "1 B H"."""
        x, drop = self.words.embed(tokens), self.words.regularisation.drop_hidden
        state = hidden
        if state is None:
            zero = x.new_zeros(1, *x.shape[1:])
            state = (zero, zero)
        if not self.training or drop == 0:
            output, after = self.lstm(x, state)
        else:
            recurrent = dict(self.lstm.named_parameters())["weight_hh_l0"]
            dropped: dict[str, Tensor] = {"weight_hh_l0": nn.functional.dropout(recurrent, drop)}
            output, after = torch.func.functional_call(self.lstm, dropped, (x, state))
        return self.words.predict(output, after)
