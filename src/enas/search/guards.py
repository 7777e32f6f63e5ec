"""Warnings about searches that go wrong: one line each, with what to do. None: nothing to warn of."""

import math
from collections.abc import Sequence
from typing import Final

from enas.architecture import Architecture
from enas.config import SearchConfig
from enas.decisions import Op, Step, choices_of, columns, decisions

EARLY: Final = 0.25
"""Share of the epochs in which the policy should still be open."""
COLLAPSED: Final = 0.5
"""Share of the highest entropy below which it is not."""
MOSTLY: Final = 0.8
"""Share of operations without weights from which on an architecture is suspect, where chance would choose fewer."""
RELIABLE: Final = 0.3
"""Rank correlation of two halves below which a ranking counts as noise: two such halves together agree with as many other
examples by less than 0.46 (Spearman 1910, Brown 1910)."""


def entropy_ceiling(steps: Sequence[Step]) -> float:
    """Highest entropy of a policy, in nats: that of uniform answers to all questions."""
    return sum(columns(decision) * math.log(choices_of(decision)) for decision in decisions(steps))


def early_collapse(entropy: float, ceiling: float, epoch: int, config: SearchConfig) -> str | None:
    """Warn when the policy has settled in the first quarter of a search, while the weights are still bad.

    Args:
        entropy: Mean entropy of the policy in the epoch, in nats.
        ceiling: The highest, in nats.
        epoch: Whole epochs done, this one too.
        config: Length of the search.
    """
    first = config.warmup_epochs + EARLY * (config.epochs - config.warmup_epochs)
    if epoch > first or entropy >= COLLAPSED * ceiling:
        return None
    return (
        f"warning: the policy settled early (entropy {entropy:.1f} of at most {ceiling:.1f} nats after {epoch} of "
        f"{config.epochs} epochs): lower --controller-lr, raise --entropy-weight, or add --warmup-epochs"
    )


def noisy_ranking(agreement: float | None) -> str | None:
    """Warn when two halves of the validation examples rank random architectures differently.

    Args:
        agreement: Rank correlation of the two halves; None: unknown.
    """
    if agreement is None or agreement >= RELIABLE:
        return None
    return (
        f"warning: the ranking is mostly noise (two halves of the validation examples agree by {agreement:.2f}; below "
        f"{RELIABLE} is little): search for more epochs, or score on more examples (--derive-examples)"
    )


def parameter_free(architecture: Architecture, steps: Sequence[Step]) -> str | None:
    """Warn when an architecture has hardly an operation with weights of its own, in spaces that say which have none.

    Args:
        architecture: The found one.
        steps: The questions of its space.
    """
    ops = [decision for decision in decisions(steps) if isinstance(decision, Op)]
    chosen = {decision.name: str(architecture.choices[decision.name]) for decision in ops}
    free = [chosen[decision.name] for decision in ops if chosen[decision.name] in decision.vocabulary.parameter_free]
    by_chance = sum(len(decision.vocabulary.parameter_free) / len(decision.vocabulary.options) for decision in ops)
    if len(free) <= by_chance or len(free) < MOSTLY * len(ops):
        return None
    how = "parameter-free" if len(free) == len(ops) else "nearly parameter-free"
    return (
        f"warning: the found architecture is {how} ({len(free)} of {len(ops)} operations are {', '.join(sorted(set(free)))}; "
        f"{by_chance:.0f} by chance): such ones lead while the weights are bad; search for more epochs, or add --warmup-epochs"
    )
