"""Spaces in files: their names, and runs whose space file was moved."""

import shutil
from pathlib import Path

import pytest

import enas
from enas.architecture import Architecture
from enas.cli import main
from enas.errors import UsageError
from enas.run import Run
from enas.space_file import file_and_attribute, found_again, settings_found_again, short_name

EXAMPLE = Path(__file__).parents[1] / "examples" / "03_your_own_space.py"
SMALL = "--preset demo --epochs 1 --lr-first-cycle 1 --steps-per-epoch 2 --threads 1"
SEARCH = f"{SMALL} --blocks 1 --controller-steps 1 --controller-samples 2 --derive-samples 2 --evaluation-samples 2"


def test_parts_of_a_name() -> None:
    assert file_and_attribute("a/b.py") == ("a/b.py", "SPACE")
    assert file_and_attribute("a/b.py:MINE") == ("a/b.py", "MINE")
    assert file_and_attribute("a.b") is None
    assert short_name("/far/away/b.py:MINE") == "b.py:MINE"
    assert short_name("macro") == "macro"


def test_a_moved_file_is_looked_for_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.py").write_text("")
    for name in ("macro", "a.b", f"{tmp_path}/there.py:MINE"):
        assert found_again(name, "x.json") == name
    assert caplog.messages == []
    assert found_again("/gone/there.py:MINE", "x.json") == f"{tmp_path}/there.py:MINE"
    told = f"space file /gone/there.py, named in x.json, moved: {tmp_path}/there.py is used"
    assert caplog.messages == [told]
    with pytest.raises(UsageError) as error:
        found_again("/gone/lost.py:MINE", "x.json")
    expected = 'space file /gone/lost.py moved: edit "space" in x.json, or work in the folder of lost.py'
    assert str(error.value) == expected
    settings = {"seed": 1, "space": "/gone/there.py:MINE"}
    assert settings_found_again(settings, "x.json") == {"seed": 1, "space": f"{tmp_path}/there.py:MINE"}
    assert settings_found_again({"space": 1}, "x.json") == {"space": 1}


def test_a_run_is_used_after_its_space_file_was_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    shutil.copy(EXAMPLE, old / "mixer.py")
    monkeypatch.chdir(tmp_path)
    cache = ["--cache-dir", str(tmp_path / "cache")]
    assert main(["search", "old/mixer.py", *SEARCH.split(), "--out", "run", *cache]) == 0
    assert "searching mixer.py:SPACE (demo): " in capfd.readouterr().out
    assert main(["train", "run", *SMALL.split(), *cache]) == 0
    assert main(["export", "run", "-o", "net.safetensors"]) == 0
    old.rename(new)
    for words in (["train", "run"], ["derive", "run"], ["test", "run"], ["draw", "run", "-o", "x.svg"]):
        capfd.readouterr()
        assert main([*words]) == 2
        (line,) = capfd.readouterr().err.strip().splitlines()
        assert f'space file {old}/mixer.py moved: edit "space" in run/' in line
    monkeypatch.chdir(new)
    assert main(["draw", "../run", "-o", "x.svg"]) == 0
    assert main(["draw", "../run", "-o", "x.gif"]) == 0
    assert main(["test", "../run", *cache]) == 0
    assert main(["derive", "../run", *cache]) == 0
    assert Architecture.load(Path("../run/architecture.json")).space == f"{new}/mixer.py:SPACE"
    assert Run.open(Path("../run")).settings["space"] == f"{new}/mixer.py:SPACE"
    assert enas.load("../net.safetensors").architecture.space == f"{new}/mixer.py:SPACE"
