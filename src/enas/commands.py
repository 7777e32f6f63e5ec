"""What the verbs of the command line do, as functions of settings and a runtime."""

import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import torch

from enas import movie, picture
from enas.architecture import Architecture
from enas.bounds import check
from enas.config import MovieConfig
from enas.decisions import Step
from enas.draw import draw as draw_graph
from enas.errors import RunError, UsageError
from enas.export import export as export_network
from enas.figures import shown
from enas.files import write_text
from enas.interface import INTERFACE, interface_of
from enas.interface import to_json as interface_json
from enas.movie import Frame
from enas.notation import are_numbers
from enas.progress import reading
from enas.resume import open_or_check
from enas.run import CONFIG, Run
from enas.runtime import Runtime
from enas.schedules import unfinished
from enas.search import guards
from enas.search import loop as search_loop
from enas.search import setup as search_setup
from enas.search.derive import Derivation
from enas.search.setup import SearchSettings
from enas.sources import Source, find, history, read_foreign, read_reference
from enas.space_file import short_name
from enas.spaces import load
from enas.tasks.task import Task
from enas.train import loop as train_loop
from enas.train import setup as train_setup
from enas.train.setup import TrainObjects, TrainSettings
from enas.train.test import final_test
from enas.trained import load as load_trained
from enas.trainings import ARCHITECTURE, free_folder, training_in, training_of
from enas.weights import load_weights

Settings = TypeVar("Settings", SearchSettings, TrainSettings)


def search(settings: SearchSettings, out: Path, runtime: Runtime, *, resume: bool = False) -> Derivation:
    """Search an architecture into the run folder `out`.

    Raises:
        EnasError: data, settings or folder are unfit.
        Interrupted: the user asked to stop; all is saved.
    """
    settings = freeze(settings)
    run = open_or_check(settings, out, resume, runtime)
    with reading(runtime.console) as progress:
        objects = search_setup.build(settings, cache=runtime.cache, device=runtime.device, progress=progress)
    run = run or Run.create(out, settings.to_json())  # not before all is known to fit
    for note in objects.task.notes:
        runtime.say(note)
    if slow := unfinished(settings.search, settings.search.epochs):
        runtime.say(slow)
    parameters = sum(p.numel() for p in objects.supernet.parameters())
    runtime.say(
        f"searching {short_name(settings.space)} ({settings.preset}): supernet of {parameters:,} shared weights, run in {out}"
    )
    found = search_loop.search(objects, run, console=runtime.console, say=runtime.say, resume=resume)
    run.close()
    report_derivation(found, objects.decoder.steps, objects.task, out, runtime)
    return found


def derive(path: Path, samples: int | None, runtime: Runtime) -> Derivation:
    """Derive again from the newest checkpoint of a search, with another number of samples.

    Raises:
        EnasError: the folder is not that of a search, or holds no checkpoint.
    """
    if samples is not None and samples < 1:
        raise UsageError(f"--samples must be at least 1, got {samples}")
    run = Run.open(path)
    settings = SearchSettings.from_json(run.settings, str(path))
    if samples is not None:
        settings = replace(settings, search=replace(settings.search, derive_samples=samples))
    with reading(runtime.console) as progress:
        objects = search_setup.build(settings, cache=runtime.cache, device=runtime.device, progress=progress)
    found = search_loop.derive_from(objects, run, console=runtime.console)
    report_derivation(found, objects.decoder.steps, objects.task, path, runtime)
    return found


def report_derivation(found: Derivation, steps: Sequence[Step], task: Task, out: Path, runtime: Runtime) -> None:
    """Tell the user what was found, how it compares with chance, what to beware of, and what to do next."""
    runtime.say(f"on {found.examples:,} validation {task.unit}, supernet {task.metric} (not final {task.metric}):")
    if found.searched_mean is None or found.difference is None:
        runtime.say(f"  random search: {len(found.candidates)} uniform architectures, mean {shown(found.random_mean)}")
    else:
        better = "better" if task.direction * found.difference > 2 * found.standard_error else "not clearly better"
        error = "unknown" if math.isnan(found.standard_error) else shown(found.standard_error)
        runtime.say(
            f"  searched {shown(found.searched_mean)}, random {shown(found.random_mean)}, searched minus random "
            f"{'+' if found.difference >= 0 else ''}{shown(found.difference)} +- {error} (standard error): {better} than chance"
        )
    best = found.best
    stage = "" if best.examples == found.examples else f" on {best.examples:,}"
    runtime.say(
        f"  best {shown(best.score)}{stage}: {out / 'architecture.json'}; all ranked: {out / 'candidates.json'}"
    )
    for warning in (guards.noisy_ranking(found.agreement["uniform"]), guards.parameter_free(best.architecture, steps)):
        if warning is not None:
            runtime.say(warning)
    runtime.say(_next_training(out, best.architecture))


def _next_training(out: Path, architecture: Architecture) -> str:
    """The command that trains what a search has found; where it stands when that was done before."""
    done = training_of(out, architecture)
    if done is not None and (done / train_loop.RESULT).is_file():
        return f"{done} has trained it already; next: enas export {done} -o network.pt2"
    folder = done or free_folder(out / "train")
    place = "" if folder == out / "train" else f" --out {folder}"
    resume = "" if done is None else " --resume"
    return f"next: enas train {out}{place}{resume}    (from scratch; only that tells what the architecture is worth)"


def train(
    settings: TrainSettings, source: Source, out: Path, runtime: Runtime, *, resume: bool = False, advise: bool = True
) -> dict[str, int | float]:
    """Train the architecture of a source from scratch into the run folder `out`.

    Args:
        settings: Of the training.
        source: The architecture.
        out: Folder of the run.
        runtime: Where to train.
        resume: Whether to go on with the run in this folder.
        advise: Whether to note an unfinished schedule and name the next commands: not where a training is one of several.

    Raises:
        EnasError: data, settings or folder are unfit.
        Interrupted: the user asked to stop; all is saved.
    """
    settings = freeze(settings)
    file = out / ARCHITECTURE
    training = (out / CONFIG).is_file() and Run.open(out).settings.get("kind") == "train"
    if training and file.is_file() and Architecture.load(file) != source.architecture:  # --resume would be no remedy
        raise RunError(f"{out} trains another architecture than {source.where}: give it another --out")
    run = open_or_check(settings, out, resume, runtime)
    objects = _training(settings, source.architecture, source.where, runtime)
    run = run or Run.create(out, settings.to_json())  # not before all is known to fit
    source.architecture.save(file)
    interface = interface_of(objects.task, settings.data.level)
    if interface is not None:
        run.write_json(INTERFACE, interface_json(interface))
    for note in objects.task.notes:
        runtime.say(note)
    if advise and (slow := unfinished(settings.train, settings.train.epochs)):
        runtime.say(slow)
    parameters = sum(p.numel() for p in objects.network.parameters())
    runtime.say(f"training {source.where} ({settings.preset}): {parameters:,} parameters, run in {out}")
    result = train_loop.train(objects, run, console=runtime.console, say=runtime.say, resume=resume)
    run.close()
    metric = objects.task.metric
    for part, word in (("valid", "validation"), ("test", "test")):
        if f"{part}/{metric}" in result:
            runtime.say(f"{word} {metric} {shown(result[f'{part}/{metric}'])}, loss {shown(result[f'{part}/loss'])}")
    runtime.say(f"weights: {out / train_loop.BEST}")
    if advise:
        versus = f", or enas compare {source.run or out}    (against random architectures)"
        runtime.say(f"next: enas export {out} -o network.pt2{versus if objects.task.has_test else ''}")
    return result


def test(path: Path, runtime: Runtime) -> dict[str, int | float]:
    """Score the kept weights of a training on the test split.

    Raises:
        EnasError: the folder is not that of a training, or its weights are missing or damaged.
    """
    path = training_in(path)
    run = Run.open(path)
    settings = TrainSettings.from_json(run.settings, str(path))
    architecture = Architecture.load(path / ARCHITECTURE)
    objects = _training(settings, architecture, str(path), runtime)
    load_weights(path / train_loop.BEST, objects.network)
    task = objects.task
    result = final_test(objects.network, task, "test", runtime.console)
    value = result[f"test/{task.metric}"]
    runtime.say(f"{path}: test {task.metric} {shown(value)}, test loss {result['test/loss']:.4f} nats")
    return result


def draw(text: str, output: Path, runtime: Runtime, settings: MovieConfig | None = None) -> None:
    """Draw the architecture of a source as SVG, PNG or PDF; or, as GIF or WebP, how the best one of a search changed.

    Raises:
        EnasError: there is no such architecture or search, the suffix is unknown, or a setting does not go with it.
    """
    settings, form = settings or MovieConfig(), output.suffix.lower().removeprefix(".")
    check(settings)
    if form in movie.FORMATS:
        past = history(text)
        graphs = [past.space.wiring(architecture) for architecture in past.architectures]
        frames = [Frame(*parts) for parts in zip(graphs, past.steps, past.scores, strict=True)]
        drawn = movie.animate(frames, output, metric=past.space.task.metric, settings=settings)
        runtime.say(f"drawn: {output}, {drawn} of {len(frames)} epochs")
        return
    if form not in picture.FORMATS:
        known = [f".{known}" for known in (*picture.FORMATS, *movie.FORMATS)]
        raise UsageError(f"cannot draw to {str(output)!r}: the name must end in {', '.join(known[:-1])} or {known[-1]}")
    if settings != MovieConfig(title=settings.title):
        raise UsageError(f"--seconds-per-frame and --max-frames are for .gif and .webp, not for {str(output)!r}")
    source = find(text)
    graph = source.space.wiring(source.architecture)
    draw_graph(graph if settings.title is None else replace(graph, title=settings.title), output)
    runtime.say(f"drawn: {output}")


def export(path: Path, output: Path, runtime: Runtime) -> None:
    """Write the trained network of a run for use elsewhere.

    Raises:
        EnasError: the folder is not that of a training, the suffix is unknown, or a package is missing.
    """
    export_network(load_trained(path, torch.device("cpu")), output)
    runtime.say(f"exported: {output}")


def convert(text: str, output: Path, runtime: Runtime, *, space: str | None = None, to: str | None = None) -> None:
    """Write an architecture in another notation.

    Args:
        text: A source; or, with a space, what another program wrote, or a file that holds it.
        output: File to write.
        runtime: Where to say so.
        space: Whose notation the text is in; None: it is a source.
        to: A notation of the space, or "architecture"; None: what came from another program becomes architecture.json, all else
            the first notation of its space (of a recurrent cell: dag.json).

    Raises:
        EnasError: there is no such architecture, its notation cannot say it, or the place cannot be written.
    """
    architecture, foreign = _read(text, space)
    notations = {notation.name: notation for notation in load(architecture.space).notations}
    to = to or ("architecture" if foreign else next(iter(notations), "architecture"))
    if to == "architecture":
        architecture.save(output)
    elif to in notations:
        write_text(output, notations[to].write(architecture))
    else:
        known = ", ".join(["architecture", *notations])
        raise UsageError(f"{architecture.space} has no notation {to!r}: known are {known}")
    runtime.say(f"converted: {output}")


def _read(text: str, space: str | None) -> tuple[Architecture, bool]:
    """An architecture, and whether it was in the notation of another program."""
    if space is None:
        # Numbers are no path, and may be longer than one can be.
        found = None if are_numbers(text) or not Path(text).is_file() else read_foreign(Path(text))
        return (found, True) if found else (find(text).architecture, text.startswith("arc:"))
    chosen, where = load(space), "the text"
    if not are_numbers(text) and Path(text).is_file():
        where, text = text, Path(text).read_text(encoding="utf-8", errors="replace")
    return read_reference(chosen, text, where), True


def _training(settings: TrainSettings, architecture: Architecture, where: str, runtime: Runtime) -> TrainObjects:
    with reading(runtime.console) as progress:
        return train_setup.build(
            settings, architecture, cache=runtime.cache, device=runtime.device, where=where, progress=progress
        )


def freeze(settings: Settings) -> Settings:
    """Make a data folder absolute, so that a run can be taken up from anywhere."""
    dataset = settings.data.dataset
    if dataset is not None and Path(dataset).is_dir():
        return replace(settings, data=replace(settings.data, dataset=os.path.abspath(dataset)))
    return settings
