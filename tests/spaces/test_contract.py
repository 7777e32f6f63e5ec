"""What every search space owes the rest of the program, shown on the embedded data for all of them alike."""

import io
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from PIL import Image
from rich.console import Console
from torch._dynamo.utils import counters

from enas.architecture import Architecture, decode, encode
from enas.cli import main
from enas.config import DataConfig
from enas.controller import Controller, sample_uniformly
from enas.decisions import check_steps, choices_of, code_length, decisions
from enas.draw import draw
from enas.runtime import Runtime
from enas.search import setup as search_setup
from enas.search.scoring import bind
from enas.search.setup import SearchSettings
from enas.sources import find
from enas.spaces import load, names, published

OWN = str(Path(__file__).parents[2] / "examples" / "03_your_own_space.py")
SPACES = (*names(), OWN)
SMALL = {
    "macro": ("--layers 3 --filters 4", "--filters 4"),
    "micro": ("--layers 1 --filters 4 --nodes 2", "--layers 1 --filters 4"),
    OWN: ("--blocks 3 --width 8", "--width 8"),
    "rnn": (
        "--nodes 3 --width 8 --batch-size 4 --reward-batch-size 4 --derive-examples 200",
        "--width 8 --batch-size 4",
    ),
}
"""Flags that make the networks of search and training small; spaces that are not listed run at the size of their demo."""
SEARCH = "--preset demo --epochs 2 --lr-first-cycle 2 --steps-per-epoch 5 --controller-steps 2 --controller-samples 3"
SEARCH += " --derive-samples 3 --evaluation-samples 2 --threads 1"
TRAIN = "--preset demo --epochs 2 --lr-first-cycle 2 --steps-per-epoch 6 --threads 1"
SEARCHED = ("metrics.jsonl", "architectures.jsonl", "candidates.json", "architecture.json")
TRAINED = ("metrics.jsonl", "result.json", "best.safetensors", "last.safetensors")


def search_flags(space: str) -> list[str]:
    return [*SEARCH.split(), *SMALL.get(space, ("", ""))[0].split()]


def train_flags(space: str) -> list[str]:
    return [*TRAIN.split(), *SMALL.get(space, ("", ""))[1].split()]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return ["--cache-dir", str(tmp_path_factory.mktemp("cache"))]


@pytest.fixture(scope="module", params=SPACES)
def searched(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cache: list[str]) -> Path:
    out = tmp_path_factory.mktemp("contract") / "search"
    assert main(["search", request.param, *search_flags(request.param), "--out", str(out), *cache]) == 0
    return out


@pytest.fixture(scope="module")
def space_name(searched: Path) -> str:
    """The space as it was named to the command line."""
    name = Architecture.load(searched / "architecture.json").space
    return OWN if name == f"{OWN}:SPACE" else name


def kill_in_the_middle(arguments: list[str], out: Path) -> None:
    """Start a command with a checkpoint after every step and kill it some steps later."""
    command = [sys.executable, "-m", "enas", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(out.glob("checkpoint-*.pt")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_a_search_is_the_same_again_and_after_a_kill(
    searched: Path, space_name: str, tmp_path: Path, cache: list[str]
) -> None:
    space = space_name
    again = ["search", space, *search_flags(space), *cache, "--out", str(tmp_path / "again")]
    assert main(again) == 0
    killed = [*again[:-1], str(tmp_path / "killed"), "--checkpoint-minutes", "0"]
    kill_in_the_middle(killed, tmp_path / "killed")
    assert main([*killed, "--resume"]) == 0
    for name in SEARCHED:
        assert (tmp_path / "again" / name).read_bytes() == (searched / name).read_bytes(), name
        assert (tmp_path / "killed" / name).read_bytes() == (searched / name).read_bytes(), name


def test_a_training_is_the_same_again_and_after_a_kill(
    searched: Path, space_name: str, tmp_path: Path, cache: list[str]
) -> None:
    space, file = space_name, str(searched / "architecture.json")
    first = ["train", file, *train_flags(space), *cache, "--out", str(tmp_path / "first")]
    assert main(first) == 0
    killed = [*first[:-1], str(tmp_path / "killed"), "--checkpoint-minutes", "0"]
    kill_in_the_middle(killed, tmp_path / "killed")
    assert main([*killed, "--resume"]) == 0
    for name in TRAINED:
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "first" / name).read_bytes(), name
    assert main(["test", str(tmp_path / "first"), *cache]) == 0


def test_the_found_architecture_is_one_of_the_space(searched: Path, space_name: str) -> None:
    architecture = Architecture.load(searched / "architecture.json")
    space = load(space_name)
    assert architecture.space == space.name
    steps = space.steps(architecture.size)
    codes = encode(architecture, steps)
    assert decode(codes, steps, space=space.name, size=architecture.size) == architecture
    assert len(json.loads((searched / "candidates.json").read_text())["candidates"]) == 6


def test_drawing_names_what_was_chosen(searched: Path, tmp_path: Path) -> None:
    source = find(str(searched))
    graph = source.space.wiring(source.architecture)
    assert graph.title
    assert len({node.name for node in graph.nodes}) == len(graph.nodes)
    draw(graph, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.width > 100
    ops = {choice for key, choice in source.architecture.choices.items() if key.endswith("op")}
    shown = " ".join([node.label for node in graph.nodes] + [edge.label for edge in graph.edges])
    assert all(str(op).replace("_", " ") in shown.lower() for op in ops)


@pytest.mark.parametrize("name", SPACES)
def test_every_preset_asks_questions_that_can_be_asked_and_replayed(name: str) -> None:
    space = load(name)
    assert {"cpu", "demo"} <= set(space.presets)
    assert "paper" in space.presets or name == OWN
    for preset in space.presets.values():
        assert isinstance(preset.supernet, space.supernet_config)
        assert isinstance(preset.network, space.network_config)
        steps = space.steps(space.size(preset.supernet))
        check_steps(steps)
        controller = Controller(steps, preset.controller)
        with torch.no_grad():
            sample = controller(3, generator=torch.Generator().manual_seed(0))
            again = controller(3, codes=sample.codes)
        assert sample.codes.shape == (3, code_length(steps))
        torch.testing.assert_close(sample.log_prob, again.log_prob, rtol=0, atol=0)
        drawn = sample_uniformly(steps, 500, torch.Generator().manual_seed(0))
        assert drawn.amax().item() == max(choices_of(decision) for decision in decisions(steps)) - 1


@pytest.mark.parametrize("name", SPACES)
def test_supernet_touches_only_what_is_sampled(name: str, tmp_path: Path) -> None:
    """Some weights stay without gradient, and two architectures together use more than each of them alone; none compiles."""
    settings = SearchSettings.from_preset(load(name), "demo", DataConfig())
    runtime = Runtime(torch.device("cpu"), tmp_path, Console(file=io.StringIO()))
    objects = search_setup.build(settings, cache=runtime.cache, device=runtime.device)
    codes = sample_uniformly(objects.decoder.steps, 6, torch.Generator().manual_seed(0))
    batch = next(objects.task.training_batches("train", 8, order_seed=0, generator=torch.Generator(), limit=1))
    used = []
    objects.supernet.train()
    counters.clear()
    for row in codes:
        objects.supernet.zero_grad(set_to_none=True)
        objects.task.step(bind(objects.supernet, objects.decoder(row)), batch, None).loss.backward()
        used.append({key for key, p in objects.supernet.named_parameters() if p.grad is not None})
    everything = {key for key, _ in objects.supernet.named_parameters()}
    assert all(one < everything for one in used)
    assert len(set.union(*used)) > max(len(one) for one in used)
    assert not counters["frames"], "compiled anew: an architecture must cost no more than its arithmetic"


@pytest.mark.parametrize("name", SPACES)
def test_published_architectures_are_of_their_space(name: str) -> None:
    space = load(name)
    for key in space.published:
        architecture = published(key)
        assert architecture.space == name
        encode(architecture, space.steps(architecture.size), key)
        assert space.wiring(architecture).nodes
