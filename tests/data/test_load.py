"""From names and folders to data."""

from pathlib import Path

import pytest

from enas.config import DataConfig
from enas.data.load import load_images
from enas.errors import DataError, UsageError


@pytest.mark.parametrize("name", [None, "digits"])
def test_digits_are_the_default(name: str | None, tmp_path: Path) -> None:
    assert load_images(DataConfig(dataset=name), tmp_path / "cache").name == "digits"
    assert not (tmp_path / "cache").exists()


def test_unknown_names_get_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no data set or folder 'cifer10': .* digits, cifar10.*did you mean cifar10\?"):
        load_images(DataConfig(dataset="cifer10"), tmp_path)
    with pytest.raises(DataError, match="known names are digits, cifar10") as caught:
        load_images(DataConfig(dataset="zzz"), tmp_path)
    assert "did you mean" not in str(caught.value)


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no folder .*/missing: check the path"):
        load_images(DataConfig(dataset=str(tmp_path / "missing")), tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"file is not a folder"):
        load_images(DataConfig(dataset=str(tmp_path / "file")), tmp_path)


def test_settings_out_of_range(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--valid-fraction must be less than 1, got 1.5"):
        load_images(DataConfig(valid_fraction=1.5), tmp_path)
    with pytest.raises(UsageError, match="--image-size must be at least 1"):
        load_images(DataConfig(image_size=0), tmp_path)
