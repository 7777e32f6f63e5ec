"""`enas list`: everything with a name."""

import pytest

from enas.cli import main
from enas.listing import listing
from enas.spaces import load, names


def test_every_name_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == listing()
    rows = [line.split(maxsplit=1) for line in lines if line.startswith("  ")]
    for name in names():
        space = load(name)
        presets, *published = [rest for first, rest in rows if first == name]
        assert presets.replace(" (default)", "") == ", ".join(space.presets)
        assert f"{space.default_preset} (default)" in presets
        assert published == ([", ".join(space.published)] if space.published else [])
    assert rows[-2:] == [["images", "digits, cifar10"], ["text", "pydoc, ptb, wikitext"]]
