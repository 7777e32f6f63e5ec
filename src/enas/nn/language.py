"""What language models share: words in, features out, with the regularisation of Merity, Keskar and Socher 2018.

Letters of shapes: T places in a window, B texts side by side, H width, V vocabulary.
"""

from dataclasses import dataclass, fields
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from enas.tasks.text import Prediction


@dataclass(frozen=True)
class Regularisation:
    """Probabilities of dropping, and weights of penalties; all of them act in training only."""

    drop_word: float
    """Of a word type in one text of the batch, wherever it recurs in the window."""
    drop_embedding: float
    """Of a word type in all texts of the batch."""
    drop_input: float
    """Of a feature of the embedded words; the same at all places of the window, as the next two."""
    drop_hidden: float
    """Of a feature of the states that the cell multiplies."""
    drop_output: float
    """Of a feature of the cell's output before the decoder."""
    activation_penalty: float
    """Weight of the mean square of what the decoder is given."""
    temporal_penalty: float
    """Weight of the mean square of the output's change from place to place."""

    @classmethod
    def of(cls, config: Any) -> "Regularisation":
        """The fields of a larger configuration that have these names."""
        return cls(**{item.name: getattr(config, item.name) for item in fields(cls)})


def same_mask(x: Float[Tensor, "*places B H"], drop: float, *, training: bool) -> Float[Tensor, "B H"] | None:
    """A dropout mask for all places of a window (Gal and Ghahramani 2016); None where nothing is dropped."""
    if not training or drop == 0:
        return None
    return torch.empty(x.shape[-2:], dtype=x.dtype, device=x.device).bernoulli_(1 - drop).div_(1 - drop)


class Words(nn.Module):
    """The embedding of the words, which is the decoder too."""

    def __init__(self, vocabulary: int, width: int, init_range: float, regularisation: Regularisation) -> None:
        super().__init__()
        self.regularisation = regularisation
        self.weight = nn.Parameter(torch.empty(vocabulary, width).uniform_(-init_range, init_range))

    def embed(self, tokens: Int64[Tensor, "T B"]) -> Float[Tensor, "T B H"]:
        """Embedded words; in training some of them, and some features, are zero."""
        x = F.embedding(tokens, self.weight)
        if self.training:
            kept = self._kept(tokens)
            x = x if kept is None else x * kept[..., None]
        mask = same_mask(x, self.regularisation.drop_input, training=self.training)
        return x if mask is None else x * mask

    def predict(self, output: Float[Tensor, "T B H"], hidden: Any) -> Prediction:
        """Make a prediction of what a cell put out; `hidden` is its last state."""
        rules = self.regularisation
        mask = same_mask(output, rules.drop_output, training=self.training)
        features = output if mask is None else output * mask
        penalty = None
        if self.training and rules.activation_penalty:
            penalty = rules.activation_penalty * features.square().mean()
        if self.training and rules.temporal_penalty and len(output) > 1:
            temporal = rules.temporal_penalty * (output[1:] - output[:-1]).square().mean()
            penalty = temporal if penalty is None else penalty + temporal
        return Prediction(features, self.weight, hidden, penalty)

    def _kept(self, tokens: Int64[Tensor, "T B"]) -> Float[Tensor, "T B"] | None:
        """1 / keep where a word stays, 0 where it is dropped; None where none can be."""
        rules, kept = self.regularisation, None
        if rules.drop_word:
            types = self.weight.new_empty(len(self.weight), tokens.shape[1]).bernoulli_(1 - rules.drop_word)
            kept = types.gather(0, tokens) / (1 - rules.drop_word)
        if rules.drop_embedding:
            types = self.weight.new_empty(len(self.weight)).bernoulli_(1 - rules.drop_embedding)
            mine = types[tokens] / (1 - rules.drop_embedding)
            kept = mine if kept is None else kept * mine
        return kept
