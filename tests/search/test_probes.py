"""Probes beside a search: they change nothing, and the uniform ones are the same in all searches."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from enas.controller import sample_uniformly
from enas.search.rewards import PROBE_SEED
from enas.spaces.macro.steps import steps as macro_steps

from .problems import run_in
from .recorder import CONFIG, LAYERS, do_search, lines_of, make, written


def test_probes_change_nothing_and_the_uniform_ones_are_the_same_in_all_epochs_and_seeds(tmp_path: Path) -> None:
    plain, probed, other = (run_in(tmp_path / name) for name in ("plain", "probed", "other"))
    do_search(make(CONFIG), plain)
    config = replace(CONFIG, probe_samples=4, probe_examples=10)
    do_search(make(config), probed)
    do_search(make(replace(config, seed=1)), other)
    probes = lines_of(probed, "probes.jsonl")
    assert {**written(probed), "probes.jsonl": b""} == {**written(plain), "probes.jsonl": b""}
    steps = macro_steps({"layers": LAYERS})
    uniform = sample_uniformly(steps, 4, torch.Generator().manual_seed(PROBE_SEED)).tolist()
    for line in probes + lines_of(other, "probes.jsonl"):
        assert line["examples"] == 10
        assert line["uniform"]["codes"] == uniform
        assert len(line["policy"]["codes"]) == 4
        for origin in ("uniform", "policy"):
            assert all(round(10 * score) == pytest.approx(10 * score) for score in line[origin]["scores"])
    assert [line["step"] for line in probes] == [1, 2, 3]


@pytest.mark.parametrize(("every", "epochs"), [(2, [2, 3]), (3, [3]), (9, [3])])
def test_probes_are_as_far_apart_as_asked_and_the_last_epoch_has_one(
    tmp_path: Path, every: int, epochs: list[int]
) -> None:
    run = run_in(tmp_path / "run")
    do_search(make(replace(CONFIG, probe_samples=2, probe_examples=10, probe_every=every)), run)
    assert [line["step"] for line in lines_of(run, "probes.jsonl")] == epochs


def test_random_search_probes_no_policy(tmp_path: Path) -> None:
    run = run_in(tmp_path / "run")
    config = replace(CONFIG, controller_steps=0, derive_from="uniform", probe_samples=2)
    found, _ = do_search(make(config), run)
    assert all("policy" not in line for line in lines_of(run, "probes.jsonl"))
    assert found.best.origin == "uniform"
