"""The trainings in the folder of a search, above all after it derived another architecture."""

from dataclasses import replace
from pathlib import Path

import pytest

import enas
from enas.architecture import Architecture
from enas.cli import main
from enas.errors import RunError
from enas.train.loop import BEST
from enas.trainings import free_folder, training_in, training_of

SMALL_SEARCH = """--dataset digits --preset demo --layers 2 --filters 4 --epochs 1 --lr-first-cycle 1 --threads 1
    --steps-per-epoch 2 --controller-steps 1 --controller-samples 2 --derive-samples 2 --evaluation-samples 2"""
SMALL_TRAINING = "--filters 4 --epochs 1 --lr-first-cycle 1 --steps-per-epoch 2 --threads 1"
SEARCH, TRAIN = SMALL_SEARCH.split(), SMALL_TRAINING.split()


def architecture(op: str) -> Architecture:
    return Architecture("macro", {"layers": 1}, {"layer0.op": op})


def put(folder: Path, op: str, *, weights: bool = True) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    architecture(op).save(folder / "architecture.json")
    if weights:
        (folder / BEST).write_bytes(b"")


def test_a_training_is_found_by_its_own_folder_and_by_that_of_its_search(tmp_path: Path) -> None:
    put(tmp_path / "run", "conv3x3", weights=False)
    put(tmp_path / "run" / "train", "conv3x3")
    assert training_in(tmp_path / "run") == training_in(tmp_path / "run" / "train") == tmp_path / "run" / "train"
    (tmp_path / "run" / "architecture.json").unlink()
    assert training_in(tmp_path / "run") == tmp_path / "run" / "train", "nothing contradicts it"
    assert training_in(tmp_path / "other") == tmp_path / "other", "who opens it says what is missing"


def test_a_training_of_what_was_derived_before_is_refused_with_what_to_do(tmp_path: Path) -> None:
    run = tmp_path / "run"
    put(run, "conv5x5", weights=False)
    put(run / "train", "conv3x3")
    before = f"{run}/train was trained before {run}/architecture.json was derived anew"
    own = f"or name {run}/train itself"
    with pytest.raises(RunError) as error:
        training_in(run)
    assert str(error.value) == f"{before}: train it with 'enas train {run} --out {run}/train-2', {own}"
    put(run / "train-2", "conv5x5", weights=False)
    with pytest.raises(RunError) as error:
        training_in(run)
    assert str(error.value) == f"{before}: train it with 'enas train {run} --out {run}/train-2 --resume', {own}"
    put(run / "train-2", "conv5x5")
    with pytest.raises(RunError) as error:
        training_in(run)
    assert str(error.value) == f"{before}: name {run}/train-2, which trained the new one, {own}"
    assert training_in(run / "train") == run / "train"
    assert training_in(run / "train-2") == run / "train-2"


def test_the_training_of_an_architecture_and_a_free_folder_for_another(tmp_path: Path) -> None:
    assert free_folder(tmp_path / "train") == tmp_path / "train"
    put(tmp_path / "train", "conv3x3")
    put(tmp_path / "train-2", "conv5x5", weights=False)
    assert free_folder(tmp_path / "train") == tmp_path / "train-3"
    assert training_of(tmp_path, architecture("conv5x5")) == tmp_path / "train-2"
    assert training_of(tmp_path, architecture("max_pool")) is None


def test_after_another_derivation_nothing_uses_the_old_network(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run, cache = tmp_path / "run", ["--cache-dir", str(tmp_path / "cache")]
    assert main(["search", "macro", *SEARCH, "--out", str(run), *cache]) == 0
    assert f"next: enas train {run}  " in capfd.readouterr().out
    found = Architecture.load(run / "architecture.json")
    assert main(["train", str(run), *TRAIN, *cache]) == 0
    *_, valid, test, weights, following = capfd.readouterr().out.splitlines()
    assert valid.startswith("validation accuracy 0.")
    assert test.startswith("test accuracy 0.")
    assert weights == f"weights: {run}/train/best.safetensors"
    assert following.startswith(f"next: enas export {run}/train -o network.pt2, or enas compare {run}  ")
    assert main(["test", str(run), *cache]) == 0
    assert main(["derive", str(run), "--samples", "2", *cache]) == 0
    assert f"{run}/train has trained it already" in capfd.readouterr().out, "it is derived from the same seed"

    other = "max_pool" if found.choices["layer0.op"] != "max_pool" else "avg_pool"
    replace(found, choices={**found.choices, "layer0.op": other}).save(run / "architecture.json")
    for words in (["test", str(run)], ["export", str(run), "-o", str(tmp_path / "n.safetensors")]):
        assert main([*words, *cache]) == 2
        assert "was derived anew: train it with 'enas train" in capfd.readouterr().err
    assert not (tmp_path / "n.safetensors").exists()
    with pytest.raises(RunError, match="was derived anew"):
        enas.load(run)
    assert enas.load(run / "train").architecture == found
    assert main(["train", str(run), *TRAIN, *cache]) == 2
    assert f"{run}/train trains another architecture than {run}/architecture.json" in capfd.readouterr().err
    assert main(["train", str(run), *TRAIN, "--out", str(run / "train-2"), *cache]) == 0


def test_what_is_printed_after_another_derivation_can_be_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run, cache = tmp_path / "run", ["--cache-dir", str(tmp_path / "cache")]
    assert main(["search", "macro", *SEARCH, "--out", str(run), *cache]) == 0
    found = Architecture.load(run / "architecture.json")
    other = "max_pool" if found.choices["layer0.op"] != "max_pool" else "avg_pool"
    changed = replace(found, choices={**found.choices, "layer0.op": other})
    changed.save(tmp_path / "changed.json")
    assert main(["train", str(tmp_path / "changed.json"), *TRAIN, "--out", str(run / "train"), *cache]) == 0
    capfd.readouterr()
    assert main(["derive", str(run), "--samples", "2", *cache]) == 0
    line = next(line for line in capfd.readouterr().out.splitlines() if line.startswith("next: "))
    words = line.removeprefix("next: enas ").split("  ")[0].split()
    assert words == ["train", str(run), "--out", f"{run}/train-2"]
    assert main([*words, *TRAIN, *cache]) == 0
