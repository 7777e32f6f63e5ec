"""The search: shared weights and controller in turns, epoch by epoch (Pham et al. 2018, section 2.2)."""

import json
import logging
import math
from collections.abc import Callable, Iterator
from typing import Any, Final

import torch
from torch import Tensor

from enas.architecture import Architecture
from enas.draw import draw, image
from enas.errors import RunError, UsageError
from enas.interrupt import Interrupt
from enas.progress import Progress
from enas.run import Run
from enas.search.derive import Derivation, derive
from enas.search.reinforce import policy_loss
from enas.search.scoring import bind, score
from enas.search.setup import SearchObjects
from enas.search.state import Search
from enas.tasks.task import Batch

BEST: Final = "best.svg"
_LOG = logging.getLogger(__name__)


def search(
    objects: SearchObjects, run: Run, *, console: Any, say: Callable[[str], None], resume: bool = False
) -> Derivation:
    """Search an architecture: what `enas search` does, on objects made by `setup.build`.

    Args:
        objects: Space, data, supernet, controller and settings.
        run: The folder that takes metrics, checkpoints, `candidates.json` and `architecture.json`.
        console: Where progress is shown (a rich console).
        say: Called with each line for the user.
        resume: Whether to take up the newest checkpoint of the run.

    Raises:
        Interrupted: the user asked to stop; all is saved.
    """
    state = Search(objects, run)
    if resume and state.restore():
        say(f"resumed after {state.position.epoch} of {state.config.epochs} epochs")
    config, position = state.config, state.position
    per_epoch = state.steps_per_epoch() + config.controller_steps
    done = position.epoch * per_epoch + (position.phase == "controller") * state.steps_per_epoch() + position.step
    with Interrupt() as interrupt, Progress("search", config.epochs * per_epoch, console=console, done=done) as bar:
        while position.epoch < config.epochs and not state.out_of_time():
            train_weights(state, bar, interrupt)
            train_controller(state, bar, interrupt)
            if state.out_of_time():
                break
            say(finish_epoch(state))
            state.save()
    if position.epoch < config.epochs:
        say(f"time is up after {position.epoch} of {config.epochs} epochs: deriving from what was found so far")
        state.save()
    return _derive(objects, run, console)


def derive_from(objects: SearchObjects, run: Run, *, console: Any) -> Derivation:
    """Derive from the newest checkpoint of a run: what `enas derive` does.

    Raises:
        RunError: the run has no checkpoint.
    """
    if not Search(objects, run).restore(rewind=False):
        raise RunError(f"{run.path} has no checkpoint to derive from: run its search first")
    return _derive(objects, run, console)


def _derive(objects: SearchObjects, run: Run, console: Any) -> Derivation:
    config = objects.config
    with Progress("derive", 2 * config.derive_samples, console=console) as bar:
        found = derive(
            objects.controller,
            objects.supernet,
            objects.task,
            objects.decoder,
            config,
            generator=torch.Generator().manual_seed(config.seed + 1),
            advance=bar.advance,
        )
    run.write_json("candidates.json", found.to_json())
    found.best.architecture.save(run.path / "architecture.json")
    return found


def train_weights(state: Search, bar: Progress, interrupt: Interrupt) -> None:
    """One pass over the training data for the shared weights: a fresh architecture for each batch."""
    position, objects = state.position, state.objects
    if position.phase != "weights":
        return
    if position.step == 0:
        position.order_seed = int(torch.randint(2**62, (), generator=state.generator))
        position.sums = {}
        state.carried = None
    objects.supernet.train()
    state.start_clock()
    for batch, codes in _batches_with_codes(state):
        state.set_rate(batch.rate_factor)
        outcome = objects.task.step(bind(objects.supernet, objects.decoder(codes)), batch, state.carried)
        loss = outcome.loss.item()
        if math.isfinite(loss) and step_weights(state, outcome.loss):
            position.add(outcome.figures)
            state.carried = outcome.carried
        else:  # one architecture whose numbers overflow must not spoil the weights of all
            position.add({"skipped": 1.0})
            state.carried = None
        state.count_step()
        bar.advance(1, loss=loss)
        state.pause(interrupt)
        if state.out_of_time():  # before the next batch is made, so that going on later makes the same one
            return
    position.phase, position.step = "controller", 0


def _batches_with_codes(state: Search) -> Iterator[tuple[Batch, Tensor]]:
    """The rest of this epoch's batches, each with the architecture sampled for it; the same after an interruption."""
    position, objects = state.position, state.objects
    steps = state.steps_per_epoch()
    with torch.no_grad():
        sampler = torch.Generator().manual_seed(position.order_seed + 1)
        codes = objects.controller(steps, generator=sampler).codes
    batches = objects.task.training_batches(
        "train",
        state.config.batch_size,
        order_seed=position.order_seed,
        generator=state.generator,
        skip=position.step,
        limit=steps,
    )
    return zip(batches, codes[position.step :], strict=True)


def step_weights(state: Search, loss: Tensor) -> bool:
    """One gradient step on the weights that the sampled architecture uses; False when the gradient is not finite.

    Others have no gradient and stay as they are, unless `decay_unsampled` gives them a zero gradient, so that weight decay and
    momentum move them as in the authors' code.
    """
    parameters = list(state.objects.supernet.parameters())
    state.weights_optimizer.zero_grad(set_to_none=True)
    loss.backward()
    if state.config.decay_unsampled:
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
    if state.config.grad_clip is not None:
        norm = torch.nn.utils.clip_grad_norm_(parameters, state.config.grad_clip)
        if not math.isfinite(norm):
            return False
    state.weights_optimizer.step()
    return True


def train_controller(state: Search, bar: Progress, interrupt: Interrupt) -> None:
    """One phase of policy-gradient steps, rewards measured on validation examples."""
    position, config, objects = state.position, state.config, state.objects
    if position.phase != "controller":
        return
    objects.supernet.eval()
    state.start_clock()
    while position.step < config.controller_steps and not state.out_of_time():
        sample = objects.controller(config.controller_samples, generator=state.generator)
        rewards = [objects.task.reward(value) for value in measure(state, sample.codes)]
        loss, figures = policy_loss(sample, rewards, state.baseline, config)
        state.controller_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        state.controller_optimizer.step()
        rate = objects.decoder.skip_rate(sample.codes)
        position.add(figures if rate is None else {**figures, "controller/skip_rate": rate})
        state.count_step()
        bar.advance(1, reward=figures["controller/reward"])
        state.pause(interrupt)


def measure(state: Search, codes: Tensor) -> list[float]:
    """The task's metric for each architecture on a random validation batch: one for all of them, or one each."""
    objects, config = state.objects, state.config
    scores: list[float] = []
    known: dict[tuple[int, ...], float] = {}
    batch = None
    for row in codes:
        if batch is None or not config.share_reward_batch:
            batch = objects.task.random_batch("valid", config.reward_batch_size, state.generator)
            known = {}
        key = tuple(row.tolist())
        if key not in known:
            known[key] = score(objects.supernet, objects.decoder(row), [batch], objects.task)
        scores.append(known[key])
    return scores


def finish_epoch(state: Search) -> str:
    """Evaluate sampled architectures, log the epoch, move on to the next; returns the line for the user."""
    position, config, objects = state.position, state.config, state.objects
    with torch.no_grad():
        codes = objects.controller(config.evaluation_samples, generator=state.generator).codes
    values, task, sums = measure(state, codes), objects.task, position.sums
    best = max(range(len(values)), key=lambda i: task.direction * values[i])
    seen, steps = sums.get("seen", 0.0), max(config.controller_steps, 1)
    if not seen:
        raise RunError(f"no step of epoch {position.epoch + 1} had finite numbers: lower --lr-max or set --grad-clip")
    sampled, best_name = f"valid/sampled_{task.metric}", f"valid/best_{task.metric}"
    metrics = {
        **{f"train/{name}": value for name, value in task.metrics(sums).items()},
        "train/lr": state.rate(),
        **({"train/skipped_steps": sums["skipped"]} if "skipped" in sums else {}),
        **{name: value / steps for name, value in sums.items() if name.startswith("controller/")},
        "controller/baseline": state.baseline.value,
        sampled: sum(values) / len(values),
        best_name: values[best],
    }
    spent = position.spent
    position.epoch, position.phase, position.step = position.epoch + 1, "weights", 0
    position.spent = dict.fromkeys(spent, 0.0)
    state.run.log(position.epoch, metrics)
    found = objects.decoder(codes[best])
    state.run.log_architecture(position.epoch, json.loads(found.to_json()), values[best])
    show_best(state, found)
    samples = config.controller_steps * config.controller_samples
    timings = {
        f"time/{task.unit}_per_second": seen / max(spent["weights"], 1e-9),
        "time/architectures_per_second": samples / max(spent["controller"], 1e-9),
        "time/epoch_seconds": spent["weights"] + spent["controller"],
    }
    state.run.log_timing(position.epoch, timings)
    return (
        f"epoch {position.epoch}/{config.epochs}: loss {metrics['train/loss']:.3f}, supernet {task.metric} of sampled "
        f"architectures {metrics[sampled]:.3f}, best {values[best]:.3f} (not final {task.metric}), entropy "
        f"{metrics.get('controller/entropy', float('nan')):.1f}, {timings[f'time/{task.unit}_per_second']:.0f} {task.unit}/s"
    )


def show_best(state: Search, found: Architecture) -> None:
    """Draw the best architecture of an epoch: `best.svg`, and a picture in TensorBoard."""
    try:
        graph = state.objects.space.wiring(found)
        draw(graph, state.run.path / BEST)
        state.run.log_picture(state.position.epoch, "best_architecture", image(graph))
    except UsageError as error:  # a drawing that a user's own space gets wrong is no reason to end its search
        _LOG.warning("no picture of epoch %d: %s", state.position.epoch, error)
