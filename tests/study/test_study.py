"""Whole comparisons on small spaces: every figure is one of the runs or of the table, and nothing is done twice."""

import io
import json
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from enas.architecture import Architecture
from enas.cli import main
from enas.config import DataConfig, SearchConfig, TrainConfig
from enas.errors import DataError, RunError
from enas.ranking import kendall
from enas.run import Run
from enas.runtime import Runtime
from enas.search.derive import scored_batches
from enas.search.setup import SearchSettings
from enas.sources import draw_uniformly
from enas.spaces import load
from enas.spaces.macro.network import MacroNetworkConfig
from enas.spaces.macro.steps import OPERATIONS
from enas.spaces.macro.supernet import MacroSupernetConfig
from enas.study.methods import equal_samples, scored_architectures, search_settings
from enas.study.report import Results
from enas.study.settings import METHODS, StudySettings
from enas.study.study import plan, study
from enas.study.truth import TableTruth, stored_seconds
from enas.train.setup import TrainSettings

DATA = DataConfig(dataset="digits")
MACRO = load("macro")
SEARCH = replace(
    SearchSettings.from_preset(MACRO, "demo", DATA),
    supernet=MacroSupernetConfig(layers=1, filters=2, dropout=0.0),
    search=SearchConfig(
        epochs=2,
        batch_size=32,
        steps_per_epoch=3,
        lr_first_cycle=2,
        controller_steps=2,
        controller_samples=3,
        reward_batch_size=50,
        evaluation_samples=2,
        derive_samples=4,
        derive_examples=100,
        probe_samples=12,
        probe_examples=100,
    ),
)
TRAIN = replace(
    TrainSettings.from_preset(MACRO, "demo", DATA),
    network=MacroNetworkConfig(filters=2, dropout=0.0),
    train=TrainConfig(epochs=1, batch_size=32, steps_per_epoch=2),
)
VALUES = {str(code): 80.0 + code * code for code in range(6)}
"""Table of a macro space of one layer: its six architectures by their code."""
SIZE = {"layers": 1}


def settings(table: Path | None, **changes: Any) -> StudySettings:
    return replace(StudySettings(SEARCH, TRAIN, METHODS, (0, 1), table, None, None), **changes)


def runtime(cache: Path) -> Runtime:
    return Runtime(torch.device("cpu"), cache, Console(file=io.StringIO(), width=200))


def shown(where: Runtime) -> str:
    return where.console.file.getvalue()


@pytest.fixture(scope="module")
def looked_up(tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, Path, StudySettings, str]:
    out = tmp_path_factory.mktemp("runs") / "study"
    table = out.parent / "table.json"
    table.write_text(json.dumps(VALUES))
    where = runtime(out.parent / "cache")
    asked = settings(table)
    return study(asked, out, where), out, asked, shown(where)


def test_every_value_is_that_of_the_table(looked_up: tuple[Results, Path, StudySettings, str]) -> None:
    results, out, _, _ = looked_up
    assert [(choice.seed, choice.method) for choice in results.choices] == [(s, m) for s in (0, 1) for m in METHODS]
    for choice in results.choices:
        code = OPERATIONS.index(str(choice.architecture.choices["layer0.op"]))
        assert choice.value == 80.0 + code * code
        if choice.method != "random":
            found = Architecture.load(out / f"{choice.method}-{choice.seed}" / "architecture.json")
            assert choice.architecture == found
    assert results.better_share(81.0) == pytest.approx(4 / 6)


def test_the_file_holds_means_deviations_correlations_and_cost(
    looked_up: tuple[Results, Path, StudySettings, str],
) -> None:
    results, out, _, text = looked_up
    data = json.loads((out / "compare.json").read_text())
    for method in METHODS:
        values = results.values(method)
        stored = data["methods"][method]
        assert [item["value"] for item in stored["choices"]] == values
        assert stored["mean"] == pytest.approx(statistics.fmean(values))
        assert stored["standard_deviation"] == pytest.approx(statistics.stdev(values))
        assert f"{statistics.fmean(values):.4f} +- {statistics.stdev(values):.4f}" in text
    gains = [a - b for a, b in zip(results.values("enas"), results.values("random"), strict=True)]
    assert f"enas minus random, each seed with itself: {statistics.fmean(gains):+.4f}" in text
    spent = data["cost"]
    assert spent["candidates"] == 2 * 2 * 3 + 4
    searches = [choice.seconds for choice in results.choices if choice.method == "enas"]
    assert spent["search_seconds"] == pytest.approx(statistics.fmean(searches))
    assert spent["times"] == pytest.approx(16 * spent["training_seconds"] / spent["search_seconds"])
    assert spent["training_seconds"] == json.loads((out / "timed.json").read_text())["seconds"] > 0


def test_correlations_are_those_of_the_probes(looked_up: tuple[Results, Path, StudySettings, str]) -> None:
    results, out, _, _ = looked_up
    kinds = {(item.method, item.origin, item.epoch) for item in results.correlations}
    assert kinds == {
        *((method, "uniform", epoch) for method in ("enas", "shared-random") for epoch in (1, 2)),
        *(("enas", "policy", epoch) for epoch in (1, 2)),
    }
    lines = [json.loads(line) for line in (out / "enas-1" / "probes.jsonl").read_text().splitlines()]
    for item in results.correlations:
        if (item.method, item.seed, item.origin) != ("enas", 1, "uniform"):
            continue
        probe = lines[item.epoch - 1]["uniform"]
        scores = {codes[0]: score for codes, score in zip(probe["codes"], probe["scores"], strict=True)}
        assert item.kendall == pytest.approx(
            kendall(list(scores.values()), [80.0 + code * code for code in scores]), nan_ok=True
        )
        assert {int(name): value for name, value, _ in item.points} == scores
        assert item.top == 1


def test_the_picture_is_written_in_both_forms(looked_up: tuple[Results, Path, StudySettings, str]) -> None:
    _, out, _, _ = looked_up
    assert (out / "compare.png").read_bytes().startswith(b"\x89PNG")
    picture = (out / "compare.svg").read_text()
    for words in ("enas, epoch 2", "shared-random, epoch 2", "accuracy with shared weights", "true accuracy", "tau-b"):
        assert words in picture


def test_going_on_repeats_nothing_and_more_seeds_may_be_asked_for(
    looked_up: tuple[Results, Path, StudySettings, str], tmp_path: Path
) -> None:
    results, out, asked, _ = looked_up
    with pytest.raises(RunError, match="--resume goes on with what is there"):
        study(asked, out, runtime(tmp_path))
    stamps = {path: path.stat().st_mtime_ns for path in out.rglob("*.pt")}
    more = study(replace(asked, seeds=(0, 1, 2), methods=("enas", "random")), out, runtime(tmp_path), resume=True)
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    before = [choice for choice in results.choices if choice.method != "shared-random"]
    assert list(more.choices[:4]) == before
    assert (out / "enas-2" / "architecture.json").is_file()


def test_a_table_with_a_gap_is_refused_by_the_architecture_s_name(tmp_path: Path) -> None:
    space = load("nasbench-macro")
    file = tmp_path / "table.csv"
    file.write_text("architecture,accuracy\n02012100,89\n")
    truth = TableTruth(space, file, None, 1.0)
    assert space.strings is not None
    assert truth.value(space.strings.read("02012100")) == truth.validation(space.strings.read("02012100")) == 89.0
    with pytest.raises(DataError, match="has no figure for the architecture '00000000'"):
        truth.value(space.strings.read("00000000"))


def test_trained_values_are_those_of_the_trainings_and_each_architecture_is_trained_once(tmp_path: Path) -> None:
    where = runtime(tmp_path / "cache")
    small = replace(SEARCH, search=replace(SEARCH.search, probe_samples=3))
    asked = settings(None, search=small, seeds=(0,), random=2, methods=("random", "shared-random", "enas"))
    results = study(asked, tmp_path / "study", where)
    trained = {
        Architecture.load(path / "architecture.json").to_json(): json.loads((path / "result.json").read_text())
        for path in (tmp_path / "study" / "trained").iterdir()
    }
    assert 2 <= len(trained) <= 6
    for choice in results.choices:
        assert choice.value == trained[choice.architecture.to_json()]["test/accuracy"]
    drawn = draw_uniformly(MACRO, SIZE, 2, seed=0)
    best = max(drawn, key=lambda architecture: trained[architecture.to_json()]["valid/accuracy"])
    assert [choice.method for choice in results.choices] == [
        "enas",
        "shared-random",
        "random",
    ]  # it spends their seconds
    assert results.choices[2].architecture == best
    assert results.choices[2].scored == 2
    assert results.training_seconds > 0
    policy = [item.epoch for item in results.correlations if item.origin == "policy"]
    assert policy == [2], "those of the policy are trained for the last epoch only"
    assert "(measured)" in shown(where)
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("result.json")}
    assert study(asked, tmp_path / "study", where, resume=True).choices == results.choices
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps


def test_without_probes_only_what_is_chosen_is_trained_and_the_plan_says_so(tmp_path: Path) -> None:
    where = runtime(tmp_path / "cache")
    few = replace(SEARCH, search=replace(SEARCH.search, probe_samples=0))
    asked = settings(None, search=few, seeds=(0,), methods=("enas",))
    results = study(asked, tmp_path / "study", where)
    assert "plan: 1 searches and 1 trainings of what they choose\n" in shown(where)
    assert len(list((tmp_path / "study" / "trained").iterdir())) == len(results.choices) == 1
    assert results.correlations == ()


def test_the_plan_counts_the_trainings(looked_up: tuple[Results, Path, StudySettings, str]) -> None:
    _, out, _, text = looked_up
    assert f"plan: 4 searches, true figures from {out.parent / 'table.json'}\n" in text
    words = plan(settings(None, random=3))
    assert words.startswith("plan: 4 searches and 4 trainings of what they choose, up to 36 trainings")
    assert words.endswith("random search: 3 trainings a seed")


# The budget.


def test_random_search_with_sharing_makes_the_same_steps_and_scores_no_more_examples(tmp_path: Path) -> None:
    task: Any = MACRO.task.load(DATA, SEARCH.augment, cache=tmp_path, device=torch.device("cpu"))
    for config in (SEARCH.search, replace(SEARCH.search, warmup_epochs=1, derive_stages=2, reward_batch_size=25)):
        own = search_settings(replace(SEARCH, search=config), "shared-random", 5, task).search
        assert (own.seed, own.weights_sampling, own.controller_steps, own.derive_from) == (5, "uniform", 0, "uniform")
        assert (own.epochs, own.steps_per_epoch) == (config.epochs, config.steps_per_epoch)
        batches, per_batch = 100 // config.reward_batch_size, config.reward_batch_size
        rewards = (config.epochs - config.warmup_epochs) * 2 * 3 * per_batch
        budget = rewards + per_batch * scored_batches(4, batches, config.derive_stages)

        def cost(n: int, batches: int = batches, per_batch: int = per_batch, stages: int = config.derive_stages) -> int:
            return per_batch * scored_batches(n, batches, stages)

        assert cost(own.derive_samples) <= budget < cost(own.derive_samples + 1)
        assert own.derive_samples == equal_samples(config, task)
    assert search_settings(SEARCH, "enas", 5, task) == replace(SEARCH, search=replace(SEARCH.search, seed=5))
    assert scored_architectures(SEARCH.search) == 16


def test_the_estimate_of_a_training_is_kept(tmp_path: Path) -> None:
    first = stored_seconds(MACRO, SIZE, TRAIN, tmp_path, runtime(tmp_path / "cache"))
    assert first > 0
    assert stored_seconds(MACRO, SIZE, TRAIN, tmp_path, runtime(tmp_path / "cache")) == first
    longer = replace(TRAIN, train=replace(TRAIN.train, epochs=50))
    assert stored_seconds(MACRO, SIZE, longer, tmp_path, runtime(tmp_path / "cache")) > 5 * first
    assert Run(tmp_path, {}).read_json("timed.json")["settings"]["train"]["epochs"] == 50


def test_the_command_line_hands_a_space_to_the_comparison(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "table.json"
    table.write_text(json.dumps(VALUES))
    words = f"compare macro --preset demo --methods random --random 2 --seeds 4 --layers 1 --table {table}"
    assert main([*words.split(), "--out", str(tmp_path / "out"), "--train-epochs", "1", "--network-filters", "2"]) == 0
    data = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert data["methods"]["random"]["mean"] == max(
        VALUES[str(OPERATIONS.index(str(architecture.choices["layer0.op"])))]
        for architecture in draw_uniformly(MACRO, SIZE, 2, seed=4)
    )
    assert data["correlations"] == []
    assert data["cost"] is None
    assert "compare.json" in capfd.readouterr().out
    assert main(["compare", "macro", "--methods", "darts"]) == 2
    assert "unknown method 'darts'" in capfd.readouterr().err
