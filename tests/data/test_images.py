"""Statistics, splits, and the embedded digits."""

import sys

import numpy as np
import pytest
import torch

from enas.data import images as images_module
from enas.data.embedded import load_digits
from enas.data.images import ImageSpec, channel_statistics
from enas.data.splits import hold_out, shares
from enas.errors import DataError


@pytest.mark.parametrize("channels", [1, 3])
def test_channel_statistics_are_exact_over_several_chunks(channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images_module, "_CHUNK_VALUES", 1000)
    images = torch.randint(0, 256, (37, 9, 7, channels), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    mean, std = channel_statistics(images)
    values = images.numpy().astype(np.float64) / 255
    np.testing.assert_allclose(mean, values.mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(std, values.std((0, 1, 2)), rtol=1e-12)


def test_a_constant_channel_has_deviation_1() -> None:
    images = torch.full((5, 4, 4, 3), 7, dtype=torch.uint8)
    images[0, 0, 0, 1] = 8
    mean, std = channel_statistics(images)
    assert mean[0] == pytest.approx(7 / 255)
    assert std[0] == std[2] == 1.0
    assert 0 < std[1] < 1


def test_hold_out_is_stratified_seeded_and_disjoint() -> None:
    labels = torch.tensor([0, 1, 2] * 20 + [2] * 10)
    kept, held = hold_out(labels, [2, 3, 4], torch.Generator().manual_seed(0))
    assert torch.equal(torch.cat([kept, held]).sort().values, torch.arange(70))
    assert torch.bincount(labels[held]).tolist() == [2, 3, 4]
    again = hold_out(labels, [2, 3, 4], torch.Generator().manual_seed(0))
    other = hold_out(labels, [2, 3, 4], torch.Generator().manual_seed(1))
    assert torch.equal(again[1], held)
    assert not torch.equal(other[1], held)


def test_shares_add_up_and_follow_the_sizes() -> None:
    assert shares([10, 10, 10], 10) == [4, 3, 3]
    assert shares([100, 50, 1], 15) == [10, 5, 0]


def test_digits() -> None:
    data = load_digits(data_seed=0)
    assert data.test is not None
    assert data.spec == ImageSpec(channels=1, height=8, width=8, classes=10)
    assert (len(data.train), len(data.valid), len(data.test)) == (1197, 200, 400)
    assert data.train.images.max() == 255
    assert data.train.images.min() == 0
    assert (data.mean, data.std) == channel_statistics(data.train.images)
    for split, expected in ((data.valid, 20), (data.test, 40)):
        assert all(abs(count - expected) <= 1 for count in torch.bincount(split.labels).tolist())
    assert data.notes[0] == "10 classes, 1 channel, 8x8 pixels (height x width)"
    assert data.notes[1] == "1,197 training / 200 validation / 400 test images"


def test_the_seed_moves_the_digits_of_validation_but_not_of_the_test() -> None:
    first, again, other = load_digits(0), load_digits(0), load_digits(1)
    assert first.test is not None
    assert other.test is not None
    assert torch.equal(first.valid.images, again.valid.images)
    assert not torch.equal(first.valid.images, other.valid.images)
    assert torch.equal(first.test.images, other.test.images)


def test_digits_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(DataError, match=r"pip install 'enas\[demo\]'"):
        load_digits()
