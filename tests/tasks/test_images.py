"""Batches, loss and reward of image classification, on images whose single brightness tells which example they are."""

import math
from collections import Counter
from pathlib import Path

import pytest
import torch

from enas.config import AugmentConfig, DataConfig
from enas.data.images import ImageData, ImageSplit
from enas.errors import DataError
from enas.tasks.images import Batch, ImageTask, Part, WithAuxiliary

PLAIN = AugmentConfig(crop_padding=0, flip=False)
TRAIN, VALID, TEST = range(20), range(100, 107), range(200, 211)


def split(numbers: range) -> ImageSplit:
    """Images all of whose pixels are the example's number; the label is the number modulo 3."""
    labels = torch.tensor(list(numbers))
    images = labels.to(torch.uint8)[:, None, None, None].expand(-1, 4, 4, 1).contiguous()
    return ImageSplit(images, labels % 3)


def task(augment: AugmentConfig = PLAIN, *, test: bool = True) -> ImageTask:
    data = ImageData(
        name="numbers",
        classes=("a", "b", "c"),
        train=split(TRAIN),
        valid=split(VALID),
        test=split(TEST) if test else None,
        mean=(0.5,),
        std=(0.25,),
        notes=("a note",),
    )
    return ImageTask(data, augment, torch.device("cpu"))


def numbers(batch: Batch) -> list[int]:
    """Which examples a batch holds: normalisation with mean 0.5 and deviation 0.25 is undone."""
    values = (batch.inputs[:, 0, 0, 0] * 0.25 + 0.5) * 255
    assert torch.allclose(batch.inputs, batch.inputs[:, :, :1, :1].expand_as(batch.inputs), atol=1e-5)
    found = values.round().long()
    assert torch.allclose(values, found.float(), atol=1e-3)
    assert batch.labels.tolist() == (found % 3).tolist()
    return found.tolist()


def training_pass(
    task: ImageTask, part: Part, size: int, *, order_seed: int = 5, skip: int = 0, limit: int | None = None
) -> list[list[int]]:
    batches = task.training_batches(
        part, size, order_seed=order_seed, generator=torch.Generator().manual_seed(0), skip=skip, limit=limit
    )
    return [numbers(batch) for batch in batches]


@pytest.mark.parametrize(
    ("part", "expected"),
    [("train", [*TRAIN]), ("valid", [*VALID]), ("test", [*TEST]), ("train+valid", [*TRAIN, *VALID])],
)
@pytest.mark.parametrize("size", [1, 6, 20, 100])
def test_a_pass_sees_each_example_exactly_once(part: Part, expected: list[int], size: int) -> None:
    batches = training_pass(task(), part, size)
    assert sorted(number for batch in batches for number in batch) == expected
    assert [len(batch) for batch in batches[:-1]] == [size] * (len(batches) - 1)
    assert len(batches) == math.ceil(len(expected) / size)
    assert task().examples(part) == len(expected)


def test_a_pass_over_training_and_validation_examples_mixes_them() -> None:
    first = training_pass(task(), "train+valid", 14)[0]
    assert any(number in VALID for number in first)
    assert any(number in TRAIN for number in first)


def test_the_order_depends_on_its_seed_alone() -> None:
    first = training_pass(task(), "train", 6)
    assert first == training_pass(task(), "train", 6)
    assert first != training_pass(task(), "train", 6, order_seed=6)
    assert [number for batch in first for number in batch] != [*TRAIN]


@pytest.mark.parametrize("skip", range(5))
def test_skip_gives_the_rest_of_the_same_pass(skip: int) -> None:
    assert training_pass(task(), "train", 6, skip=skip) == training_pass(task(), "train", 6)[skip:]


def test_a_limit_ends_a_pass_early_and_a_long_one_starts_over_in_the_same_order() -> None:
    whole = training_pass(task(), "train", 6)
    assert training_pass(task(), "train", 6, limit=2) == whole[:2]
    assert training_pass(task(), "train", 6, limit=11) == [*whole, *whole, *whole[:3]]
    assert training_pass(task(), "train", 6, limit=11, skip=5) == [*whole[1:], *whole[:3]]


def test_training_images_are_changed_as_the_settings_say_and_from_the_given_generator() -> None:
    cut = task(AugmentConfig(crop_padding=0, flip=False, cutout=2))

    def inputs(seed: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        (batch,) = cut.training_batches("train", 20, order_seed=1, generator=generator)
        return batch.inputs

    zeros = (inputs(0) == 0).sum(dim=(1, 2, 3))  # no number has the mean brightness, so that zeros are what was cut out
    assert bool(((zeros >= 1) & (zeros <= 4)).all())
    assert torch.equal(inputs(0), inputs(0))
    assert not torch.equal(inputs(0), inputs(1))


def test_scoring_has_a_fixed_order_that_mixes_the_classes() -> None:
    sorted_by_class = ImageSplit(split(TRAIN).images, torch.arange(20) // 7)
    data = task().data
    ordered = ImageTask(
        ImageData("x", data.classes, sorted_by_class, data.valid, None, data.mean, data.std, ()),
        PLAIN,
        torch.device("cpu"),
    )
    labels = [batch.labels.tolist() for batch in ordered.scoring_batches("train", 8)]
    assert labels == [batch.labels.tolist() for batch in ordered.scoring_batches("train", 8)]
    assert [len(row) for row in labels] == [7, 7, 6], "as equal as can be"
    assert all(len(set(row)) > 1 for row in labels)


@pytest.mark.parametrize(("part", "expected"), [("train", TRAIN), ("valid", VALID), ("test", TEST)])
def test_scoring_sees_each_example_once_and_unchanged(part: Part, expected: range) -> None:
    augmented = task(AugmentConfig(crop_padding=2, flip=True, cutout=3))
    batches = [numbers(batch) for batch in augmented.scoring_batches(part, 4)]
    assert sorted(number for batch in batches for number in batch) == [*expected]


def test_a_limited_scoring_is_the_beginning_of_the_whole() -> None:
    whole = [number for batch in task().scoring_batches("train", 4) for number in numbers(batch)]
    limited = [numbers(batch) for batch in task().scoring_batches("train", 4, 10)]
    assert [len(batch) for batch in limited] == [4, 3, 3]
    assert [number for batch in limited for number in batch] == whole[:10]
    assert [len(batch) for batch in task().scoring_batches("valid", 4, 1000) for batch in [numbers(batch)]] == [4, 3]


def test_a_random_batch_has_distinct_examples_unchanged_and_each_equally_often() -> None:
    augmented = task(AugmentConfig(crop_padding=2, flip=True, cutout=3))
    generator = torch.Generator().manual_seed(0)
    drawn: Counter[int] = Counter()
    for _ in range(700):
        batch = numbers(augmented.random_batch("valid", 3, generator))
        assert len(set(batch)) == 3
        drawn.update(batch)
    assert set(drawn) == set(VALID)
    assert all(count == pytest.approx(300, abs=60) for count in drawn.values())  # about four standard deviations


def test_a_random_batch_holds_no_more_than_there_is() -> None:
    batch = task().random_batch("valid", 50, torch.Generator().manual_seed(0))
    assert sorted(numbers(batch)) == [*VALID]


def test_missing_test_images_are_told_with_what_to_do() -> None:
    without = task(test=False)
    for use in (
        lambda: without.examples("test"),
        lambda: next(without.scoring_batches("test", 4)),
        lambda: without.random_batch("test", 4, torch.Generator()),
    ):
        with pytest.raises(DataError, match=r"^numbers has no test images: add a folder 'test' beside 'train'$"):
            use()


def test_loss_and_correct_agree_with_hand_numbers() -> None:
    logits = torch.tensor([[math.log(2), 0.0, 0.0], [0.0, 0.0, math.log(8)], [0.0, 1.0, 0.0]])
    batch = Batch(torch.zeros(3, 1, 4, 4), torch.tensor([0, 2, 0]))
    # Probabilities of the labels: 2/4, 8/10, 1/(2 + e).
    expected = (math.log(2) + math.log(10 / 8) + math.log(2 + math.e)) / 3
    assert task().loss(logits, batch).item() == pytest.approx(expected, rel=1e-6)
    assert task().correct(logits, batch).item() == 2


def test_the_loss_of_an_auxiliary_classifier_is_added_with_its_weight_and_never_counts_as_correct() -> None:
    batch = Batch(torch.zeros(2, 1, 4, 4), torch.tensor([0, 2]))
    right, wrong = torch.eye(3)[[0, 2]] * 9, torch.eye(3)[[1, 1]]
    both = WithAuxiliary(right, wrong, 0.4)
    expected = task().loss(right, batch) + 0.4 * task().loss(wrong, batch)
    torch.testing.assert_close(task().loss(both, batch), expected)
    assert task().correct(both, batch).item() == 2
    assert task().correct(WithAuxiliary(wrong, right, 0.4), batch).item() == 0


def test_loss_has_the_gradient_of_cross_entropy() -> None:
    logits = torch.zeros(2, 2, requires_grad=True)
    batch = Batch(torch.zeros(2, 1, 4, 4), torch.tensor([0, 1]))
    task().loss(logits, batch).backward()
    assert logits.grad is not None
    assert torch.allclose(logits.grad, torch.tensor([[-0.25, 0.25], [0.25, -0.25]]))


def test_a_task_tells_the_size_and_the_notes_of_its_data() -> None:
    spec = task().spec
    assert (spec.channels, spec.height, spec.width, spec.classes) == (1, 4, 4, 3)
    assert task().notes == ("a note",)


def test_load_reads_the_named_data(tmp_path: Path) -> None:
    loaded = ImageTask.load(DataConfig(dataset="digits"), PLAIN, cache=tmp_path / "cache", device=torch.device("cpu"))
    parts: tuple[Part, ...] = ("train", "valid", "train+valid", "test")
    assert [loaded.examples(part) for part in parts] == [1197, 200, 1397, 400]
    assert loaded.spec.classes == 10
