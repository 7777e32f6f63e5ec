"""Exported networks compute what the trained ones do: elsewhere, in other batches, without this program."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import enas
import enas.export as exporting
from enas.cli import main
from enas.data.augment import normalise
from enas.data.embedded import load_digits
from enas.errors import CheckpointError, RunError, UsageError
from enas.nn.cells import AuxiliaryHead
from enas.sources import draw_uniformly
from enas.spaces import load
from enas.trained import ImageClassifier, LanguageModel

TINY: dict[str, Any] = {
    "epochs": 1, "lr_first_cycle": 1, "steps_per_epoch": 2, "preset": "demo", "quiet": True, "threads": 1,
}  # fmt: skip
SMALL_CELLS = draw_uniformly(load("micro"), {"nodes": 2, "all_nodes": 0}, 1, seed=0)[0]
KINDS = {
    "macro": ("random:macro:1", {"filters": 4, "dropout": 0.5}),
    "micro": (SMALL_CELLS, {"filters": 4, "layers": 1, "auxiliary_weight": 0.4}),
    "own": (f"random:{Path(__file__).parents[1] / 'examples' / '03_your_own_space.py'}:1", {"width": 8}),
    "rnn": ("published:enas-rnn", {"width": 8, "batch_size": 4, "longest_state": 2.5, "drop_output": 0.5}),
    "lstm": ("published:lstm", {"width": 8, "batch_size": 4}),
}


@pytest.fixture(scope="module", params=KINDS)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    architecture, settings = KINDS[request.param]
    folder = tmp_path_factory.mktemp("export")
    data = None
    if request.param in ("rnn", "lstm"):  # a short text, since final figures read all of it, word by word
        data = folder / "text"
        data.mkdir()
        for part, lines in (("train", 60), ("valid", 4), ("test", 4)):
            (data / f"{part}.txt").write_text("the value of the name is the value of an object or <unk>\n" * lines)
    return enas.train(architecture, dataset=data, out=folder / "run", cache_dir=folder, **TINY, **settings)


def inputs_of(trained: Any, batch: int) -> tuple[Any, ...]:
    """Inputs of an exported network: images from the data, or tokens with a state that is not zero."""
    if isinstance(trained, ImageClassifier):
        images = load_digits().test.images[:batch]
        return (images.permute(0, 3, 1, 2).to(torch.float32) / 255,)
    tokens = torch.arange(batch)
    with torch.no_grad():
        return tokens, trained.network(tokens[None] + 1, None).hidden


@torch.no_grad()
def outputs_of(trained: Any, inputs: tuple[Any, ...]) -> list[torch.Tensor]:
    """What the trained network makes of the same."""
    if isinstance(trained, ImageClassifier):
        images = (inputs[0] * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
        return [trained.network(normalise(images, trained.interface.mean, trained.interface.std))]
    prediction = trained.network(inputs[0][None], inputs[1])
    hidden = prediction.hidden
    return [prediction.logits()[0], *(hidden if isinstance(hidden, tuple) else (hidden,))]


def flat(outputs: Any) -> list[torch.Tensor]:
    if isinstance(outputs, torch.Tensor):
        return [outputs]
    return [value for part in outputs for value in flat(part)]


def test_pt2_computes_the_same_in_any_batch(trained: Any, tmp_path: Path) -> None:
    enas.export(trained, tmp_path / "network.pt2")
    notes = {"enas.json": ""}
    module = torch.export.load(tmp_path / "network.pt2", extra_files=notes).module()
    for batch in (1, 6):
        inputs = inputs_of(trained, batch)
        for found, wanted in zip(flat(module(*inputs)), outputs_of(trained, inputs), strict=True):
            torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    told = json.loads(notes["enas.json"])
    assert told["architecture"]["choices"].keys() == trained.architecture.choices.keys()
    assert told["interface"]["classes" if isinstance(trained, ImageClassifier) else "words"]
    assert trained.network.training is False


def test_safetensors_is_loaded_with_its_architecture(trained: Any, tmp_path: Path) -> None:
    file = tmp_path / "network.safetensors"
    enas.export(trained.path, file)
    state = torch.random.get_rng_state()
    again = enas.load(file)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert (again.architecture, again.interface, again.config) == (
        trained.architecture, trained.interface, trained.config,
    )  # fmt: skip
    assert again.result == trained.result
    inputs = inputs_of(trained, 4)
    for found, wanted in zip(outputs_of(again, inputs), outputs_of(trained, inputs), strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=0)


@pytest.mark.parametrize("trained", ["macro", "own", "rnn", "lstm"], indirect=True)
def test_onnx_computes_the_same_in_any_batch(trained: Any, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    runtime, onnx = pytest.importorskip("onnxruntime"), pytest.importorskip("onnx")
    enas.export(trained, tmp_path / "network.onnx")
    session = runtime.InferenceSession(str(tmp_path / "network.onnx"))
    names = [item.name for item in session.get_inputs()]
    for batch in (1, 6):
        inputs = inputs_of(trained, batch)
        feed = dict(zip(names, (value.numpy() for value in flat(inputs)), strict=True))
        for found, wanted in zip(session.run(None, feed), outputs_of(trained, inputs), strict=True):
            torch.testing.assert_close(torch.from_numpy(found), wanted, rtol=1e-4, atol=1e-5)
    model = onnx.load(tmp_path / "network.onnx")
    told = json.loads(next(item.value for item in model.metadata_props if item.key == "enas"))
    assert told["program"] == f"enas {enas.__version__}"


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> ImageClassifier:
    out = tmp_path_factory.mktemp("classifier") / "run"
    settings = {"filters": 4, "layers": 1, "auxiliary_weight": 0.4}
    return enas.train(SMALL_CELLS, out=out, cache_dir=out.parent, **TINY, **settings)


@pytest.fixture(scope="module")
def pt2(classifier: ImageClassifier) -> Path:
    file = classifier.path / "network.pt2"
    enas.export(classifier, file)
    return file


def test_another_process_without_this_program_uses_a_pt2(
    classifier: ImageClassifier, pt2: Path, tmp_path: Path
) -> None:
    (inputs,) = inputs_of(classifier, 4)
    torch.save(inputs, tmp_path / "inputs.pt")
    code = (
        "import sys, torch; sys.modules['enas'] = None\n"
        "outputs = torch.export.load(sys.argv[1]).module()(torch.load('inputs.pt', weights_only=True))\n"
        "torch.save(outputs.detach(), 'outputs.pt'); assert not [name for name in sys.modules if name[:5] == 'enas.']"
    )
    subprocess.run([sys.executable, "-c", code, str(pt2)], cwd=tmp_path, check=True)
    found = torch.load(tmp_path / "outputs.pt", weights_only=True)
    torch.testing.assert_close(found, outputs_of(classifier, (inputs,))[0], rtol=1e-4, atol=1e-5)


def test_the_auxiliary_classifier_is_left_out(classifier: ImageClassifier, pt2: Path) -> None:
    program = torch.export.load(pt2)
    assert not [name for name in program.state_dict if "auxiliary" in name]
    assert any(isinstance(part, AuxiliaryHead) for part in classifier.network.modules())


def test_another_result_is_not_written(
    classifier: ImageClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "TOLERANCE", -1.0)
    with pytest.raises(RunError, match="computes something else"):
        enas.export(classifier, tmp_path / "network.pt2")
    assert not list(tmp_path.iterdir())


def test_a_network_that_cannot_be_traced_gets_one_line(classifier: ImageClassifier, tmp_path: Path) -> None:
    class Undecided(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.flatten(1)[:, :10] if images.sum().item() > 0 else images.flatten(1)[:, 1:11]

    with pytest.raises(RunError, match="PyTorch cannot export this network") as error:
        enas.export(replace(classifier, network=Undecided()), tmp_path / "network.pt2")
    assert len(str(error.value).splitlines()) == 1


def test_the_command_and_its_refusals(
    classifier: ImageClassifier, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "network.safetensors"
    assert main(["export", str(classifier.path), "-o", str(file)]) == 0
    assert f"exported: {file}" in capsys.readouterr().out
    assert main(["export", str(classifier.path), "-o", "network.h5"]) == 2
    assert "must end in .pt2, .onnx, .safetensors" in capsys.readouterr().err
    assert main(["export", "/no/such/run", "-o", str(file)]) == 2
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install onnx onnxscript onnxruntime"):
        enas.export(classifier, tmp_path / "network.onnx")


def test_damaged_files_are_refused(classifier: ImageClassifier, tmp_path: Path) -> None:
    file = tmp_path / "network.safetensors"
    enas.export(classifier, file)
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(CheckpointError, match="SHA-256"):
        enas.load(file)
    file.write_bytes(whole[:100])
    with pytest.raises(CheckpointError, match="not a whole"):
        enas.load(file)
    file.write_bytes((classifier.path / "best.safetensors").read_bytes())
    with pytest.raises(RunError, match="does not say which network"):
        enas.load(file)


@pytest.mark.parametrize("trained", ["lstm"], indirect=True)
def test_language_models_go_on_with_a_text(trained: LanguageModel) -> None:
    model = trained
    assert isinstance(model, LanguageModel)
    assert model.next_words("the strange", n=2) == model.next_words("the <unk>", n=2)
    words = model.generate("the value", n=5, seed=1)
    assert words == model.generate("the value", n=5, seed=1)
    assert set(words) <= set(model.interface.words)
    coldest = model.generate("the value", n=1, temperature=1e-6)
    ((likeliest, probability),) = model.next_words("the value", n=1)
    assert coldest == [likeliest]
    everything = model.next_words("the value", n=10**6)
    assert sum(p for _, p in everything) == pytest.approx(1.0, abs=1e-4)
    assert everything[0] == (likeliest, pytest.approx(probability))
    prediction = model.network(
        torch.tensor([[model.interface.words.index("the")], [model.interface.words.index("value")]])
    )
    best = int(prediction.logits()[-1, 0].argmax())
    assert model.interface.words[best] == likeliest
