"""One LSTM policy for every space: it samples many architectures at once, or scores given ones.

Source: Pham et al. 2018, section 2, and the authors' three controllers, which are this one with other steps and constants.
Letters of shapes: n architectures, L code columns, H width of the LSTM, k candidates, V operations.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from enas.config import ControllerConfig
from enas.decisions import Decision, Input, Op, Skips, Step, Vocabulary, check_steps, choices_of, columns, decisions


@dataclass(frozen=True)
class Sample:
    """Architectures with what the policy says of them; all but `codes` carry gradients to the controller."""

    codes: Int[Tensor, "n L"]
    log_prob: Float[Tensor, " n"]
    """Log-probability of the whole architecture, in nats."""
    entropy: Float[Tensor, " n"]
    """Sum of the entropies of all questions along the way, in nats."""
    skip_penalty: Float[Tensor, " n"]
    """Kullback-Leibler distance of the skip probabilities from the target: summed over the candidates of a question, mean
    over the questions; 0 where a space has no skips."""


@dataclass
class _Trace:
    """What one pass gathers, question by question."""

    codes: list[Int[Tensor, "n k"]]
    log_probs: list[Float[Tensor, " n"]]
    entropies: list[Float[Tensor, " n"]]
    penalties: list[Float[Tensor, " n"]]


class Controller(nn.Module):
    """The policy: an LSTM without biases, softmax over operations, attention over remembered nodes."""

    def __init__(self, steps: Sequence[Step], config: ControllerConfig) -> None:
        """Build the policy for the questions of a space.

        Raises:
            UsageError: the questions cannot be asked (see `decisions.check_steps`).
        """
        super().__init__()
        check_steps(steps)
        self.steps, self.config = tuple(steps), config
        width = config.hidden
        self.lstm = nn.Parameter(torch.empty(2 * width, 4 * width))  # on [input ; h]; gates i, f, o, g
        self.start = nn.Parameter(torch.empty(1, width))
        self.vocabularies: dict[Vocabulary, int] = {}
        for decision in decisions(steps):
            if isinstance(decision, Op):
                self.vocabularies.setdefault(decision.vocabulary, len(self.vocabularies))
        sizes = [len(vocabulary.options) for vocabulary in self.vocabularies]
        self.embeddings = nn.ParameterList(torch.empty(size, width) for size in sizes)
        self.softmaxes = nn.ParameterList([] if config.tie_embedding else (torch.empty(width, size) for size in sizes))
        if any(not isinstance(decision, Op) for decision in decisions(steps)):
            self.attend_anchor = nn.Parameter(torch.empty(width, width))
            self.attend_state = nn.Parameter(torch.empty(width, width))
            self.attend_out = nn.Parameter(torch.empty(width, 1))
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -config.init_range, config.init_range)
        self.biases = nn.ParameterDict(
            {
                str(index): config.op_prior * torch.tensor(words.init_bias)
                for words, index in self.vocabularies.items()
                if words.init_bias
            }
        )

    def forward(
        self, n: int, *, codes: Int[Tensor, "n L"] | None = None, generator: torch.Generator | None = None
    ) -> Sample:
        """Sample n architectures, or score the given ones.

        Args:
            n: Number of architectures.
            codes: Architectures to replay instead of sampling.
            generator: Source of the random choices; not used with `codes`.
        """
        trace = _Trace([], [], [], [])
        hidden = cell = self.start.new_zeros(n, self.config.hidden)
        value = start = self.start.expand(n, -1)
        # A node's anchor, and its attention key, which is computed once.
        anchors: dict[str, tuple[Float[Tensor, "n H"], Float[Tensor, "n H"]]] = {}
        at = 0
        for step in self.steps:
            hidden, cell = self._tick(value, hidden, cell)
            value = start
            if step.decision is not None:
                given = None if codes is None else codes[:, at : at + columns(step.decision)]
                value = self._answer(step.decision, hidden, anchors, given, generator, trace)
                at += columns(step.decision)
            if step.remember is not None:
                anchor = torch.zeros_like(hidden) if step.blank else hidden
                key = hidden @ self.attend_anchor if hasattr(self, "attend_anchor") else hidden
                anchors[step.remember] = (anchor, key)
        zero = hidden.new_zeros(n)
        return Sample(
            torch.cat(trace.codes, dim=1),
            torch.stack(trace.log_probs).sum(0),
            torch.stack(trace.entropies).sum(0),
            torch.stack(trace.penalties).mean(0) if trace.penalties else zero,
        )

    def _tick(
        self, value: Float[Tensor, "n H"], hidden: Float[Tensor, "n H"], cell: Float[Tensor, "n H"]
    ) -> tuple[Float[Tensor, "n H"], Float[Tensor, "n H"]]:
        i, f, o, g = (torch.cat([value, hidden], dim=1) @ self.lstm).chunk(4, dim=1)
        cell = torch.sigmoid(i) * torch.tanh(g) + torch.sigmoid(f) * cell
        return torch.sigmoid(o) * torch.tanh(cell), cell

    def _answer(
        self,
        decision: Decision,
        hidden: Float[Tensor, "n H"],
        anchors: dict[str, tuple[Float[Tensor, "n H"], Float[Tensor, "n H"]]],
        given: Int[Tensor, "n k"] | None,
        generator: torch.Generator | None,
        trace: _Trace,
    ) -> Float[Tensor, "n H"]:
        """Answer one question, note it in the trace, and return the LSTM's next input."""
        if isinstance(decision, Op):
            code = _choose(self._op_logits(decision, hidden), given, generator, trace)
            return self.embeddings[self.vocabularies[decision.vocabulary]][code]
        nodes = [anchors[name] for name in decision.candidates]
        stacked = torch.stack([anchor for anchor, _ in nodes], dim=1)  # n k H
        keys = torch.stack([key for _, key in nodes], dim=1)
        query = (hidden @ self.attend_state)[:, None]
        logits = self._shape((torch.tanh(keys + query) @ self.attend_out)[..., 0])
        if isinstance(decision, Skips):
            bits = _choose_subset(logits, given, self.config.skip_target, generator, trace)
            return (stacked * bits[..., None]).sum(1) / (1 + bits.sum(1, keepdim=True))
        return self._point(decision, logits, stacked, given, generator, trace)

    def _point(
        self,
        decision: Input,
        logits: Float[Tensor, "n k"],
        anchors: Float[Tensor, "n k H"],
        given: Int[Tensor, "n 1"] | None,
        generator: torch.Generator | None,
        trace: _Trace,
    ) -> Float[Tensor, "n H"]:
        distance = torch.arange(len(decision.candidates), 0, -1, device=logits.device)
        if decision.locality is not None:
            logits = logits - distance**2 / decision.locality
        code = _choose(logits, given, generator, trace)
        chosen = anchors[torch.arange(len(code), device=code.device), code]
        return chosen if decision.locality is None else chosen / (0.1 + distance[code])[:, None]

    def _op_logits(self, decision: Op, hidden: Float[Tensor, "n H"]) -> Float[Tensor, "n V"]:
        index = self.vocabularies[decision.vocabulary]
        table = self.embeddings[index].T if self.config.tie_embedding else self.softmaxes[index]
        logits = hidden @ table
        if str(index) in self.biases:
            logits = logits + self.biases[str(index)]
        logits = self._shape(logits, self.config.op_tanh_reduce)
        return logits if decision.bias is None else logits + self.config.op_prior * logits.new_tensor(decision.bias)

    def _shape(self, logits: Float[Tensor, "n k"], reduce: float = 1.0) -> Float[Tensor, "n k"]:
        """Temperature, then tanh: the order of the authors' code."""
        if self.config.temperature is not None:
            logits = logits / self.config.temperature
        if self.config.tanh_constant is not None:
            logits = self.config.tanh_constant / reduce * torch.tanh(logits)
        return logits


def _choose(
    logits: Float[Tensor, "n k"], given: Int[Tensor, "n 1"] | None, generator: torch.Generator | None, trace: _Trace
) -> Int[Tensor, " n"]:
    log_probs = F.log_softmax(logits, dim=1)
    code = torch.multinomial(log_probs.detach().exp(), 1, generator=generator) if given is None else given
    trace.codes.append(code)
    trace.log_probs.append(log_probs.gather(1, code)[:, 0])
    trace.entropies.append(-(log_probs.exp() * log_probs).sum(1))
    return code[:, 0]


def _choose_subset(
    z: Float[Tensor, "n k"],
    given: Int[Tensor, "n k"] | None,
    target: float,
    generator: torch.Generator | None,
    trace: _Trace,
) -> Float[Tensor, "n k"]:
    """Sample each skip with probability sigmoid(2 z), the softmax of (-z, z).

    The authors' penalty takes sigmoid(z) instead, so that its optimum is a skip rate of 0.308, not the target 0.4; here one
    probability serves both (docs/details.md, 3).
    """
    yes, no = F.logsigmoid(2 * z), F.logsigmoid(-2 * z)
    p, q = yes.exp(), no.exp()
    code = torch.bernoulli(p.detach(), generator=generator).long() if given is None else given
    bits: Bool[Tensor, "n k"] = code == 1
    trace.codes.append(code)
    trace.log_probs.append(torch.where(bits, yes, no).sum(1))
    trace.entropies.append(-(p * yes + q * no).sum(1))
    log_target = z.new_tensor([target, 1 - target]).log()
    trace.penalties.append((p * (yes - log_target[0]) + q * (no - log_target[1])).sum(1))
    return bits.to(z.dtype)


def sample_uniformly(steps: Sequence[Step], n: int, generator: torch.Generator) -> Int[Tensor, "n L"]:
    """Codes of n architectures in which every answer to every question is equally likely: the random baseline."""
    parts = [
        torch.randint(choices_of(decision), (n, columns(decision)), generator=generator)
        for decision in decisions(steps)
    ]
    return torch.cat(parts, dim=1)
