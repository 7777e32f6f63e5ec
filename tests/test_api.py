"""The public names: each documented example runs, and keyword arguments are refused as flags are."""

import doctest
import inspect
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import enas
import enas.api
from enas.architecture import Architecture
from enas.errors import ArchitectureError, UsageError

FUNCTIONS = ("search", "derive", "train", "test", "load", "build", "draw", "export")


def test_every_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after another, in the order of the file: each uses what those before have made."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tests = {test.name.rpartition(".")[2]: test for test in doctest.DocTestFinder().find(enas.api) if test.examples}
    assert set(tests) == set(FUNCTIONS)
    names: dict[str, object] = {}
    runner = doctest.DocTestRunner()
    for name in FUNCTIONS:
        tests[name].globs = names
        failures: list[str] = []
        runner.run(tests[name], out=failures.append, clear_globs=False)
        assert not failures, "".join(failures)


def test_public_names_are_all_there_and_light() -> None:
    code = (
        "import sys, enas; assert 'torch' not in sys.modules\n"
        "assert enas.search.__name__ == 'enas.search'; assert 'torch' not in sys.modules\n"
        "import enas.search.loop, enas.train.loop, enas.draw, enas.export\n"
        "assert all(callable(getattr(enas, name)) for name in enas.__all__ if name != '__version__')\n"
        "assert set(enas.__all__) <= set(dir(enas))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'serach'"):
        _ = enas.serach  # type: ignore[attr-defined]  # that is the point


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"epoch": 1}, "unknown flag --epoch: did you mean --epochs?"),
        ({"epochs": 2.5}, "--epochs expects a whole number, got '2.5'"),
        ({"epochs": None}, "--epochs expects a whole number, got 'none'"),
        ({"epochs": 0}, "--epochs must be at least 1"),
        ({"lr_max": "high"}, "--lr-max expects a number"),
        ({"flip": "maybe"}, "--flip expects true or false"),
        ({"resume": "yes"}, "--resume expects true or false"),
        ({"preset": "huge"}, "has no preset 'huge'"),
        ({"dataset": "digit"}, "did you mean digits?"),
        ({"threads": 0}, "--threads must be at least 1"),
    ],
)
def test_keyword_arguments_get_the_answers_of_flags(settings: dict[str, object], words: str, tmp_path: Path) -> None:
    arguments = {"preset": "demo", "out": tmp_path / "run", "quiet": True, **settings}
    with pytest.raises(UsageError if "dataset" not in settings else enas.errors.DataError) as error:
        enas.search("macro", **arguments)
    assert words in str(error.value)
    assert not (tmp_path / "run").exists()


def test_build_takes_objects_and_files_and_refuses_what_does_not_fit(tmp_path: Path) -> None:
    architecture = Architecture("macro", {"layers": 1}, {"layer0.op": "max_pool"})
    architecture.save(tmp_path / "a.json")
    spec = enas.ImageSpec(1, 8, 8, 3)
    for origin in (architecture, tmp_path / "a.json", str(tmp_path / "a.json")):
        assert enas.build(origin, spec, filters=4)(torch.zeros(2, 1, 8, 8)).shape == (2, 3)
    assert enas.Architecture.load(tmp_path / "a.json") == architecture
    with pytest.raises(UsageError, match="did you mean --filters"):
        enas.build(architecture, spec, filter=4)
    with pytest.raises(UsageError, match="--dropout must be less than 1"):
        enas.build(architecture, spec, dropout=1.0)
    with pytest.raises(UsageError, match="no preset"):
        enas.build(architecture, spec, preset="huge")
    with pytest.raises(ArchitectureError, match="on offer"):
        enas.build(Architecture("macro", {"layers": 1}, {"layer0.op": "conv9x9"}), spec)
    words = enas.build("published:lstm", enas.TextSpec(7), width=4)
    assert words(torch.zeros(2, 1, dtype=torch.long)).logits().shape == (2, 1, 7)


def test_functions_say_what_they_take() -> None:
    assert {"space", "settings"} <= set(inspect.signature(enas.api.search).parameters)
    assert all(getattr(enas.api, name).__doc__ for name in FUNCTIONS)
