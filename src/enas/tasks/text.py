"""Language modelling: windows of text, loss, perplexity as the metric, c / perplexity as the reward.

Letters of shapes: T places in a window, B texts side by side, H width, V vocabulary, N words of a text.
"""

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int32, Int64
from torch import Tensor

from enas.config import DataConfig, WindowConfig
from enas.data.progress import Progress
from enas.data.text import TextData, TextSpec, load_text
from enas.errors import DataError, UsageError
from enas.tasks.decoder import decoder_loss
from enas.tasks.task import Figures, Model, Outcome, Part

SCORED_AT_ONCE = 1000
"""Words in a window when a text is scored without gradients; it changes speed and memory only."""
HALF_SHARE, DEVIATION, LONGEST = 0.05, 5.0, 20
"""Of random windows: the share that is about half as long, their standard deviation, and by how much one may exceed bptt
(Merity, Keskar and Socher 2018, section 4.1; the limit is that of the authors' corrected language model)."""


@dataclass(frozen=True)
class TextBatch:
    """A window of texts side by side, on the network's device."""

    tokens: Int64[Tensor, "T B"]
    targets: Int64[Tensor, "T B"]
    """The word after each."""
    starts: bool
    """Whether a new reading begins: nothing is carried into this window."""
    rate_factor: float = 1.0
    """What the learning rate is multiplied by."""

    def __len__(self) -> int:
        """Number of words that are predicted."""
        return self.targets.numel()


@dataclass(frozen=True)
class Prediction:
    """What a language model makes of a window."""

    features: Float[Tensor, "T B H"]
    decoder: Float[Tensor, "V H"]
    """Its product with the features gives the logits."""
    hidden: Any  # a tensor "... B H", or a tuple of such
    """State after the window."""
    penalty: Float[Tensor, ""] | None = None
    """What training adds to the loss; None: nothing."""

    def logits(self) -> Float[Tensor, "T B V"]:
        """Scores of all words at all places: large."""
        return self.features @ self.decoder.t()


class TextTask:
    """A text with the way it is cut into windows and scored."""

    options: ClassVar[type] = WindowConfig
    metric: ClassVar[str] = "perplexity"
    direction: ClassVar[int] = -1
    unit: ClassVar[str] = "tokens"
    scoring_size: ClassVar[int] = 20
    """Texts side by side for validation during training: each begins without a past, which costs little and saves time."""
    final_size: ClassVar[int] = 1
    """Final figures come from one reading of the whole text."""

    def __init__(self, data: TextData, windows: WindowConfig, device: torch.device) -> None:
        self.data, self.windows, self.device = data, windows, device

    @classmethod
    def load(
        cls,
        config: DataConfig,
        options: WindowConfig,
        *,
        cache: Path,
        device: torch.device,
        progress: Progress | None = None,
    ) -> "TextTask":
        """Read the text that a configuration names, telling `progress` how far it is.

        Raises:
            DataError: it is missing, damaged or unfit.
            UsageError: a setting is for images only.
        """
        for name, given in (("image-size", config.image_size), ("skip-bad-images", config.skip_bad_images)):
            if given:
                raise UsageError(f"--{name} is for images, and this space reads text: leave it out")
        return cls(load_text(config, cache, progress=progress), options, device)

    @property
    def spec(self) -> TextSpec:
        """Size of the vocabulary."""
        return self.data.spec

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines that tell the user what was found."""
        return self.data.notes

    @property
    def has_test(self) -> bool:
        """Every text has a test part."""
        return True

    def examples(self, part: Part) -> int:
        """Number of words in a part of the text."""
        return len(self._text(part))

    def steps(self, part: Part, size: int) -> int:
        """Number of training windows in one pass.

        Raises:
            DataError: the text is shorter than one window of so many texts side by side.
        """
        return -(-(self._columns(part, size) - 1) // self.windows.bptt)

    def training_batches(
        self,
        part: Part,
        size: int,
        *,
        order_seed: int,
        generator: torch.Generator,
        skip: int = 0,
        limit: int | None = None,
    ) -> Iterator[TextBatch]:
        """One pass over the text in windows that follow one another.

        Args:
            part: What to train on.
            size: The text is cut into so many, which are read side by side.
            order_seed: Decides the lengths of random windows, and where a pass begins that `limit` makes incomplete.
            generator: Not used: nothing else is random.
            skip: Windows at the beginning that are left out: they were seen before an interruption.
            limit: End after this many windows; when the text has fewer, start over.
        """
        steps, columns = self.steps(part, size), self._columns(part, size)
        ends = self._ends(columns - 1, steps, order_seed)
        whole = limit is None or limit % steps == 0
        draw = torch.Generator().manual_seed(order_seed + 1)
        first = 0 if whole else int(torch.randint(steps, (), generator=draw))
        text = self._text(part)[: size * columns].view(size, columns)
        for step in range(skip, steps if limit is None else limit):
            at = (first + step) % steps
            begin, end = ends[at], ends[at + 1]
            factor = (end - begin) / self.windows.bptt if self.windows.random_bptt else 1.0
            yield self._window(text[:, begin : end + 1], starts=at == 0 or step == 0, rate_factor=factor)

    def scoring_batches(self, part: Part, size: int, limit: int | None = None) -> Iterator[TextBatch]:
        """One pass over the text in windows of equal length.

        Args:
            part: What to score on.
            size: Texts side by side; fewer where they would be shorter than a window of training.
            limit: Words in all, from the beginning; None: the whole part.
        """
        text = self._text(part)[:limit]
        size = max(1, min(size, len(text) // (self.windows.bptt + 1)))
        columns = len(text) // size
        if columns < 2:
            raise DataError(f"the {part} text of {self.data.name} has {len(text)} words: at least two are needed")
        text, length = text[: size * columns].view(size, columns), max(self.windows.bptt, SCORED_AT_ONCE // size)
        for begin in range(0, columns - 1, length):
            yield self._window(text[:, begin : begin + length + 1], starts=begin == 0)

    def random_batch(self, part: Part, size: int, generator: torch.Generator) -> TextBatch:
        """Windows of equal length at random places, which may overlap: what one reward is measured on.

        Raises:
            DataError: the text is shorter than one window.
        """
        self._columns(part, 1)
        text, length = self._text(part), self.windows.bptt
        begins = torch.randint(len(text) - length, (size,), generator=generator)
        return self._window(text[begins[:, None] + torch.arange(length + 1)], starts=True)

    def step(self, model: Model, batch: TextBatch, carried: Any) -> Outcome:
        """Loss of a window, with the hidden state of the window before."""
        prediction: Prediction = model(batch.tokens, None if batch.starts else carried)
        loss = decoder_loss(prediction.features.flatten(0, 1), prediction.decoder, batch.targets.flatten())
        figures = {"loss": loss.item() * len(batch), "seen": len(batch)}
        if prediction.penalty is not None:
            loss = loss + prediction.penalty
        return Outcome(loss, figures, _detached(prediction.hidden))

    def metrics(self, sums: Figures) -> dict[str, float]:
        """Mean loss in nats, and its exponential, never capped."""
        loss = sums["loss"] / sums["seen"]
        return {"loss": loss, "perplexity": math.exp(loss) if loss < 700 else math.inf}  # also where it is not a number

    def average(self, values: Sequence[float]) -> float:
        """The perplexity of the mean loss: a few cells with exploding states would drown all others in a mean of values."""
        return math.exp(statistics.fmean(map(math.log, values)))

    def reward(self, value: float) -> float:
        """A constant divided by the perplexity."""
        return self.windows.reward_scale / value

    def _text(self, part: Part) -> Int32[Tensor, " N"]:
        if part == "train+valid":
            return torch.cat([self.data.train, self.data.valid])
        return {"train": self.data.train, "valid": self.data.valid, "test": self.data.test}[part]

    def _columns(self, part: Part, size: int) -> int:
        """Words of each of `size` texts side by side."""
        columns, bptt = self.examples(part) // size, self.windows.bptt
        if columns < bptt + 1:
            many = f"{size} texts side by side with windows of {bptt}" if size > 1 else f"one window of {bptt}"
            raise DataError(
                f"the {part} text of {self.data.name} has {self.examples(part):,} tokens, too few for {many} and the next "
                f"token: {size * (bptt + 1):,} are needed; give more text, or a smaller --batch-size or --bptt"
            )
        return columns

    def _ends(self, places: int, steps: int, seed: int) -> list[int]:
        """Where windows begin and end: `steps` of them fill `places` exactly."""
        bptt = self.windows.bptt
        if not self.windows.random_bptt:
            return [*range(0, steps * bptt, bptt), places]
        draw = torch.Generator().manual_seed(seed)
        half = torch.rand(steps, generator=draw) < HALF_SHARE
        means = torch.where(half, bptt / 2, float(bptt))
        lengths = (means + DEVIATION * torch.randn(steps, generator=draw)).clamp(DEVIATION, bptt + LONGEST).double()
        # Stretched a little, so that all passes have the same number of windows (docs/details.md).
        ends = (lengths.cumsum(0) * (places / lengths.sum())).round().long().tolist()
        return sorted({0, *ends[:-1], places}) if len({0, *ends}) == steps + 1 else self._even(places, steps)

    def _even(self, places: int, steps: int) -> list[int]:
        """Windows of about equal length, where so few places are left that random ones would be empty."""
        return [round(places * i / steps) for i in range(steps + 1)]

    def _window(self, rows: Int32[Tensor, "B columns"], *, starts: bool, rate_factor: float = 1.0) -> TextBatch:
        columns = rows.t().contiguous().to(self.device, torch.int64)
        return TextBatch(columns[:-1], columns[1:].contiguous(), starts, rate_factor)


def _detached(hidden: Any) -> Any:
    """A state without its gradient."""
    return tuple(map(_detached, hidden)) if isinstance(hidden, tuple) else hidden.detach()
