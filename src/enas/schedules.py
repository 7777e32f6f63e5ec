"""Learning-rate schedules."""

import math

from enas.errors import UsageError


def cosine_with_restarts(epoch: float, *, high: float, low: float, first: int, growth: int) -> float:
    """Learning rate of cosine annealing with warm restarts (Loshchilov and Hutter 2017, equation 5).

    The first epoch of each cycle has the highest rate. The authors' code takes the middle for the first step of a new cycle, a
    slip that is not repeated here (docs/details.md, 11).

    Args:
        epoch: Epochs done, from 0; a fraction lets the rate fall within an epoch.
        high: Rate at the start of each cycle.
        low: Rate that each cycle falls to.
        first: Epochs of the first cycle.
        growth: Each cycle is this many times longer than the one before.

    Raises:
        UsageError: a cycle would have no epoch.
    """
    if first < 1 or growth < 1:
        raise UsageError(
            f"a cosine cycle needs at least one epoch and a growth of at least one, not {first} and {growth}"
        )
    start, length = 0, first
    while epoch >= start + length:
        start, length = start + length, length * growth
    return low + 0.5 * (high - low) * (1 + math.cos(math.pi * (epoch - start) / length))
