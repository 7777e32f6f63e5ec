"""State of a search: what is saved in a checkpoint and taken up again."""

import time
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from enas.errors import Interrupted
from enas.interrupt import Interrupt
from enas.rng import restore_rng, rng_state
from enas.run import Run
from enas.schedules import learning_rate
from enas.search.optimizers import controller_optimizer, controller_rate, step_controller, weights_optimizer
from enas.search.reinforce import Baseline
from enas.search.setup import SearchObjects
from enas.tasks.task import Batch, add_figures, moved


@dataclass
class Position:
    """Where a search stands, with the sums of the epoch under way."""

    epoch: int = 0
    phase: str = "weights"
    """"weights" or "controller"."""
    step: int = 0
    """Steps done in this phase."""
    order_seed: int = 0
    """Seed of this epoch's order of the data and of its sampled architectures."""
    seconds: float = 0.0
    """Time spent so far, over all parts of an interrupted search."""
    sums: dict[str, float] = field(default_factory=dict)
    """Sums over the steps of the epoch, for its line in the log."""
    spent: dict[str, float] = field(default_factory=lambda: {"weights": 0.0, "controller": 0.0})
    """Seconds of each phase of this epoch, over all parts of an interrupted search."""

    collapsed: bool = False
    """Whether an early collapse of the policy was warned of."""

    def add(self, figures: dict[str, float]) -> None:
        """Add to the sums."""
        add_figures(self.sums, figures)


class Search:
    """State of a search that is saved and restored; the loop is `enas.search.loop.search`."""

    def __init__(self, objects: SearchObjects, run: Run) -> None:
        config = objects.config
        self.objects, self.run, self.config = objects, run, config
        self.generator = torch.Generator().manual_seed(config.seed)
        self.baseline = Baseline(config.baseline_decay)
        self.weights_optimizer = weights_optimizer(objects.supernet.parameters(), config)
        self.controller_optimizer = controller_optimizer(objects.controller.parameters(), config)
        self.position = Position()
        self.carried: Any = None  # what the task hands from batch to batch (`Outcome.carried`)
        self.average: AveragedModel | None = None
        if config.scoring_average is not None:
            self.average = AveragedModel(
                objects.supernet, multi_avg_fn=get_ema_multi_avg_fn(config.scoring_average)
            ).requires_grad_(False)
        self.fixed_batch: tuple[int, Batch, dict[tuple[int, ...], float]] | None = None
        """Seed, reward batch and known scores of the epoch under way (`rewards.measure`); made again after an interruption."""
        self._started = self._saved = self._mark = time.monotonic()

    @property
    def scored(self) -> nn.Module:
        """The shared weights with which architectures are scored: the averaged ones where there is an average."""
        return self.objects.supernet if self.average is None else self.average.module

    def restore(self, *, rewind: bool = True) -> bool:
        """Take up the newest checkpoint; False when there is none. `rewind` cuts the logs back to it."""
        state = self.run.load(rewind=rewind)
        if state is None:
            return False
        self.objects.supernet.load_state_dict(state["supernet"])
        self.objects.controller.load_state_dict(state["controller"])
        self.weights_optimizer.load_state_dict(state["weights_optimizer"])
        self.controller_optimizer.load_state_dict(state["controller_optimizer"])
        self.baseline.value = state["baseline"]
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        device = next(self.objects.supernet.parameters()).device
        self.position, self.carried = Position(**state["position"]), moved(state["carried"], device)
        restore_rng(state["rng"], self.generator)
        return True

    def save(self) -> None:
        """Write a checkpoint."""
        now = time.monotonic()
        self.position.seconds += now - self._started
        self._started = self._saved = now
        state: dict[str, Any] = {
            "supernet": self.objects.supernet.state_dict(),
            "controller": self.objects.controller.state_dict(),
            "weights_optimizer": self.weights_optimizer.state_dict(),
            "controller_optimizer": self.controller_optimizer.state_dict(),
            "baseline": self.baseline.value,
            "average": None if self.average is None else self.average.state_dict(),
            "position": asdict(self.position),
            "carried": self.carried,
            "rng": rng_state(self.generator),
        }
        self.run.save(state)

    def start_clock(self) -> None:
        """What is spent from now on counts for the phase under way."""
        self._mark = time.monotonic()

    def count_step(self) -> None:
        """One more step of the phase under way is done."""
        now = time.monotonic()
        self.position.spent[self.position.phase] += now - self._mark
        self.position.step, self._mark = self.position.step + 1, now

    def pause(self, interrupt: Interrupt) -> None:
        """Save when it is time to, and stop when the user asked for it.

        Raises:
            Interrupted: the user asked for it; all is saved.
        """
        if interrupt.requested:
            self.save()
            raise Interrupted(f"interrupted; all is saved in {self.run.path}: the same command with --resume goes on")
        if time.monotonic() - self._saved > 60 * self.config.checkpoint_minutes:
            self.save()

    def out_of_time(self) -> bool:
        """Whether the search has used up `max_hours`."""
        hours = (self.position.seconds + time.monotonic() - self._started) / 3600
        return self.config.max_hours is not None and hours >= self.config.max_hours

    def steps_per_epoch(self) -> int:
        """Steps of the shared weights in one epoch."""
        return self.config.steps_per_epoch or self.objects.task.steps("train", self.config.batch_size)

    def controller_steps(self, epoch: int) -> int:
        """Updates of the controller in an epoch (from 0): none while the shared weights warm up."""
        return 0 if epoch < self.config.warmup_epochs else self.config.controller_steps

    def steps_before(self, epoch: int) -> int:
        """Steps of both kinds in all epochs before this one."""
        return epoch * self.steps_per_epoch() + sum(self.controller_steps(before) for before in range(epoch))

    def rate(self) -> float:
        """Learning rate of the shared weights in this epoch."""
        return learning_rate(float(self.position.epoch), self.config)

    def set_rate(self, factor: float) -> None:
        """Put the optimiser of the shared weights at this epoch's rate, times the batch's factor."""
        for group in self.weights_optimizer.param_groups:
            group["lr"] = factor * self.rate()

    def controller_rate(self) -> float:
        """Learning rate of the controller at this step of its phase."""
        phase = (
            self.position.step / max(self.config.controller_steps, 1) if self.position.phase == "controller" else 0.0
        )
        return controller_rate(self.position.epoch + phase, self.config)

    def controller_progress(self) -> float:
        """Share of the way from the first update of the controller in all epochs, where it is 0, to the last, where it is 1."""
        each, warmup = self.config.controller_steps, self.config.warmup_epochs
        done = (self.position.epoch - warmup) * each + self.position.step
        return done / max((self.config.epochs - warmup) * each - 1, 1)

    def step_controller(self, loss: Tensor) -> None:
        """One gradient step on the controller, at the rate of this step."""
        step_controller(self.objects.controller, self.controller_optimizer, loss, self.controller_rate(), self.config)
