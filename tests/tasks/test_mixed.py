"""Mixed precision: what computes in bfloat16 and what does not, in every space of images; text is refused."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from enas.cli import main
from enas.config import AugmentConfig
from enas.controller import sample_uniformly
from enas.data.images import ImageData, ImageSplit
from enas.interface import interface_of
from enas.search.scoring import Decoder, bind
from enas.spaces import load
from enas.tasks.images import ImageTask
from enas.tasks.mixed import MixedTask, in_precision
from enas.tasks.task import Task

CPU = torch.device("cpu")


def noise(images: int = 48) -> ImageTask:
    draw = torch.Generator().manual_seed(0)
    split = ImageSplit(
        torch.randint(256, (images, 16, 16, 3), dtype=torch.uint8, generator=draw),
        torch.randint(10, (images,), generator=draw),
    )
    data = ImageData("noise", tuple("0123456789"), split, split, None, (0.5,) * 3, (0.3,) * 3, ())
    return ImageTask(data, AugmentConfig(), CPU)


def batch_of(task: Task) -> object:
    draw = torch.Generator().manual_seed(0)
    return next(task.training_batches("train", 48, order_seed=0, generator=draw, limit=1))


class Recorder(nn.Module):
    """A linear classifier that notes in what it computes."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3 * 16 * 16, 10)
        self.seen: list[torch.dtype] = []

    def forward(self, inputs: Tensor) -> Tensor:
        logits = self.linear(inputs.flatten(1))
        self.seen.append(logits.dtype)
        return logits


def test_the_network_computes_in_bfloat16_and_loss_and_gradients_are_float32() -> None:
    plain, network = noise(), Recorder()
    task = in_precision(plain, "bfloat16", CPU)
    loss = task.step(network, batch_of(task), None).loss
    loss.backward()
    assert network.seen == [torch.bfloat16]
    assert loss.dtype == torch.float32
    assert network.linear.weight.grad is not None
    assert network.linear.weight.grad.dtype == network.linear.weight.dtype == torch.float32
    exact = plain.step(network, batch_of(plain), None).loss
    assert network.seen[1:] == [torch.float32]
    assert 0 < abs(loss.item() - exact.item()) < 0.01  # eight bits of precision


def test_float32_leaves_the_task_as_it_is() -> None:
    task = noise()
    assert in_precision(task, "float32", CPU) is task


def test_all_else_is_the_task_s_own() -> None:
    plain = noise()
    task = MixedTask(plain, CPU)
    assert (task.metric, task.unit, task.examples("valid"), task.spec) == ("accuracy", "images", 48, plain.spec)
    assert interface_of(in_precision(plain, "bfloat16", CPU), "word") == interface_of(plain, "word")


@pytest.mark.parametrize("name", ["macro", "micro", "nasbench-macro", "nasbench201"])
def test_every_space_of_images_learns_in_it(name: str) -> None:
    space, plain = load(name), noise()
    task = in_precision(plain, "bfloat16", CPU)
    config = space.presets["cpu"].supernet
    torch.manual_seed(0)
    supernet = space.supernet(config, task.spec, running_statistics=False).to(memory_format=torch.channels_last)
    size = dict(space.size(config))
    decoder = Decoder(space.name, space.steps(size), size)
    architecture = decoder(sample_uniformly(decoder.steps, 1, torch.Generator().manual_seed(1))[0])
    model = bind(supernet, architecture)
    loss = task.step(model, batch_of(task), None).loss
    loss.backward()
    gradients = [parameter.grad for parameter in supernet.parameters() if parameter.grad is not None]
    assert gradients
    assert all(g.dtype == torch.float32 and bool(g.isfinite().all()) for g in gradients)
    assert any(bool(g.any()) for g in gradients)
    assert loss.item() == pytest.approx(plain.step(model, batch_of(plain), None).loss.item(), abs=0.1)
    supernet.eval()
    with torch.no_grad():
        assert task.step(model, batch_of(task), None).figures["seen"] == 48


def test_text_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["search", "rnn", "--preset", "demo", "--precision", "bfloat16", "--out", str(tmp_path / "run")]
    assert main(words) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert said[-1] == "enas: --precision bfloat16 is for networks of images: language models compute in float32 here"
    assert not (tmp_path / "run").exists()


def test_a_search_and_a_training_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, few = tmp_path / "run", ["--epochs", "1", "--lr-first-cycle", "1", "--steps-per-epoch", "2"]
    small = ["--controller-steps", "1", "--controller-samples", "2", "--derive-samples", "2", "--layers", "2"]
    mixed = ["--precision", "bfloat16", "--dataset", "digits", "--cache-dir", str(tmp_path)]
    assert main(["search", "macro", "--preset", "demo", *few, *small, *mixed, "--out", str(run)]) == 0
    assert main(["train", str(run), *few, "--precision", "bfloat16", "--cache-dir", str(tmp_path)]) == 0
    assert main(["test", str(run), "--cache-dir", str(tmp_path)]) == 0
    assert main(["export", str(run), "-o", str(tmp_path / "net.pt2"), "--cache-dir", str(tmp_path)]) == 0
    assert "bfloat16" in (run / "config.json").read_text()
    assert capsys.readouterr().err == ""
