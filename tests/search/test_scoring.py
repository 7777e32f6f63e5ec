"""What an architecture is worth, and rows of codes as architectures."""

import pytest
import torch
from torch import Tensor, nn

from enas.architecture import Architecture
from enas.config import AugmentConfig
from enas.data.images import ImageData, ImageSplit
from enas.decisions import Input, Op, Skips, Step, Vocabulary
from enas.errors import ArchitectureError
from enas.search.scoring import Decoder, score
from enas.tasks.images import Batch, ImageTask

WORDS = Vocabulary(("left", "right"))
STEPS = (
    Step(remember="a"),
    Step(Op("first", WORDS), remember="b"),
    Step(Skips("some", ("a", "b")), remember="c"),
    Step(Input("one", ("a", "b", "c"))),
    Step(Skips("more", ("a",))),
)
SIZE = {"nodes": 3}


class SaysLeft(nn.Module):
    """Class 0 for every image when the first answer is "left", else class 1."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.outputs: list[Tensor] = []

    def forward(self, inputs: Tensor, architecture: Architecture) -> Tensor:
        logits = torch.zeros(len(inputs), 2)
        logits[:, WORDS.options.index(str(architecture.choices["first"]))] = 1.0
        self.outputs.append(logits * self.weight)
        return self.outputs[-1]


def make_task() -> ImageTask:
    split = ImageSplit(torch.zeros(1, 2, 2, 1, dtype=torch.uint8), torch.zeros(1, dtype=torch.long))
    data = ImageData("none", ("l", "r"), split, split, None, (0.5,), (0.5,), ())
    return ImageTask(data, AugmentConfig(), torch.device("cpu"))


def batches(*labels: list[int]) -> list[Batch]:
    return [Batch(torch.zeros(len(row), 1, 2, 2), torch.tensor(row)) for row in labels]


@pytest.mark.parametrize(("code", "expected"), [(0, 4 / 6), (1, 2 / 6)])
def test_a_score_is_the_share_of_right_answers_over_batches_of_different_sizes(code: int, expected: float) -> None:
    architecture = Decoder("toy", STEPS, SIZE)(torch.tensor([code, 0, 0, 0, 0]))
    found = score(SaysLeft(), architecture, batches([0], [0, 0, 1, 1, 0]), make_task())
    assert found == pytest.approx(expected)


def test_a_score_records_no_gradient_and_leaves_the_mode_alone() -> None:
    supernet = SaysLeft().eval()
    score(supernet, Decoder("toy", STEPS, SIZE)(torch.zeros(5, dtype=torch.long)), batches([0]), make_task())
    assert not supernet.outputs[0].requires_grad
    assert not supernet.training


def test_a_row_of_codes_becomes_named_choices() -> None:
    found = Decoder("toy", STEPS, SIZE)(torch.tensor([1, 0, 1, 2, 0]))
    choices = {"first": "right", "some": ("b",), "one": "c", "more": ()}
    assert found == Architecture("toy", SIZE, choices)


def test_a_code_out_of_range_is_refused() -> None:
    with pytest.raises(ArchitectureError, match="one: code 3 is out of range, expected 0 to 2"):
        Decoder("toy", STEPS, SIZE)(torch.tensor([1, 0, 1, 3, 0]))


def test_the_skip_rate_counts_the_columns_of_skips_and_no_others() -> None:
    codes = torch.tensor([[1, 0, 1, 2, 1], [1, 0, 0, 1, 1]])
    assert Decoder("toy", STEPS, SIZE).skip_rate(codes) == pytest.approx(3 / 6)
    assert Decoder("toy", STEPS, SIZE).skip_rate(torch.tensor([[1, 0, 0, 2, 0]])) == 0.0


def test_a_space_without_skips_has_no_skip_rate() -> None:
    assert Decoder("toy", STEPS[:2], SIZE).skip_rate(torch.tensor([[1], [0]])) is None
