"""Learning-rate schedules."""

import math
from typing import Literal, Protocol, runtime_checkable

from enas.errors import UsageError


@runtime_checkable
class Schedule(Protocol):
    """The settings of a schedule, as `SearchConfig` and `TrainConfig` have them."""

    @property
    def lr_schedule(self) -> Literal["cosine", "exponential"]:
        """Which function of this module."""

    @property
    def lr_max(self) -> float:
        """Rate at the start."""

    @property
    def lr_min(self) -> float:
        """Lowest rate."""

    @property
    def lr_first_cycle(self) -> int:
        """Of the cosine."""

    @property
    def lr_cycle_growth(self) -> int:
        """Of the cosine."""

    @property
    def lr_decay(self) -> float:
        """Of the exponential."""

    @property
    def lr_decay_start(self) -> int:
        """Of the exponential."""


def learning_rate(epoch: float, config: Schedule) -> float:
    """Learning rate after so many epochs, which may be a fraction."""
    low, high = config.lr_min, config.lr_max
    if config.lr_schedule == "exponential":
        return exponential(epoch, high=high, low=low, factor=config.lr_decay, start=config.lr_decay_start)
    return cosine_with_restarts(epoch, high=high, low=low, first=config.lr_first_cycle, growth=config.lr_cycle_growth)


def exponential(epoch: float, *, high: float, low: float, factor: float, start: int) -> float:
    """Learning rate that is multiplied by a factor for each epoch after the first ones (Pham et al. 2018, section 3.1).

    Args:
        epoch: Epochs done, from 0.
        high: Rate of the first epochs.
        low: The rate falls no further.
        factor: What an epoch multiplies it by.
        start: Epochs at the full rate.
    """
    return max(high * factor ** max(epoch - start, 0.0), min(low, high))


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
