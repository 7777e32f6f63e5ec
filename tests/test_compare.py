"""Found against random on the embedded digits: every number of the comparison is that of a run."""

import io
import json
import math
import statistics
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from rich.console import Console

from enas import commands
from enas.architecture import Architecture
from enas.compare import Comparison, compare
from enas.config import DataConfig, TrainConfig
from enas.errors import DataError, RunError, UsageError
from enas.run import Run
from enas.runtime import Runtime
from enas.sources import Source, draw_uniformly
from enas.spaces import load
from enas.spaces.macro.network import MacroNetworkConfig
from enas.train.setup import TrainSettings

SETTINGS = replace(
    TrainSettings.from_preset(load("macro"), "demo", DataConfig(dataset="digits")),
    network=MacroNetworkConfig(filters=4, dropout=0.0),
    train=TrainConfig(epochs=1, batch_size=32, steps_per_epoch=8, seed=3),
)
FOUND = Architecture("macro", {"layers": 2}, {"layer0.op": "conv3x3", "layer1.op": "sep3x3", "layer1.skips": ("stem",)})
SOURCE = Source(FOUND, load("macro"), "mine.json", DataConfig(), "demo", None)


def make_runtime(cache: Path) -> Runtime:
    return Runtime(torch.device("cpu"), cache, Console(file=io.StringIO(), width=200))


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Comparison, Path, str]:
    out = tmp_path_factory.mktemp("runs") / "compare"
    runtime = make_runtime(out.parent / "cache")
    comparison = compare(SETTINGS, SOURCE, 2, out, runtime)
    return comparison, out, runtime.console.file.getvalue()


def result(path: Path) -> dict[str, float]:
    return json.loads((path / "result.json").read_text())


def test_no_training_among_several_names_the_next_commands(compared: tuple[Comparison, Path, str]) -> None:
    _, _, shown = compared
    assert "Test accuracy, trained from scratch alike" in shown
    assert "test accuracy 0." in shown
    assert "next: " not in shown
    assert "note: " not in shown, "its cycle has ten epochs, and the run one"


def test_accuracies_are_those_of_the_runs(compared: tuple[Comparison, Path, str]) -> None:
    comparison, out, _ = compared
    assert comparison.found == result(out / "found")["test/accuracy"]
    assert comparison.random == tuple(result(out / f"random{index}")["test/accuracy"] for index in range(2))
    assert sorted(path.name for path in out.iterdir()) == ["compare.csv", "found", "random0", "random1"]


def test_the_table_has_the_numbers_of_the_runs(compared: tuple[Comparison, Path, str]) -> None:
    comparison, out, shown = compared
    lines = ["architecture,parameters,test accuracy"]
    for name in ("found", "random0", "random1"):
        figures = result(out / name)
        lines.append(f"{name},{figures['parameters']},{figures['test/accuracy']:.4f}")
        assert f"{figures['test/accuracy']:.4f}" in shown
    assert (out / "compare.csv").read_text().splitlines() == lines
    mean, deviation = statistics.fmean(comparison.random), statistics.stdev(comparison.random)
    assert f"{mean:.4f} +- {deviation:.4f}" in shown
    assert f"{comparison.found - mean:+.4f}" in shown


def test_all_are_trained_alike_and_only_the_architecture_differs(compared: tuple[Comparison, Path, str]) -> None:
    _, out, _ = compared
    settings = [
        TrainSettings.from_json(Run.open(out / name).settings, name) for name in ("found", "random0", "random1")
    ]
    assert settings == [SETTINGS] * 3
    architectures = [Architecture.load(out / name / "architecture.json") for name in ("found", "random0", "random1")]
    assert architectures[0] == FOUND
    assert architectures[1:] == draw_uniformly(load("macro"), {"layers": 2}, 2, seed=3)
    assert architectures[1] != architectures[2]


def test_the_same_again_gives_the_same_and_resuming_trains_nothing_anew(
    compared: tuple[Comparison, Path, str], tmp_path: Path
) -> None:
    comparison, out, _ = compared
    metrics = (out / "random1" / "metrics.jsonl").read_bytes()
    assert compare(SETTINGS, SOURCE, 2, out, make_runtime(tmp_path / "cache"), resume=True) == comparison
    assert (out / "random1" / "metrics.jsonl").read_bytes() == metrics
    assert compare(SETTINGS, SOURCE, 2, tmp_path / "again", make_runtime(tmp_path / "cache")) == comparison


def test_an_occupied_folder_is_refused_without_resume(compared: tuple[Comparison, Path, str], tmp_path: Path) -> None:
    with pytest.raises(RunError, match="--resume goes on with it"):
        compare(SETTINGS, SOURCE, 2, compared[1], make_runtime(tmp_path / "cache"))


def test_what_was_trained_before_with_the_same_settings_is_not_trained_again(tmp_path: Path) -> None:
    runtime, search = make_runtime(tmp_path / "cache"), tmp_path / "search"
    source = replace(SOURCE, run=search)
    trained = commands.train(SETTINGS, source, search / "train", runtime)
    comparison = compare(SETTINGS, source, 1, tmp_path / "same", runtime)
    assert comparison.found == trained["test/accuracy"]
    assert not (tmp_path / "same" / "found").exists()
    other = replace(SETTINGS, train=replace(SETTINGS.train, seed=4))
    compare(other, source, 1, tmp_path / "other", runtime)
    assert (tmp_path / "other" / "found" / "result.json").is_file(), "other settings are another training"


def test_without_a_random_rival_there_is_nothing_to_compare(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^--random must be at least 1, got 0$"):
        compare(SETTINGS, SOURCE, 0, tmp_path / "out", make_runtime(tmp_path / "cache"))
    assert not (tmp_path / "out").exists()


def test_data_without_test_images_is_refused_with_what_to_do(tmp_path: Path) -> None:
    for split, count in (("train", 6), ("valid", 2)):
        for name, value in (("dark", 0), ("light", 200)):
            for index in range(count):
                file = tmp_path / "data" / split / name / f"{index}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.new("L", (4, 4), value + index).save(file)
    settings = replace(SETTINGS, data=DataConfig(dataset=str(tmp_path / "data")))
    with pytest.raises(DataError, match=r"has no test images: add a folder 'test' beside 'train'$"):
        compare(settings, SOURCE, 1, tmp_path / "out", make_runtime(tmp_path / "cache"))
    assert not (tmp_path / "out").exists(), "nothing is trained before that is known"


def test_mean_and_deviation_agree_with_hand_numbers() -> None:
    comparison = Comparison(0.9, (0.5, 0.7, 0.9))
    assert comparison.random_mean == pytest.approx(0.7)
    assert comparison.random_deviation == pytest.approx(0.2)  # divided by two, not by three
    single = Comparison(0.9, (0.6,))
    assert single.random_mean == 0.6
    assert math.isnan(single.random_deviation)
