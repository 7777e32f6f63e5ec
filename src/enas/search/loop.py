"""The search: shared weights and controller in turns, epoch by epoch (Pham et al. 2018, section 2.2)."""

import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import torch
from jaxtyping import Int
from torch import Tensor

from enas.architecture import Architecture
from enas.draw import draw, image
from enas.errors import RunError, UsageError
from enas.figures import shown
from enas.interrupt import Interrupt
from enas.progress import Progress
from enas.run import Run
from enas.search import optimizers
from enas.search.derive import Derivation, derive
from enas.search.guards import early_collapse, entropy_ceiling
from enas.search.reinforce import entropy_weight, update
from enas.search.rewards import measure, probe
from enas.search.sampling import batches_with_codes
from enas.search.scoring import bind
from enas.search.setup import SearchObjects
from enas.search.state import Search
from enas.tasks.task import Batch, Outcome

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
    total, before = state.steps_before(config.epochs), state.steps_before(position.epoch)
    done = before + (position.phase == "controller") * state.steps_per_epoch() + position.step
    with Interrupt() as interrupt, Progress("search", total, console=console, done=done) as bar:
        while position.epoch < config.epochs and not state.out_of_time():
            train_weights(state, bar, interrupt)
            train_controller(state, bar, interrupt)
            if state.out_of_time():
                break
            for line in finish_epoch(state):
                say(line)
            state.save()
    if position.epoch < config.epochs:
        say(f"time is up after {position.epoch} of {config.epochs} epochs: deriving from what was found so far")
        state.save()
    start = time.monotonic()
    found = _derive(state, console)
    run.log_timing(position.epoch, {"time/derive_seconds": time.monotonic() - start})
    return found


def derive_from(objects: SearchObjects, run: Run, *, console: Any) -> Derivation:
    """Derive from the newest checkpoint of a run: what `enas derive` does.

    Raises:
        RunError: the run has no checkpoint.
    """
    state = Search(objects, run)
    if not state.restore(rewind=False):
        raise RunError(f"{run.path} has no checkpoint to derive from: run its search first")
    return _derive(state, console)


def _derive(state: Search, console: Any) -> Derivation:
    objects, run, config = state.objects, state.run, state.config
    total = config.derive_samples * (2 if config.derive_from == "policy" else 1)
    with Progress("derive", total, console=console) as bar:
        found = derive(
            objects.controller,
            state.scored,
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
    """One pass over the training data for the shared weights: fresh architectures for each batch."""
    position, objects = state.position, state.objects
    if position.phase != "weights":
        return
    if position.step == 0:
        position.order_seed = int(torch.randint(2**62, (), generator=state.generator))
        position.sums = {}
        state.carried = None
    objects.supernet.train()
    state.start_clock()
    for batch, codes in batches_with_codes(state):
        state.set_rate(batch.rate_factor)
        outcomes = accumulate(state, batch, codes)
        finite = math.isfinite(sum(outcome.loss.item() for outcome in outcomes))
        if finite and step_weights(state):
            for outcome in outcomes:
                position.add(outcome.figures)
            state.carried = outcomes[0].carried
        else:  # one architecture whose numbers overflow must not spoil the weights of all
            position.add({"skipped": 1.0})
            state.carried = None
        state.count_step()
        bar.advance(1, loss=outcomes[-1].loss.item())
        state.pause(interrupt)
        if state.out_of_time():  # before the next batch is made, so that going on later makes the same one
            return
    position.phase, position.step = "controller", 0


def accumulate(state: Search, batch: Batch, codes: Int[Tensor, "M L"]) -> list[Outcome]:
    """Leave in the shared weights the gradient of the mean loss of M architectures on one batch.

    Returns:
        The outcome of each; the last has an infinite or undefined loss, and the gradient is of no use, when one had.
    """
    objects, outcomes = state.objects, []
    state.weights_optimizer.zero_grad(set_to_none=True)
    for row in codes:
        outcome = objects.task.step(bind(objects.supernet, objects.decoder(row)), batch, state.carried)
        outcomes.append(replace(outcome, loss=outcome.loss.detach()))
        if not math.isfinite(outcomes[-1].loss.item()):
            break
        (outcome.loss / len(codes)).backward()
    return outcomes


def step_weights(state: Search) -> bool:
    """One step on the weights along the gradient that they hold; False, and no step, when it is not finite."""
    if not optimizers.step_weights(state.weights_optimizer, state.config):
        return False
    if state.average is not None:
        state.average.update_parameters(state.objects.supernet)
    return True


def train_controller(state: Search, bar: Progress, interrupt: Interrupt) -> None:
    """One phase of policy-gradient steps, rewards measured on validation examples."""
    position, config, objects = state.position, state.config, state.objects
    if position.phase != "controller":
        return
    state.scored.eval()
    state.start_clock()
    while position.step < state.controller_steps(position.epoch) and not state.out_of_time():
        sample = objects.controller(config.controller_samples, generator=state.generator)
        rewards = [objects.task.reward(value) for value in measure(state, sample.codes)]
        progress = state.controller_progress()
        figures = update(objects.controller, state.step_controller, sample, rewards, state.baseline, config, progress)
        if config.controller_lr_cosine:
            position.add({"controller/lr": state.controller_rate()})
        if config.entropy_weight_end is not None:
            position.add({"controller/entropy_weight": entropy_weight(config, progress)})
        rate = objects.decoder.skip_rate(sample.codes)
        position.add(figures if rate is None else {**figures, "controller/skip_rate": rate})
        state.count_step()
        bar.advance(1, reward=figures["controller/reward"])
        state.pause(interrupt)


def finish_epoch(state: Search) -> list[str]:
    """Evaluate sampled architectures, log the epoch, move on to the next; returns lines for the user."""
    position, config, objects = state.position, state.config, state.objects
    with torch.no_grad():
        codes = objects.controller(config.evaluation_samples, generator=state.generator).codes
    values, task, sums = measure(state, codes), objects.task, position.sums
    best = max(range(len(values)), key=lambda i: task.direction * values[i])
    updates = state.controller_steps(position.epoch)
    seen = sums.get("seen", 0.0)
    if not seen:
        raise RunError(f"no step of epoch {position.epoch + 1} had finite numbers: lower --lr-max or set --grad-clip")
    sampled, best_name = f"valid/sampled_{task.metric}", f"valid/best_{task.metric}"
    metrics = {
        **{f"train/{name}": value for name, value in task.metrics(sums).items()},
        "train/lr": state.rate(),
        **({"train/skipped_steps": sums["skipped"]} if "skipped" in sums else {}),
        **{name: value / max(updates, 1) for name, value in sums.items() if name.startswith("controller/")},
        "controller/baseline": state.baseline.value,
        sampled: task.average(values),
        best_name: values[best],
    }
    spent = position.spent
    position.epoch, position.phase, position.step = position.epoch + 1, "weights", 0
    position.spent = dict.fromkeys(spent, 0.0)
    state.run.log(position.epoch, metrics)
    found = objects.decoder(codes[best])
    state.run.log_architecture(position.epoch, json.loads(found.to_json()), values[best])
    show_best(state, found)
    if config.probe_samples and (position.epoch % config.probe_every == 0 or position.epoch == config.epochs):
        state.run.log_probes(position.epoch, probe(state))
    samples = updates * config.controller_samples
    timings = {
        f"time/{task.unit}_per_second": seen / max(spent["weights"], 1e-9),
        "time/architectures_per_second": samples / max(spent["controller"], 1e-9),
        "time/epoch_seconds": spent["weights"] + spent["controller"],
    }
    state.run.log_timing(position.epoch, timings)
    entropy = f"entropy {metrics['controller/entropy']:.1f}, " if "controller/entropy" in metrics else ""
    line = (
        f"epoch {position.epoch}/{config.epochs}: loss {metrics['train/loss']:.3f}, supernet {task.metric} of sampled "
        f"architectures {shown(metrics[sampled], 3)}, best {shown(values[best], 3)} (not final {task.metric}), "
        f"{entropy}{timings[f'time/{task.unit}_per_second']:.0f} {task.unit}/s"
    )
    return [line, *_warn_once(state, metrics.get("controller/entropy"))]


def _warn_once(state: Search, entropy: float | None) -> list[str]:
    """The warning of an early collapse, the first time that there is reason for it."""
    if entropy is None or state.position.collapsed:
        return []
    ceiling = entropy_ceiling(state.objects.decoder.steps)
    warning = early_collapse(entropy, ceiling, state.position.epoch, state.config)
    state.position.collapsed = warning is not None
    return [warning] if warning else []


def show_best(state: Search, found: Architecture) -> None:
    """Draw the best architecture of an epoch: `best.svg`, and a picture in TensorBoard."""
    try:
        graph = state.objects.space.wiring(found)
        draw(graph, state.run.path / BEST)
        state.run.log_picture(state.position.epoch, "best_architecture", image(graph))
    except UsageError as error:  # a drawing that a user's own space gets wrong is no reason to end its search
        _LOG.warning("no picture of epoch %d: %s", state.position.epoch, error)
