"""The order of imports: a module imports only from its left, and search and train do not see each other."""

import ast
import subprocess
import sys
from pathlib import Path

import enas

ORDER = (
    ("errors", "callable", "figures", "processors"),
    ("bounds",),
    ("config", "decisions", "files", "ranking", "schedules", "space_file"),
    ("flags",),
    ("architecture",),
    ("notation",),
    ("data",),
    ("tasks",),
    ("space",),
    ("nn",),
    ("controller",),
    ("spaces",),
    ("own",),
    ("weights", "progress", "interrupt", "rng", "optimizers"),
    ("run",),
    ("runtime",),
    ("layout",),
    ("picture",),
    ("boxes", "series"),
    ("row",),
    ("draw",),
    ("search", "train"),
    ("resume", "sources", "trainings"),
    ("interface",),
    ("trained",),
    ("export",),
    ("movie",),
    ("commands", "listing"),
    ("table",),
    ("compare", "study", "tabular"),
    ("demo",),
    ("arguments",),
    ("api",),
    ("cli",),
    ("predecessors",),
    ("__main__",),
)
ROOT = Path(enas.__file__).parent
RANK = {name: rank for rank, group in enumerate(ORDER) for name in group}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "enas":
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names} - {"__version__"}
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("enas.")}
    return found


def test_modules_import_only_from_their_left() -> None:
    for path in ROOT.rglob("*.py"):
        own = path.relative_to(ROOT).parts[0].removesuffix(".py")
        if own == "__init__":
            continue
        assert own in RANK, f"{own} has no place in the order"
        for other in imports(path):
            assert other == own or RANK[other] < RANK[own], f"{path.name} imports enas.{other}"


def test_files_are_short() -> None:
    for path in (*ROOT.rglob("*.py"), *Path(__file__).parent.rglob("*.py")):
        assert len(path.read_text().splitlines()) <= 300, path


def test_help_does_not_import_torch() -> None:
    code = "import sys; from enas.cli import main; main(['--help']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
