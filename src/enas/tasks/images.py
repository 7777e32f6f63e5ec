"""Image classification: batches, loss and reward."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from enas.config import AugmentConfig, DataConfig
from enas.data.augment import augment, normalise
from enas.data.images import ImageData, ImageSpec, ImageSplit
from enas.data.load import load_images
from enas.data.progress import Progress
from enas.errors import DataError, UsageError
from enas.tasks.task import Figures, Model, Outcome, Part


@dataclass(frozen=True)
class Batch:
    """Images ready for a network, on its device."""

    inputs: Float[Tensor, "B C H W"]
    labels: Int[Tensor, " B"]
    rate_factor: float = 1.0
    """What the learning rate is multiplied by."""

    def __len__(self) -> int:
        """Number of images."""
        return len(self.labels)


@dataclass(frozen=True)
class WithAuxiliary:
    """What a network with a second classifier half-way returns in training; in evaluation it returns logits alone."""

    logits: Float[Tensor, "B K"]
    auxiliary: Float[Tensor, "B K"]
    """Logits of the second classifier."""
    weight: float
    """Weight of its cross-entropy in the loss."""


class ImageTask:
    """An image data set with the way it is batched and scored. Accuracy in [0, 1] is the reward; the loss is in nats."""

    options: ClassVar[type] = AugmentConfig
    metric: ClassVar[str] = "accuracy"
    direction: ClassVar[int] = 1
    unit: ClassVar[str] = "images"
    scoring_size: ClassVar[int] = 500
    """Images at once when a network is scored; it changes speed and memory only."""
    final_size: ClassVar[int] = 500

    def __init__(self, data: ImageData, augment_config: AugmentConfig, device: torch.device) -> None:
        self.data, self.augment_config, self.device = data, augment_config, device

    @classmethod
    def load(
        cls,
        config: DataConfig,
        augment_config: AugmentConfig,
        *,
        cache: Path,
        device: torch.device,
        progress: Progress | None = None,
    ) -> "ImageTask":
        """Read the data set that a configuration names, telling `progress` how far it is.

        Raises:
            DataError: it is missing, damaged or unfit.
            UsageError: a setting is for text only.
        """
        if config.level != "word":
            raise UsageError("--level is for text, and this space reads images: leave it out")
        return cls(load_images(config, cache, progress=progress), augment_config, device)

    @property
    def spec(self) -> ImageSpec:
        """Channels, size and number of classes: what a network must know."""
        return self.data.spec

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines that tell the user what was detected."""
        return self.data.notes

    @property
    def has_test(self) -> bool:
        """Whether there are test images."""
        return self.data.test is not None

    def examples(self, part: Part) -> int:
        """Number of examples in a part of the data."""
        return sum(len(split) for split in self._splits(part))

    def steps(self, part: Part, size: int) -> int:
        """Number of training batches in one pass."""
        return -(-self.examples(part) // size)

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
        """One shuffled, augmented pass; the last batch may be smaller.

        Args:
            part: What to train on.
            size: Examples in a batch.
            order_seed: Seed of the order alone, so that a pass can be taken up in its middle.
            generator: Source of the augmentation.
            skip: Batches at the beginning that are left out: they were seen before an interruption.
            limit: End after this many batches; when the data has fewer, start over in the same order.
        """
        splits = self._splits(part)
        total = sum(len(split) for split in splits)
        order = torch.randperm(total, generator=torch.Generator().manual_seed(order_seed))
        steps = -(-total // size)
        for step in range(skip, steps if limit is None else limit):
            at = step % steps * size
            images, labels = _gather(splits, order[at : at + size])
            inputs = augment(images.to(self.device), self.augment_config, self.data.mean, self.data.std, generator)
            yield Batch(inputs, labels.to(self.device))

    def scoring_batches(self, part: Part, size: int, limit: int | None = None) -> Iterator[Batch]:
        """The examples in a fixed order that mixes the classes, unchanged but for normalisation.

        Args:
            part: What to score on.
            size: Most examples in a batch. The batches are as equal as can be: batch norm may normalise each by itself, and a
                small last one would be scored worse than the others.
            limit: Examples in all; None: the whole part.
        """
        splits = self._splits(part)
        total = sum(len(split) for split in splits)
        order = torch.randperm(total, generator=torch.Generator().manual_seed(total))[:limit]
        for rows in order.tensor_split(-(-len(order) // size)):
            yield self._plain(splits, rows)

    def random_batch(self, part: Part, size: int, generator: torch.Generator) -> Batch:
        """Distinct examples drawn at random, unchanged but for normalisation: what one reward is measured on."""
        splits = self._splits(part)
        total = sum(len(split) for split in splits)
        return self._plain(splits, torch.randperm(total, generator=generator)[:size])

    def step(self, model: Model, batch: Batch, carried: Any) -> Outcome:
        """Loss and number of right answers; nothing is carried from batch to batch."""
        output = model(batch.inputs)
        loss, seen = self.loss(output, batch), len(batch)
        right = int(self.correct(output, batch))
        return Outcome(loss, {"loss": loss.item() * seen, "right": right, "seen": seen})

    def metrics(self, sums: Figures) -> dict[str, float]:
        """Mean loss in nats, and accuracy."""
        return {"loss": sums["loss"] / sums["seen"], "accuracy": sums["right"] / sums["seen"]}

    def average(self, values: Sequence[float]) -> float:
        """The arithmetic mean."""
        return statistics.fmean(values)

    def reward(self, value: float) -> float:
        """The accuracy itself."""
        return value

    def loss(self, output: Float[Tensor, "B K"] | WithAuxiliary, batch: Batch) -> Float[Tensor, ""]:
        """Mean cross-entropy in nats; that of an auxiliary classifier is added with its weight."""
        if isinstance(output, WithAuxiliary):
            main, second = F.cross_entropy(output.logits, batch.labels), F.cross_entropy(output.auxiliary, batch.labels)
            return main + output.weight * second
        return F.cross_entropy(output, batch.labels)

    def correct(self, output: Float[Tensor, "B K"] | WithAuxiliary, batch: Batch) -> Int[Tensor, ""]:
        """Number of examples that are classified correctly."""
        logits = output.logits if isinstance(output, WithAuxiliary) else output
        return (logits.argmax(1) == batch.labels).sum()

    def _plain(self, splits: list[ImageSplit], rows: Int[Tensor, " B"]) -> Batch:
        images, labels = _gather(splits, rows)
        return Batch(normalise(images.to(self.device), self.data.mean, self.data.std), labels.to(self.device))

    def _splits(self, part: Part) -> list[ImageSplit]:
        if part == "train+valid":
            return [self.data.train, self.data.valid]
        split = {"train": self.data.train, "valid": self.data.valid, "test": self.data.test}[part]
        if split is None:
            raise DataError(f"{self.data.name} has no test images: add a folder 'test' beside 'train'")
        return [split]


def _gather(splits: list[ImageSplit], rows: Int[Tensor, " B"]) -> tuple[Tensor, Int[Tensor, " B"]]:
    """Rows of the splits laid end to end, in the given order."""
    if len(splits) == 1:
        return splits[0].images[rows], splits[0].labels[rows]
    images = torch.empty(len(rows), *splits[0].images.shape[1:], dtype=splits[0].images.dtype)
    labels = torch.empty(len(rows), dtype=splits[0].labels.dtype)
    start = 0
    for split in splits:
        here = (rows >= start) & (rows < start + len(split))
        images[here], labels[here] = split.images[rows[here] - start], split.labels[rows[here] - start]
        start += len(split)
    return images, labels
