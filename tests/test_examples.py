"""The examples and the notebook run as they are, with tiny settings where they take settings."""

import runpy
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parents[1] / "examples"
TINY: dict[str, Any] = {
    "epochs": 1, "lr_first_cycle": 1, "steps_per_epoch": 2, "threads": 1, "quiet": True,
}  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def run(name: str, **settings: Any) -> Any:
    return runpy.run_path(str(EXAMPLES / name))["main"](**TINY, **settings)


def test_search_train_use() -> None:
    classes = run("01_search_train_use.py")
    assert len(classes) == 4
    assert set(classes) <= set("0123456789")


def test_recurrent_cell(folder: Path) -> None:
    (folder / "text").mkdir()
    for part, lines in (("train", 60), ("valid", 40), ("test", 4)):
        (folder / "text" / f"{part}.txt").write_text("the value of the name is the value of an object\n" * lines)
    small = {"dataset": "text", "batch_size": 4, "width": 8}
    assert len(run("02_recurrent_cell.py", **small)) == 20


def test_your_own_space(folder: Path) -> None:
    assert 0 <= run("03_your_own_space.py") <= 1
    assert {"architecture.json", "architecture.png", "mixer.pt2"} <= {
        file.name for file in (folder / "runs/mixer").iterdir()
    }


def kinds(notebook: Any) -> list[list[str]]:
    """What each cell gives, but for lines: how many there are, and in which pieces they come, depends on the time."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [[key for output in cell.outputs for key in output.get("data", {})] for cell in cells]


def test_the_notebook_gives_what_is_stored_in_it(folder: Path) -> None:
    notebook = nbformat.read(EXAMPLES / "quickstart.ipynb", as_version=4)
    stored = kinds(notebook)
    assert "image/png" in stored[2]
    NotebookClient(notebook, timeout=480, resources={"metadata": {"path": str(folder)}}).execute()
    assert kinds(notebook) == stored
