"""`generate_gif.py` and `enas draw` on the folder of a search, finished or not, and on what is none."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from enas.cli import main
from enas.config import DataConfig
from enas.errors import EnasError, RunError, UsageError
from enas.run import ARCHITECTURES, Run
from enas.search.setup import SearchSettings
from enas.sources import draw_uniformly, history
from enas.spaces import load

SCRIPT = Path(__file__).parents[1] / "generate_gif.py"


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_gif", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def a_run(path: Path, epochs: int, name: str = "macro") -> Path:
    """The folder of a search that has come so far; its architectures are drawn at random."""
    space = load(name)
    run = Run.create(path, SearchSettings.from_preset(space, "demo", DataConfig()).to_json())
    size = dict(space.size(space.presets["demo"].supernet))
    for epoch, one in enumerate(draw_uniformly(space, size, epochs, 0) if epochs else [], 1):
        run.log_architecture(epoch, json.loads(one.to_json()), epoch / 10)
    return path


def test_old_command_line(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logs").mkdir()
    a_run(tmp_path / "logs" / "ptb_2018", 4, "rnn")
    assert script.main(["--model_name=ptb_2018", "--max_frame", "3", "--output", "a.gif", "--title=Mine"]) == 0
    with Image.open("a.gif") as movie:
        assert movie.n_frames == 3  # type: ignore[attr-defined]
    assert script.main(["--model_name", "logs/ptb_2018"]) == 0
    assert Path("sampe.gif").is_file()


@pytest.mark.parametrize("words", [["--model_name", "none"], [], ["--model_name", "x", "--frames", "3"]])
def test_old_command_line_refuses(
    words: list[str],
    script: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert script.main(words) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_draw_refuses_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    full, empty = str(a_run(tmp_path / "full", 2)), str(a_run(tmp_path / "empty", 0))
    out = str(tmp_path / "a")
    wrong = {
        "has not finished an epoch": [empty, "-o", f"{out}.gif"],
        "needs the folder of a search": ["published:enas-macro", "-o", f"{out}.webp"],
        ".pdf, .gif or .webp": [full, "-o", f"{out}.mp4"],
        "are for .gif and .webp": ["published:enas-macro", "-o", f"{out}.png", "--max-frames", "3"],
        "--max-frames must be at least 2": [full, "-o", f"{out}.gif", "--max-frames", "1"],
        "--seconds-per-frame must be at most 60": [full, "-o", f"{out}.gif", "--seconds-per-frame", "61"],
    }
    for message, words in wrong.items():
        assert main(["draw", *words]) == 2
        said = capsys.readouterr().err
        assert message in said
        assert said.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "full"]


def test_history_is_what_was_logged(tmp_path: Path) -> None:
    past = history(str(a_run(tmp_path / "run", 3)))
    assert past.steps == (1, 2, 3)
    assert past.scores == (0.1, 0.2, 0.3)
    assert list(past.architectures) == draw_uniformly(past.space, dict(past.architectures[0].size), 3, 0)


def test_history_leaves_out_a_line_that_is_being_written(tmp_path: Path) -> None:
    file = a_run(tmp_path / "run", 2) / ARCHITECTURES
    with file.open("a") as stream:
        stream.write('{"step": 3, "sco')
    assert history(str(file.parent)).steps == (1, 2)


@pytest.mark.parametrize("line", ["{", "[]", "null", '{"step": 3}', '{"step": 3, "score": 0.5, "architecture": {}}'])
def test_history_names_a_damaged_line(line: str, tmp_path: Path) -> None:
    file = a_run(tmp_path / "run", 2) / ARCHITECTURES
    with file.open("a") as stream:
        stream.write(line + "\n")
    with pytest.raises(EnasError, match="line 3") as caught:
        history(str(file.parent))
    assert "\n" not in str(caught.value)


def test_history_of_what_is_no_search(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not the folder of a run"):
        history(str(tmp_path))
    with pytest.raises(UsageError, match="needs the folder of a search"):
        history("published:enas-macro")
