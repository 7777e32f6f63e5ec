"""The questions that a controller answers, as plain data (no torch).

A search space is a sequence of `Step`. Each step is one tick of the controller's LSTM: it may ask one question, and it may
leave a node that later questions point at by name. section 1 of `docs/paper.md` maps the published controllers
to these types.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from enas.errors import UsageError


@dataclass(frozen=True)
class Vocabulary:
    """The operations that questions of one kind choose from; questions of one vocabulary share embeddings and logits."""

    options: tuple[str, ...]
    """Names of the operations, in the order of their codes."""
    init_bias: tuple[float, ...] | None = None
    """Initial value of a trainable bias, one number an option, added before the tanh; None: no bias."""
    parameter_free: tuple[str, ...] = ()
    """Those of the options that bring no weights of their own into a network, but for what adapts shapes; a search warns when
    it has chosen only such."""


@dataclass(frozen=True)
class Op:
    """Choose one operation of a vocabulary (one code: its index)."""

    name: str
    vocabulary: Vocabulary
    bias: tuple[float, ...] | None = None
    """Constant added to the logits after the tanh, one number an option; None: nothing is added."""


@dataclass(frozen=True)
class Input:
    """Point at one earlier node (one code: its index among the candidates)."""

    name: str
    candidates: tuple[str, ...]
    locality: float | None = None
    """Prior for near nodes: distance d costs d**2 / locality in the logit, and the next input is the node's anchor
    divided by (0.1 + d). None: no prior."""


@dataclass(frozen=True)
class Skips:
    """Choose any subset of earlier nodes (one code a candidate: 0 or 1)."""

    name: str
    candidates: tuple[str, ...]


Decision = Op | Input | Skips


@dataclass(frozen=True)
class Step:
    """One tick of the controller's LSTM."""

    decision: Decision | None = None
    """The question that this tick answers; None: it only moves the state on."""
    remember: str | None = None
    """Name of the node that this tick leaves for later questions; None: it leaves none."""
    blank: bool = False
    """Whether the node's anchor, when it is fed back as an input, is the zero vector (an input of a cell)."""


def columns(decision: Decision | None) -> int:
    """Number of code columns that a decision fills: one, or one for each candidate of a `Skips`."""
    if decision is None:
        return 0
    return len(decision.candidates) if isinstance(decision, Skips) else 1


def choices_of(decision: Decision) -> int:
    """Number of values that each code column of a decision can take."""
    if isinstance(decision, Op):
        return len(decision.vocabulary.options)
    return 2 if isinstance(decision, Skips) else len(decision.candidates)


def decisions(steps: Sequence[Step]) -> tuple[Decision, ...]:
    """The questions of a space, in the order in which the controller answers them."""
    return tuple(step.decision for step in steps if step.decision is not None)


def code_length(steps: Sequence[Step]) -> int:
    """Number of integers that encode one architecture."""
    return sum(columns(step.decision) for step in steps)


def check_steps(steps: Sequence[Step]) -> None:
    """Check that a space's questions can be asked.

    Raises:
        UsageError: a name is used twice, a question has nothing to choose from, a candidate is not remembered before it is
            pointed at, or a bias has the wrong length.
    """
    names: set[str] = set()
    nodes: set[str] = set()
    for step in steps:
        decision = step.decision
        if decision is not None:
            _check_decision(decision, nodes)
            if decision.name in names:
                raise UsageError(f"two questions are called {decision.name!r}: give each its own name")
            names.add(decision.name)
        if step.remember is not None:
            if step.remember in nodes:
                raise UsageError(f"two steps remember a node {step.remember!r}: give each its own name")
            nodes.add(step.remember)
    if not names:
        raise UsageError("the space asks no question: give it at least one step with a decision")


def _check_decision(decision: Decision, nodes: set[str]) -> None:
    if isinstance(decision, Op):
        size = len(decision.vocabulary.options)
        if size == 0 or len(set(decision.vocabulary.options)) != size:
            raise UsageError(f"question {decision.name!r} needs operations with different names")
        for bias in (decision.bias, decision.vocabulary.init_bias):
            if bias is not None and len(bias) != size:
                raise UsageError(f"question {decision.name!r} has {size} operations but {len(bias)} biases")
        strangers = set(decision.vocabulary.parameter_free) - set(decision.vocabulary.options)
        if strangers:
            raise UsageError(
                f"question {decision.name!r} has no operation {min(strangers)!r} that could be parameter-free"
            )
        return
    if not decision.candidates:
        raise UsageError(f"question {decision.name!r} has no candidates to choose from")
    unknown = [name for name in decision.candidates if name not in nodes]
    if unknown:
        raise UsageError(f"question {decision.name!r} points at {unknown[0]!r}, which no earlier step remembers")
