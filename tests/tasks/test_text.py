"""Windows of text, what is carried between them, perplexity, and texts that are too short."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from enas.config import DataConfig, WindowConfig
from enas.data.text import TextData
from enas.errors import DataError, UsageError
from enas.tasks.task import Task
from enas.tasks.text import Prediction, TextBatch, TextTask

CPU = torch.device("cpu")


def task(train: int = 100, valid: int = 50, *, bptt: int = 5, random_bptt: bool = False, words: int = 200) -> TextTask:
    names = tuple(f"w{i}" for i in range(words))
    parts = [torch.arange(n, dtype=torch.int32) for n in (train, valid, 12)]
    windows = WindowConfig(bptt=bptt, random_bptt=random_bptt)
    return TextTask(TextData("count", names, *parts, ()), windows, CPU)


def training(made: TextTask, size: int, *, seed: int = 0, skip: int = 0, limit: int | None = None) -> list[TextBatch]:
    generator = torch.Generator().manual_seed(0)
    batches = made.training_batches("train", size, order_seed=seed, generator=generator, skip=skip, limit=limit)
    return list(batches)


def test_it_is_a_task() -> None:
    assert isinstance(task(), Task)
    assert task().spec.vocabulary == 200


@pytest.mark.parametrize("random_bptt", [False, True])
@pytest.mark.parametrize("size", [1, 3, 4])
def test_a_pass_reads_each_text_from_end_to_end(size: int, random_bptt: bool) -> None:
    made = task(203, random_bptt=random_bptt)
    columns = 203 // size
    batches = training(made, size)
    assert len(batches) == made.steps("train", size) == math.ceil((columns - 1) / 5)
    assert [batch.starts for batch in batches] == [True] + [False] * (len(batches) - 1)
    seen = torch.cat([batch.tokens for batch in batches])
    assert torch.equal(seen, torch.arange(size * columns).view(size, columns).t()[:-1])
    for batch in batches:
        assert torch.equal(batch.targets, batch.tokens + 1)
        assert len(batch) == batch.tokens.numel() > 0


def test_random_windows_vary_around_bptt_and_the_rate_with_them() -> None:
    made = task(20_000, bptt=35, random_bptt=True, words=20_000)
    batches = training(made, 1)
    lengths = torch.tensor([len(batch) for batch in batches], dtype=torch.float)
    assert lengths.mean().item() == pytest.approx(19_999 / len(batches))
    assert 3 < lengths.std().item() < 9
    assert lengths.max() <= 60
    assert [batch.rate_factor for batch in batches] == pytest.approx((lengths / 35).tolist())
    assert [len(batch) for batch in training(made, 1, seed=1)] != lengths.tolist()
    assert {batch.rate_factor for batch in training(task(), 2)} == {1.0}


def test_a_pass_goes_on_where_it_was_interrupted() -> None:
    made = task(random_bptt=True)
    whole = training(made, 2)
    for batch, again in zip(whole[4:], training(made, 2, skip=4), strict=True):
        assert torch.equal(batch.tokens, again.tokens)


def test_a_limit_ends_a_pass_early_somewhere_else_each_time_or_starts_it_over() -> None:
    made = task(403)
    places = {int(training(made, 2, seed=seed, limit=3)[0].tokens[0, 0]) for seed in range(8)}
    assert len(places) > 3
    assert all(training(made, 2, seed=seed, limit=3)[0].starts for seed in range(8))
    steps = made.steps("train", 2)
    twice = training(made, 2, limit=2 * steps)
    assert [i for i, batch in enumerate(twice) if batch.starts] == [0, steps]
    assert torch.equal(twice[0].tokens, twice[steps].tokens)


def test_scoring_reads_everything_once() -> None:
    made = task(valid=2503, words=3000)
    batches = list(made.scoring_batches("valid", 1))
    assert sum(len(batch) for batch in batches) == 2502
    assert [batch.starts for batch in batches] == [True, False, False]
    side = list(made.scoring_batches("valid", 4))
    assert torch.equal(torch.cat([b.tokens for b in side]), torch.arange(2500).view(4, 625).t()[:-1])
    assert sum(len(b) for b in made.scoring_batches("valid", 50, limit=100)) == 16 * 5
    assert made.examples("train+valid") == 100 + 2503


def test_a_random_batch_is_windows_at_random_places() -> None:
    batch = task(valid=40).random_batch("valid", 300, torch.Generator().manual_seed(0))
    assert batch.starts
    assert batch.tokens.shape == (5, 300)
    assert torch.equal(batch.targets, batch.tokens + 1)
    assert set(batch.tokens[0].tolist()) == set(range(35))


@pytest.mark.parametrize("size", [1, 20])
def test_a_text_shorter_than_one_window_is_refused(size: int) -> None:
    with pytest.raises(DataError) as error:
        task(size * 6 - 1).steps("train", size)
    assert f"{size * 6} are needed" in str(error.value)
    assert "\n" not in str(error.value)
    assert task(size * 6).steps("train", size) == 1
    with pytest.raises(DataError, match="too few for one window of 5"):
        task(valid=5).random_batch("valid", 3, torch.Generator())


class Counts:
    """Sure, to a degree, that the next word is the one after; it notes the state it is given, and counts words in it."""

    def __init__(self, lead: float) -> None:
        self.decoder = torch.eye(200).requires_grad_()
        self.lead, self.given = lead, list[Tensor | None]()

    def __call__(self, tokens: Tensor, hidden: Tensor | None) -> Prediction:
        self.given.append(hidden)
        features = self.lead * torch.nn.functional.one_hot((tokens + 1) % 200, 200).float()
        state = torch.zeros(tokens.shape[1], 1, requires_grad=True) if hidden is None else hidden
        return Prediction(features, self.decoder, state + len(tokens), torch.tensor(7.0))


def test_step_sums_the_loss_adds_the_penalty_and_carries_the_state() -> None:
    made, model = task(), Counts(3.0)
    first = next(made.scoring_batches("train", 2))
    outcome = made.step(model, first, None)
    loss = math.log(math.exp(3.0) + 199) - 3.0
    assert outcome.loss.item() == pytest.approx(loss + 7.0, rel=1e-5)
    assert outcome.figures == pytest.approx({"loss": loss * len(first), "seen": len(first)}, rel=1e-5)
    assert not outcome.carried.requires_grad
    again = made.step(model, replace(first, starts=False), outcome.carried)
    assert torch.equal(again.carried, 2 * outcome.carried)
    made.step(model, first, outcome.carried)
    assert model.given[0] is None
    assert model.given[2] is None, "a new reading begins without a state"


def test_the_average_of_perplexities_is_that_of_the_mean_loss() -> None:
    made = task()
    assert made.average([math.exp(4.0), math.exp(6.0), math.exp(14.0)]) == pytest.approx(math.exp(8.0))
    assert made.average([100.0, math.inf]) == math.inf


def test_perplexity_is_the_exponential_of_the_mean_loss_without_a_cap() -> None:
    made = task()
    assert made.metrics({"loss": 30.0, "seen": 10.0}) == pytest.approx({"loss": 3.0, "perplexity": math.exp(3)})
    assert made.metrics({"loss": 20.0, "seen": 1.0})["perplexity"] == pytest.approx(math.exp(20))
    assert made.metrics({"loss": 1e6, "seen": 1.0})["perplexity"] == math.inf
    assert made.metrics({"loss": math.nan, "seen": 1.0})["perplexity"] == math.inf
    assert made.reward(160.0) == 0.5
    assert made.reward(math.inf) == 0.0


def test_settings_of_images_are_refused(tmp_path: Path) -> None:
    for config in (DataConfig(image_size=32), DataConfig(skip_bad_images=True)):
        with pytest.raises(UsageError, match="is for images"):
            TextTask.load(config, WindowConfig(), cache=tmp_path, device=CPU)
