"""Where an architecture comes from, and what is said when it does not come from there."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from enas.architecture import Architecture, encode
from enas.config import DataConfig
from enas.errors import ArchitectureError, EnasError, RunError, UsageError
from enas.run import Run
from enas.search.setup import SearchSettings
from enas.sources import draw_uniformly, find
from enas.spaces import load
from enas.spaces.macro.steps import OPERATIONS, steps
from enas.train.setup import TrainSettings

ARCHITECTURE = Architecture(
    "macro", {"layers": 2}, {"layer0.op": "conv3x3", "layer1.op": "max_pool", "layer1.skips": ("stem",)}
)
DATA = DataConfig(dataset="digits", data_seed=4)


def refusal(text: str, kind: type[EnasError]) -> str:
    with pytest.raises(kind) as error:
        find(text)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_published_architecture_by_its_name() -> None:
    source = find("published:enas-macro")
    assert source.architecture.size == {"layers": 24}
    assert source.architecture.choices["layer2.op"] == "conv3x3"
    assert source.architecture.choices["layer2.skips"] == ("stem",)
    assert source.architecture.choices["layer3.op"] == "conv5x5"
    assert source.architecture.choices["layer3.skips"] == ("layer1",)
    assert (source.where, source.data, source.run) == ("published:enas-macro", DataConfig(), None)
    assert source.space.name == "macro"


def test_an_unknown_published_name_is_refused_with_the_known_ones() -> None:
    message = refusal("published:enas-marco", UsageError)
    names = "darts-rnn, darts-v1, enas-lm, enas-macro, enas-micro, enas-rnn, lstm"
    assert message == f"unknown published architecture 'enas-marco': known are {names}"


def test_a_random_architecture_depends_on_its_seed_alone() -> None:
    source = find("random:macro:1")
    assert source.architecture == find("random:macro:1").architecture
    assert source.architecture != find("random:macro:2").architecture
    assert find("random:macro").architecture == find("random:macro:0").architecture
    assert source.architecture.size == {"layers": load("macro").presets["cpu"].supernet.layers}
    assert encode(source.architecture, steps(source.architecture.size))
    assert (source.where, source.run) == ("random:macro:1", None)


@pytest.mark.parametrize("text", ["random:macro:one", "random:macro:-1", "random:macro:1.5", "random:macro:1:2"])
def test_a_seed_that_is_no_whole_number_is_refused(text: str) -> None:
    assert refusal(text, UsageError) == f"{text}: the seed must be a whole number, as in random:macro:1"


def test_a_random_architecture_of_an_unknown_space_is_refused() -> None:
    assert refusal("random:marco:1", UsageError) == "unknown space 'marco': did you mean 'macro'?"


def test_an_architecture_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    ARCHITECTURE.save(file)
    source = find(str(file))
    assert source.architecture == ARCHITECTURE
    assert (source.where, source.preset, source.data, source.run) == (str(file), "cpu", DataConfig(), None)


def test_a_missing_or_damaged_file_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.json")
    assert refusal(missing, ArchitectureError).startswith(f"cannot read {missing}: ")
    damaged = tmp_path / "damaged.json"
    damaged.write_text(ARCHITECTURE.to_json()[:-20])
    message = refusal(str(damaged), ArchitectureError)
    assert message.startswith(str(damaged))
    assert "is not valid JSON" in message


def test_a_file_of_an_unknown_space_is_refused(tmp_path: Path) -> None:
    replace(ARCHITECTURE, space="marco").save(tmp_path / "a.json")
    assert "unknown space 'marco'" in refusal(str(tmp_path / "a.json"), UsageError)


def test_a_search_hands_on_its_data_preset_and_folder(tmp_path: Path) -> None:
    settings = SearchSettings.from_preset(load("macro"), "demo", DATA)
    run = Run.create(tmp_path / "run", settings.to_json())
    ARCHITECTURE.save(run.path / "architecture.json")
    source = find(str(run.path))
    assert source.architecture == ARCHITECTURE
    assert (source.data, source.preset, source.run) == (DATA, "demo", run.path)
    assert source.where == str(run.path / "architecture.json")


def test_a_training_hands_on_its_data_but_is_no_search(tmp_path: Path) -> None:
    settings = TrainSettings.from_preset(load("macro"), "demo", DATA)
    run = Run.create(tmp_path / "run", settings.to_json())
    ARCHITECTURE.save(run.path / "architecture.json")
    source = find(str(run.path))
    assert (source.architecture, source.data, source.preset, source.run) == (ARCHITECTURE, DATA, "demo", None)


def test_a_run_without_an_architecture_says_what_to_do(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", SearchSettings.from_preset(load("macro"), "demo", DATA).to_json())
    message = refusal(str(run.path), RunError)
    expected = f"holds no architecture.json yet: let its search end, or run 'enas derive {run.path}'"
    assert message == f"{run.path} {expected}"


def test_a_folder_that_is_no_run_or_of_another_program_is_refused(tmp_path: Path) -> None:
    assert refusal(str(tmp_path), RunError) == f"{tmp_path} is not the folder of a run: it has no config.json"
    ARCHITECTURE.save(tmp_path / "architecture.json")
    (tmp_path / "config.json").write_text(json.dumps({"learning_rate": 1}))
    assert "is not the folder of a search" in refusal(str(tmp_path), RunError)


def test_drawn_architectures_are_uniform_over_every_question() -> None:
    drawn = draw_uniformly(load("macro"), {"layers": 3}, 600, seed=0)
    assert len(drawn) == 600
    for layer in range(3):
        counts = Counter(str(architecture.choices[f"layer{layer}.op"]) for architecture in drawn)
        assert set(counts) == set(OPERATIONS)
        assert all(count == pytest.approx(100, abs=40) for count in counts.values())  # over four standard deviations
    for node in ("stem", "layer0"):
        count = sum(node in architecture.choices["layer2.skips"] for architecture in drawn)
        assert count == pytest.approx(300, abs=50)
    both = sum(len(architecture.choices["layer2.skips"]) == 2 for architecture in drawn)
    assert both == pytest.approx(150, abs=45)  # independent of each other


def test_drawing_more_or_again_with_a_seed_is_repeatable() -> None:
    space, size = load("macro"), {"layers": 3}
    assert draw_uniformly(space, size, 5, seed=1) == draw_uniformly(space, size, 5, seed=1)
    assert draw_uniformly(space, size, 5, seed=1) != draw_uniformly(space, size, 5, seed=2)


@pytest.mark.parametrize("seed", ["²", str(10**22)])
def test_a_seed_that_is_no_number_for_the_generator_is_refused(seed: str) -> None:
    with pytest.raises(UsageError):
        find(f"random:macro:{seed}")


def test_more_random_architectures_begin_with_the_fewer() -> None:
    space = load("macro")
    assert draw_uniformly(space, {"layers": 6}, 5, seed=0)[:2] == draw_uniformly(space, {"layers": 6}, 2, seed=0)


@pytest.mark.parametrize("name", [".x", "x.", "a..b", "a-b.c"])
def test_a_space_named_by_a_bad_path_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"give module\.attribute"):
        load(name)
