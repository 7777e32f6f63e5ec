"""Regularisation of words: masks, dropped words and penalties."""

from dataclasses import replace

import pytest
import torch

from enas.nn.language import Regularisation, Words, same_mask

OFF = Regularisation(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def test_a_mask_is_the_same_at_all_places_and_keeps_the_mean() -> None:
    x = torch.ones(4, 50, 40)
    mask = same_mask(x, 0.25, training=True)
    assert mask is not None
    assert mask.shape == (50, 40)
    assert mask.unique().tolist() == pytest.approx([0.0, 4 / 3])
    assert mask.mean().item() == pytest.approx(1.0, abs=0.1)
    assert same_mask(x, 0.25, training=False) is None
    assert same_mask(x, 0.0, training=True) is None


def test_dropped_words_are_dropped_wherever_they_recur() -> None:
    tokens = torch.arange(40).repeat(2)[:, None].expand(-1, 8)
    words = Words(40, 3, 0.1, replace(OFF, drop_word=0.5))
    gone = (words.embed(tokens) == 0).all(2)
    assert torch.equal(gone[:40], gone[40:])
    assert 0.3 < gone.float().mean() < 0.7
    assert len({tuple(column.tolist()) for column in gone.t()}) == 8, "each text drops words of its own"
    shared = Words(40, 3, 0.1, replace(OFF, drop_embedding=0.5))
    gone = (shared.embed(tokens) == 0).all(2)
    assert torch.equal(gone, gone[:, :1].expand_as(gone))
    assert 0 < gone.sum() < gone.numel()
    assert not (shared.eval().embed(tokens) == 0).all(2).any()


def test_penalties_are_mean_squares_in_training_only() -> None:
    output = torch.randn(5, 3, 4)
    words = Words(7, 4, 0.1, replace(OFF, activation_penalty=2.0, temporal_penalty=3.0, drop_output=0.5))
    found = words.predict(output, output[-1])
    assert found.penalty is not None
    change = (output[1:] - output[:-1]).square().mean()
    expected = 2 * found.features.square().mean() + 3 * change
    torch.testing.assert_close(found.penalty, expected)
    assert not torch.equal(found.features, output)
    quiet = words.eval().predict(output, output[-1])
    assert quiet.penalty is None
    assert torch.equal(quiet.features, output)
