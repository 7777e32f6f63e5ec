"""Trained networks in use: images of all kinds, and what is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import enas
from enas.data.embedded import load_digits
from enas.errors import DataError, RunError, UsageError
from enas.interface import ImageInterface, TextInterface, from_json, to_json
from enas.trained import ImageClassifier


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> ImageClassifier:
    folder = tmp_path_factory.mktemp("trained")
    return enas.train(
        "random:macro:1", out=folder / "run", cache_dir=folder, preset="demo", filters=4, epochs=2, lr_first_cycle=2,
        quiet=True, threads=1,
    )  # fmt: skip


def test_predictions_have_the_accuracy_of_the_result(classifier: ImageClassifier) -> None:
    test = load_digits().test
    assert test is not None
    right = [
        int(name) == label for name, label in zip(classifier.predict(test.images), test.labels.tolist(), strict=True)
    ]
    assert sum(right) / len(right) == pytest.approx(classifier.result["test/accuracy"])


def test_bytes_arrays_pictures_and_files_are_the_same_image(classifier: ImageClassifier, tmp_path: Path) -> None:
    test = load_digits().test
    assert test is not None
    image: np.ndarray = test.images[0].numpy()
    picture = Image.fromarray(image[..., 0])
    picture.save(tmp_path / "digit.png")
    wanted = classifier.probabilities(test.images[:1])
    assert wanted.sum().item() == pytest.approx(1.0, abs=1e-5)
    forms: list[Any] = [image, image[None], picture, [picture], tmp_path / "digit.png", [str(tmp_path / "digit.png")]]
    for form in forms:
        torch.testing.assert_close(classifier.probabilities(form), wanted, rtol=0, atol=0)
    picture.convert("RGB").resize((16, 16), Image.Resampling.NEAREST).save(tmp_path / "large.png")
    assert classifier.probabilities(tmp_path / "large.png").shape == (1, 10)


def test_images_that_do_not_fit_are_refused(classifier: ImageClassifier, tmp_path: Path) -> None:
    for images in (torch.zeros(1, 8, 8, 1), torch.zeros(2, 9, 8, 1, dtype=torch.uint8), np.zeros((8, 8), np.uint8)):
        with pytest.raises(UsageError, match=r"reads images as uint8 of shape \(N, 8, 8, 1\), not"):
            classifier.predict(images)
    with pytest.raises(UsageError, match="at least one"):
        classifier.predict([])
    with pytest.raises(UsageError, match="not a int"):
        classifier.predict([1])
    (tmp_path / "no.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"cannot read the image .*no\.png"):
        classifier.predict(tmp_path / "no.png")


def test_loading_needs_no_data_and_gives_the_same(classifier: ImageClassifier) -> None:
    again = enas.load(classifier.path)
    images = torch.randint(256, (3, 8, 8, 1), dtype=torch.uint8)
    torch.testing.assert_close(again.probabilities(images), classifier.probabilities(images), rtol=0, atol=0)
    assert again.result == classifier.result
    assert enas.train(classifier, out=classifier.path, resume=True, quiet=True).result == classifier.result


def test_runs_that_cannot_be_loaded_are_refused(classifier: ImageClassifier, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not the folder of a run"):
        enas.load(tmp_path)
    run = shutil.copytree(classifier.path, tmp_path / "run")
    told = json.loads((run / "interface.json").read_text())
    for change in (
        {"mean": "x"},
        {"classes": ["one"]},
        {"kind": "sound"},
        {"extra": 1},
        {"height": 0},
        {"std": [1, 2]},
    ):
        (run / "interface.json").write_text(json.dumps({**told, **change}))
        with pytest.raises(RunError, match="does not say what the network reads"):
            enas.load(run)
    (run / "interface.json").unlink()
    with pytest.raises(RunError, match="with --resume writes it"):
        enas.load(run)


def test_interfaces_survive_json() -> None:
    for interface in (
        ImageInterface(1, 2, 3, (0.5,), (0.25,), ("a", "b")),
        TextInterface("char", ("a", "b", "<eos>")),
    ):
        assert from_json(json.loads(json.dumps(to_json(interface))), "x") == interface
