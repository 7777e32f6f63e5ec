"""Learning-rate schedules."""

import math
from typing import Literal, Protocol, runtime_checkable

from enas.errors import UsageError

FALLEN = 0.1
"""Share of its way that the rate may still have to fall at the end of a run without a note."""


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


def unfinished(config: Schedule, epochs: int) -> str | None:
    """A note for the user where a run ends in a cosine cycle long before its rate has fallen; None: there is none to make.

    Args:
        config: The settings.
        epochs: Of the run.
    """
    first, growth = config.lr_first_cycle, config.lr_cycle_growth
    if config.lr_schedule != "cosine" or first < 1 or growth < 1:
        return None
    start, length = 0, first
    while epochs > start + length:
        start, length = start + length, length * growth
    share = 0.5 * (1 + math.cos(math.pi * (epochs - start) / length))
    if share < FALLEN:
        return None
    rate = config.lr_min + share * (config.lr_max - config.lr_min)
    cycle = f"a cycle of {length} epochs" if start == 0 else f"a cycle of {length} epochs that begins after {start}"
    return (
        f"note: the learning rate ends at {rate:.2g} ({cycle}, a run of {epochs}): "
        f"--lr-first-cycle {epochs} lets it fall to the end"
    )


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
