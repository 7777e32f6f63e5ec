"""`Task`: what search and training ask of data, whatever it is. They know no image and no text.

A model is what a task feeds: a stand-alone network, or a supernet bound to an architecture.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from enas.config import DataConfig
from enas.data.progress import Progress

Part = Literal["train", "train+valid", "valid", "test"]
Model = Callable[..., Any]
Figures = Mapping[str, float]


@dataclass(frozen=True)
class Outcome:
    """What a model made of one batch."""

    loss: Float[Tensor, ""]
    """What training minimises."""
    figures: dict[str, float]
    """Sums over the examples of the batch; `Task.metrics` turns their totals into means. "seen" counts the examples."""
    carried: Any = None  # tensors, or tuples of them, as the model's own
    """What the next batch of the pass is given (the hidden state of a recurrent network, detached); None: nothing."""


@runtime_checkable
class Batch(Sized, Protocol):
    """Some examples; its length is their number."""

    @property
    def rate_factor(self) -> float:
        """What the learning rate of the step on this batch is multiplied by."""


@runtime_checkable
class Task(Protocol):
    """A data set with the way it is batched and scored."""

    options: ClassVar[type]
    """Frozen dataclass of the settings that decide how training batches are made."""
    metric: ClassVar[str]
    """Name of the figure that tells how good a model is."""
    direction: ClassVar[int]
    """1 where more of it is better, -1 where less is."""
    unit: ClassVar[str]
    """What an example is, in the plural."""
    scoring_size: ClassVar[int]
    """`size` of `scoring_batches` with which a network is validated during its training."""
    final_size: ClassVar[int]
    """`size` of `scoring_batches` with which final figures are taken."""

    @classmethod
    def load(
        cls,
        config: DataConfig,
        options: Any,
        *,
        cache: Path,
        device: torch.device,
        progress: Progress | None = None,
    ) -> "Task":
        """Read the data set that a configuration names, telling `progress` how far it is.

        Raises:
            EnasError: it is missing, damaged or unfit, or a setting is not for data of this kind.
        """

    @property
    def spec(self) -> Any:
        """What a network must know of the data to be built for it."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines that tell the user what was detected."""

    @property
    def has_test(self) -> bool:
        """Whether the data has a test part."""

    def examples(self, part: Part) -> int:
        """Number of examples in a part of the data.

        Raises:
            DataError: the data has no such part.
        """

    def steps(self, part: Part, size: int) -> int:
        """Number of training batches in one pass.

        Raises:
            DataError: the part is too small for one batch.
        """

    def training_batches(
        self,
        part: Part,
        size: int,
        *,
        order_seed: int,
        generator: torch.Generator,
        skip: int = 0,
        limit: int | None = None,
    ) -> Iterator[Batch]:
        """One pass of `steps(part, size)` batches in an order that depends on `order_seed` alone.

        Args:
            part: What to train on.
            size: Examples, or texts side by side, in a batch.
            order_seed: Seed of the order, so that a pass can be taken up in its middle.
            generator: Source of random changes.
            skip: Batches at the beginning that are left out: they were seen before an interruption.
            limit: End after this many batches; when the data has fewer, start over in the same order.
        """

    def scoring_batches(self, part: Part, size: int, limit: int | None = None) -> Iterator[Batch]:
        """The examples in a fixed order, unchanged.

        Args:
            part: What to score on.
            size: Examples, or texts side by side, in a batch.
            limit: Examples in all; None: the whole part.
        """

    def random_batch(self, part: Part, size: int, generator: torch.Generator) -> Batch:
        """Examples drawn at random, unchanged: what one reward is measured on."""

    def step(self, model: Model, batch: Any, carried: Any) -> Outcome:
        """Run a model on one batch; its mode (training or evaluation) is the caller's.

        Args:
            model: Network, or supernet bound to an architecture.
            batch: One of this task's batches.
            carried: What the batch before left (`Outcome.carried`); None at the start of a pass.
        """

    def metrics(self, sums: Figures) -> dict[str, float]:
        """Figures for people: "loss" in nats, and `metric`, from sums over `Outcome.figures`."""

    def average(self, values: Sequence[float]) -> float:
        """The mean of `metric` over several architectures, in the sense in which its values may be added."""

    def reward(self, value: float) -> float:
        """What the controller gets for an architecture with this value of `metric`."""


def moved(carried: Any, device: torch.device) -> Any:
    """What a batch left (`Outcome.carried`), read from a checkpoint on the processor, on the device of the model."""
    if isinstance(carried, tuple | list):
        return type(carried)(moved(part, device) for part in carried)
    return carried.to(device) if isinstance(carried, Tensor) else carried


def add_figures(sums: dict[str, float], figures: Figures) -> None:
    """Add the figures of one more batch to sums."""
    for name, value in figures.items():
        sums[name] = sums.get(name, 0.0) + value
