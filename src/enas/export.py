"""A trained network for use elsewhere: `.pt2` (PyTorch without this program), `.onnx`, or `.safetensors` with its architecture.

What is exported is the network in evaluation mode: no dropout, no auxiliary classifier. Letters of shapes: B batch, C channels,
H height, W width, K classes, V vocabulary.
"""

import copy
import importlib
import importlib.util
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.utils import _pytree as pytree

import enas
from enas.callable import make_callable
from enas.errors import RunError, UsageError
from enas.files import write_bytes
from enas.interface import ImageInterface, to_json
from enas.nn.cells import Classifiers
from enas.trained import NOTE, Trained
from enas.weights import save_weights

METADATA = f"{NOTE}.json"
"""Name of the metadata in a .pt2; in the other formats it is the key `NOTE`."""
EXAMPLES = 3
"""Batch with which a network is traced; any other can be given to what is exported."""
TOLERANCE = 1e-4
"""Largest difference of an exported network's outputs, as a share of the largest output: rounding of float32."""


class Classifier(nn.Module):
    """Pixels to logits: normalisation, then the network."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, interface: ImageInterface) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(interface.mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(interface.std).view(-1, 1, 1))

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Logits of images whose pixels lie in [0, 1]."""
        return self.network((images - self.mean) / self.std)


class NextWord(nn.Module):
    """One step of a language model."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, tokens: Int64[Tensor, " B"], state: Any) -> tuple[Float[Tensor, "B V"], Any]:
        """Logits of the word after each token, and the state to be given with it."""
        prediction = self.network(tokens[None], state)
        return prediction.logits()[0], prediction.hidden


def export(trained: Trained, path: Path) -> None:
    """Write a network to a file; its suffix decides the format.

    Args:
        trained: The network; it stays as it is.
        path: `.pt2`, `.onnx` or `.safetensors`.

    Raises:
        UsageError: another suffix, or the packages for ONNX are not installed.
        RunError: the file cannot be written, or what was exported computes something else.
    """
    writers: dict[str, Callable[[Trained, Path], None]] = {
        ".pt2": _write_pt2,
        ".onnx": _write_onnx,
        ".safetensors": _write_weights,
    }
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise UsageError(f"cannot export to {str(path)!r}: the name of the file must end in {', '.join(writers)}")
    writer(trained, path)


def metadata(trained: Trained) -> dict[str, Any]:
    """What a user of the file must know: what goes in and comes out, and which network it is."""
    images = isinstance(trained.interface, ImageInterface)
    return {
        "program": f"enas {enas.__version__}",
        "inputs": "images: float32 (batch, channels, height, width), pixels in [0, 1]; mean and std are applied inside"
        if images
        else "tokens: int64 (batch); state: as returned, zeros at the start of a text",
        "outputs": "logits: float32 (batch, classes)" if images else "logits: float32 (batch, words); state",
        "interface": to_json(trained.interface),
        "architecture": json.loads(trained.architecture.to_json()),
        "network": asdict(trained.config),
        "result": dict(trained.result),
    }


def module_of(trained: Trained) -> tuple[nn.Module, tuple[Any, ...], tuple[Any, ...]]:
    """The module to export, in evaluation mode on the processor; inputs to trace it with; their dimensions that may differ."""
    network = copy.deepcopy(trained.network).cpu().eval().requires_grad_(False)
    for part in network.modules():
        if isinstance(part, Classifiers):
            part.auxiliary = None  # of use in training only
    network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # as PyTorch stores weights in a .pt2
    generator, batch = torch.Generator().manual_seed(0), Dim("batch")
    face = trained.interface
    if isinstance(face, ImageInterface):
        images = torch.rand(EXAMPLES, face.channels, face.height, face.width, generator=generator)
        return Classifier(network, face).eval(), (images,), ({0: batch},)
    tokens = torch.randint(len(face.words), (EXAMPLES,), generator=generator)
    with torch.no_grad():
        state = network(tokens[None], None).hidden
        fewer = network(tokens[None, 1:], None).hidden
    dynamic = pytree.tree_map(lambda one, other: {_axis(one, other): batch}, state, fewer)
    return NextWord(network).eval(), (tokens, state), ({0: batch}, dynamic)


def _axis(one: Tensor, other: Tensor) -> int:
    """The dimension of the batch: the one in which two states differ."""
    return next(axis for axis, (a, b) in enumerate(zip(one.shape, other.shape, strict=True)) if a != b)


@contextmanager
def _exporting(path: Path) -> Iterator[None]:
    """Say in one line what PyTorch's exporters say at length, of a network that they cannot read."""
    try:
        with torch.no_grad(), _quiet():
            yield
    except Exception as error:  # they raise many kinds
        first: BaseException = error
        while first.__cause__ is not None:
            first = first.__cause__
        reason = (str(first).strip().splitlines() or [""])[0]
        raise RunError(f"{path} is not written: PyTorch cannot export this network ({reason})") from error


def _write_pt2(trained: Trained, path: Path) -> None:
    module, inputs, dynamic = module_of(trained)
    with _exporting(path):
        program: ExportedProgram = torch.export.export(module, inputs, dynamic_shapes=dynamic)
    _compare(module, inputs, lambda: program.module()(*inputs), path)
    buffer = io.BytesIO()
    with _quiet():
        torch.export.save(program, buffer, extra_files={METADATA: json.dumps(metadata(trained), indent=2)})
    write_bytes(path, buffer.getvalue())


def _write_onnx(trained: Trained, path: Path) -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        if importlib.util.find_spec(package) is None:
            remedy = "run pip install onnx onnxscript onnxruntime, or export to .pt2"
            raise UsageError(f"ONNX needs the package {package}: {remedy}")
    module, inputs, dynamic = module_of(trained)
    with _exporting(path):
        program: Any = torch.onnx.export(module, inputs, dynamic_shapes=dynamic, dynamo=True, verbose=False)
    program.model.metadata_props[NOTE] = json.dumps(metadata(trained))
    content = program.model_proto.SerializeToString()
    runtime: Any = importlib.import_module("onnxruntime")
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    arrays = [value.numpy() for value in pytree.tree_leaves(inputs)]
    names = [item.name for item in session.get_inputs()]
    _compare(module, inputs, lambda: session.run(None, dict(zip(names, arrays, strict=True))), path)
    write_bytes(path, content)


def _write_weights(trained: Trained, path: Path) -> None:
    save_weights(path, trained.network, {NOTE: json.dumps(metadata(trained))})


@torch.no_grad()
def _compare(module: nn.Module, inputs: tuple[Any, ...], exported: Callable[[], Any], path: Path) -> None:
    """Refuse an export that computes something else than the network does."""
    wanted = pytree.tree_leaves(module(*inputs))
    found = [torch.as_tensor(value) for value in pytree.tree_leaves(exported())]
    for one, other in zip(wanted, found, strict=True):
        limit = TOLERANCE * max(1.0, one.abs().max().item())
        if one.shape != other.shape or not (one - other).abs().max().item() <= limit:
            raise RunError(f"{path} is not written: the exported network computes something else than the trained one")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep away what torch's exporters say of their own affairs."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The tensor attributes? .* assigned during export", UserWarning)
            warnings.filterwarnings("ignore", "`isinstance\\(treespec, LeafSpec\\)`", FutureWarning)
            warnings.filterwarnings("ignore", "# The axis name", UserWarning)
            yield
    finally:
        log.setLevel(level)


make_callable(__name__)
