"""Training from scratch: the published recipe, epoch by epoch."""

import math
import time
from collections.abc import Callable
from typing import Any

import torch

from enas.errors import Interrupted, RunError
from enas.figures import shown
from enas.interrupt import Interrupt
from enas.optimizers import make_optimizer
from enas.progress import Progress
from enas.rng import restore_rng, rng_state
from enas.run import Run
from enas.schedules import learning_rate
from enas.space import FollowsProgress
from enas.tasks.task import add_figures, moved
from enas.train.averaging import WeightAverage, is_triggered
from enas.train.setup import TrainObjects
from enas.train.test import evaluate, final_test
from enas.weights import load_weights, save_weights

BEST, LAST = "best.safetensors", "last.safetensors"
RESULT = "result.json"


class Training:
    """State of a training that is saved and restored; `train` below is the loop."""

    def __init__(self, objects: TrainObjects, run: Run) -> None:
        config = objects.config
        self.objects, self.run, self.config = objects, run, config
        self.generator = torch.Generator().manual_seed(config.seed)
        self.optimizer = make_optimizer(
            objects.network.parameters(),
            config.optimizer,
            rate=config.lr_max,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
        )
        self.epoch, self.step, self.order_seed = 0, 0, 0
        self.scores: list[float] = []
        """The metric of each validation, turned so that more is better."""
        self.best = -math.inf
        self.sums: dict[str, float] = {}
        self.carried: Any = None  # what the task hands from batch to batch (`Outcome.carried`)
        self.average = WeightAverage(objects.network)
        self.seconds = 0.0
        self.spent = 0.0  # seconds in this epoch, over all parts of an interrupted training
        self._started = self._saved = time.monotonic()

    def restore(self) -> bool:
        """Take up the newest checkpoint; False when there is none."""
        state = self.run.load()
        if state is None:
            return False
        self.objects.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.step, self.order_seed = state["epoch"], state["step"], state["order_seed"]
        self.best, self.sums, self.seconds, self.spent = (state[name] for name in ("best", "sums", "seconds", "spent"))
        device = next(self.objects.network.parameters()).device
        self.scores, self.carried = state["scores"], moved(state["carried"], device)
        self.average.load_state_dict(state["average"])
        restore_rng(state["rng"], self.generator)
        return True

    def save(self) -> None:
        """Write a checkpoint."""
        now = time.monotonic()
        self.seconds += now - self._started
        self._started = self._saved = now
        self.run.save(
            {
                "network": self.objects.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "epoch": self.epoch,
                "step": self.step,
                "order_seed": self.order_seed,
                "best": self.best,
                "sums": self.sums,
                "scores": self.scores,
                "carried": self.carried,
                "average": self.average.state_dict(),
                "seconds": self.seconds,
                "spent": self.spent,
                "rng": rng_state(self.generator),
            }
        )

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
        """Whether the training has used up `max_hours`."""
        hours = (self.seconds + time.monotonic() - self._started) / 3600
        return self.config.max_hours is not None and hours >= self.config.max_hours

    def steps_per_epoch(self) -> int:
        """Steps in one epoch."""
        return self.config.steps_per_epoch or self.objects.task.steps(self.objects.part, self.config.batch_size)

    def set_rate(self, factor: float = 1.0) -> None:
        """Put the optimiser at the learning rate of this step, times the batch's factor."""
        config = self.config
        epoch = self.epoch + (self.step / self.steps_per_epoch() if config.lr_every_step else 0.0)
        for group in self.optimizer.param_groups:
            group["scheduled"] = learning_rate(epoch, config)
            group["lr"] = factor * group["scheduled"]

    def set_progress(self) -> None:
        """Tell the network how much of the training is over when this step is, if it wants to know."""
        network, steps = self.objects.network, self.steps_per_epoch()
        if isinstance(network, FollowsProgress):
            network.set_progress((self.epoch * steps + self.step + 1) / (self.config.epochs * steps))


def train(
    objects: TrainObjects, run: Run, *, console: Any, say: Callable[[str], None], resume: bool = False
) -> dict[str, int | float]:
    """Train a network from scratch: what `enas train` does, on objects made by `setup.build`.

    The weights that were best on the validation examples are kept in `best.safetensors` (the last ones, where these examples
    are trained on), and tested once, at the end.

    Args:
        objects: Architecture, data, network and settings.
        run: The folder that takes metrics, checkpoints, weights and `result.json`.
        console: Where progress is shown (a rich console).
        say: Called with each line for the user.
        resume: Whether to take up the newest checkpoint of the run.

    Returns:
        The figures of `result.json`.

    Raises:
        Interrupted: the user asked to stop; all is saved.
    """
    state = Training(objects, run)
    if resume and state.restore():
        say(f"resumed after {state.epoch} of {state.config.epochs} epochs")
    steps = state.steps_per_epoch()
    done = state.epoch * steps + state.step
    with Interrupt() as interrupt, Progress("train", state.config.epochs * steps, console=console, done=done) as bar:
        while state.epoch < state.config.epochs and not state.out_of_time():
            train_epoch(state, bar, interrupt)
            if state.step < steps:
                break
            say(finish_epoch(state))
            state.save()
    if state.epoch < state.config.epochs:
        say(f"time is up after {state.epoch} of {state.config.epochs} epochs")
        if state.epoch == 0:
            _keep_weights(state, -math.inf)
        state.save()
    return finish(state, console)


def train_epoch(state: Training, bar: Progress, interrupt: Interrupt) -> None:
    """The rest of one pass over the training data."""
    objects, config = state.objects, state.config
    if state.step == 0:
        state.order_seed = int(torch.randint(2**62, (), generator=state.generator))
        state.sums, state.carried = {}, None
    objects.network.train()
    mark = time.monotonic()
    batches = objects.task.training_batches(
        objects.part,
        config.batch_size,
        order_seed=state.order_seed,
        generator=state.generator,
        skip=state.step,
        limit=state.steps_per_epoch(),
    )
    for batch in batches:
        state.set_rate(batch.rate_factor)
        state.set_progress()
        outcome = objects.task.step(objects.network, batch, state.carried)
        loss = outcome.loss.item()
        if not math.isfinite(loss):
            where = f"the loss became {loss} in epoch {state.epoch + 1}"
            raise RunError(f"{where}: train anew with a lower --lr-max, or with --grad-clip")
        state.optimizer.zero_grad(set_to_none=True)
        outcome.loss.backward()
        if config.grad_clip is not None:
            torch.nn.utils.clip_grad_norm_(objects.network.parameters(), config.grad_clip)
        state.optimizer.step()
        state.average.update()
        add_figures(state.sums, outcome.figures)
        state.carried = outcome.carried
        del outcome  # or what is left of its graph would lie between the maps of the next one
        state.step += 1
        now = time.monotonic()
        state.spent, mark = state.spent + now - mark, now
        bar.advance(1, loss=loss)
        state.pause(interrupt)
        if state.out_of_time():  # before the next batch is made, so that going on later makes the same one
            return


def finish_epoch(state: Training) -> str:
    """Validate, keep the weights, log the epoch, move on to the next; returns the line for the user."""
    objects, task, config = state.objects, state.objects.task, state.config
    metrics = {
        **{f"train/{name}": value for name, value in task.metrics(state.sums).items()},
        "train/lr": state.optimizer.param_groups[0]["scheduled"],
    }
    line = f"epoch {state.epoch + 1}/{config.epochs}: loss {metrics['train/loss']:.3f}"
    with state.average.in_place():
        score = float(state.epoch)  # without validation examples the last weights are the ones to keep
        if not config.train_on_valid:
            metrics.update(evaluate(objects.network, task, "valid", task.scoring_size))
            value = metrics[f"valid/{task.metric}"]
            score = task.direction * value
            line += f", validation {task.metric} {shown(value)}"
        _keep_weights(state, score)
    state.scores.append(score)
    waiting = config.average_trigger is not None and state.average.mean is None
    if waiting and is_triggered(state.scores, config.average_trigger or 0):
        state.average.start()
        line += "; weights are averaged from here on"
    state.epoch, state.step = state.epoch + 1, 0
    state.run.log(state.epoch, metrics)
    rate = state.sums["seen"] / max(state.spent, 1e-9)
    state.run.log_timing(state.epoch, {f"time/{task.unit}_per_second": rate, "time/epoch_seconds": state.spent})
    state.spent = 0.0
    return f"{line}, {rate:.0f} {task.unit}/s"


def finish(state: Training, console: Any) -> dict[str, int | float]:
    """Test the kept weights once and write `result.json`."""
    objects, run, task = state.objects, state.run, state.objects.task
    load_weights(run.path / BEST, objects.network)
    result: dict[str, int | float] = {
        "parameters": sum(p.numel() for p in objects.network.parameters()),
        "epochs": state.epoch,
    }
    if not state.config.train_on_valid:
        result.update(final_test(objects.network, task, "valid", console))
    if task.has_test:
        result.update(final_test(objects.network, task, "test", console))
    run.write_json(RESULT, result)
    return result


def _keep_weights(state: Training, score: float) -> None:
    save_weights(state.run.path / LAST, state.objects.network)
    if score > state.best or state.epoch == 0:
        state.best = score
        save_weights(state.run.path / BEST, state.objects.network)
