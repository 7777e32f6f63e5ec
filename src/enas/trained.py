"""A trained network ready for use: images to classes, text to the words that follow.

Letters of shapes: N images, C channels, H height, W width, K classes; B texts.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor, nn

from enas.architecture import Architecture
from enas.data.augment import normalise
from enas.data.decode import Shape, UnreadableImageError, decode, fitted
from enas.data.encode import UNKNOWN, words_of
from enas.errors import DataError, RunError, UsageError
from enas.flags import from_dict
from enas.interface import INTERFACE, ImageInterface, Interface, TextInterface, from_json
from enas.run import Run
from enas.space_file import settings_found_again
from enas.spaces import load as load_space
from enas.train.loop import BEST, RESULT
from enas.train.setup import TrainSettings
from enas.trainings import ARCHITECTURE, training_in
from enas.weights import load_weights, read_notes

NOTE = "enas"
"""Key of the metadata in an exported file."""
AT_ONCE = 500
"""Images that a network is given at a time."""


@dataclass(frozen=True)
class Trained:
    """A network with its trained weights, in evaluation mode."""

    network: nn.Module
    architecture: Architecture
    interface: Interface
    """What it reads and what it answers."""
    config: Any  # an instance of the space's network_config
    """What the network was built with."""
    result: Mapping[str, int | float]
    """Figures of its training, as in `result.json`: "test/accuracy", ...; empty: the training has not ended yet."""
    path: Path
    """Folder of the training, or the file that it was exported to."""

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.network.parameters()).device


@dataclass(frozen=True)
class ImageClassifier(Trained):
    """A trained network for images."""

    interface: ImageInterface

    def predict(self, images: Any) -> list[str]:
        """The most probable class of each image, by name.

        Args:
            images: See `probabilities`.
        """
        return [self.interface.classes[label] for label in self.probabilities(images).argmax(1).tolist()]

    @torch.no_grad()
    def probabilities(self, images: Any) -> Float[Tensor, "N K"]:
        """The probability of each class for each image, on the processor.

        Args:
            images: One or more of: paths of image files, or Pillow's images, which are cropped to the network's proportions
                about their centre and resized; or bytes "N H W C" (or "H W C" for one image; a tensor or an array), which must
                have its size.

        Raises:
            DataError: an image cannot be read.
            UsageError: bytes of another shape or type.
        """
        found = self._bytes(images)
        outputs = []
        for piece in found.split(AT_ONCE):
            inputs = normalise(piece.to(self.device), self.interface.mean, self.interface.std)
            outputs.append(self.network(inputs).softmax(1).cpu())
        return torch.cat(outputs)

    def _bytes(self, images: Any) -> UInt8[Tensor, "N H W C"]:
        wanted = Shape(self.interface.height, self.interface.width, self.interface.channels)
        if isinstance(images, Tensor | np.ndarray):
            found = torch.as_tensor(images)
            found = found[None] if found.dim() == 3 else found
            if found.dtype != torch.uint8 or tuple(found.shape[1:]) != wanted or found.dim() != 4:
                given = f"{found.dtype} of shape {tuple(found.shape)}".replace("torch.", "")
                raise UsageError(
                    f"the network reads images as uint8 of shape (N, {', '.join(map(str, wanted))}), not {given}"
                )
            return found
        several = images if isinstance(images, Sequence) and not isinstance(images, str) else [images]
        if not several:
            raise UsageError("give at least one image")
        return torch.stack([torch.tensor(_read(image, wanted)) for image in several])


@dataclass(frozen=True)
class LanguageModel(Trained):
    """A trained network for text."""

    interface: TextInterface

    @torch.no_grad()
    def next_words(self, text: str, n: int = 5) -> list[tuple[str, float]]:
        """The `n` most probable words (or characters) after a text, with their probabilities.

        Raises:
            DataError: the text is empty, or has a word that is not in a vocabulary without <unk>.
        """
        logits, _ = self._read(self._numbers(text), None)
        top = logits.softmax(0).topk(min(n, len(logits)))
        return [(self.interface.words[i], p) for p, i in zip(top.values.tolist(), top.indices.tolist(), strict=True)]

    @torch.no_grad()
    def generate(self, text: str, n: int = 20, *, temperature: float = 1.0, seed: int = 0) -> list[str]:
        """Draw `n` words (or characters) that go on with a text.

        Args:
            text: What they follow.
            n: How many.
            temperature: Logits are divided by it; near 0, always the most probable word.
            seed: Of the draws.

        Raises:
            DataError: as for `next_words`.
            UsageError: the temperature is not positive.
        """
        if not temperature > 0:
            raise UsageError(f"the temperature must be more than 0, got {temperature}")
        generator = torch.Generator().manual_seed(seed)
        logits, state = self._read(self._numbers(text), None)
        drawn: list[int] = []
        for _ in range(n):
            probabilities = (logits.double() / temperature).softmax(0).cpu()
            drawn.append(int(torch.multinomial(probabilities, 1, generator=generator)))
            logits, state = self._read(drawn[-1:], state)
        return [self.interface.words[number] for number in drawn]

    def _read(self, numbers: Sequence[int], state: Any) -> tuple[Float[Tensor, " V"], Any]:
        prediction = self.network(torch.tensor(numbers, device=self.device)[:, None], state)
        return prediction.features[-1, 0] @ prediction.decoder.t(), prediction.hidden

    def _numbers(self, text: str) -> list[int]:
        index = {word: number for number, word in enumerate(self.interface.words)}
        words = words_of(text, self.interface.level)
        strange = [word for word in words if word not in index]
        if not words:
            raise DataError("give a text with at least one word")
        if strange and UNKNOWN not in index:
            raise DataError(f"{strange[0]!r} is not in the vocabulary, which has no {UNKNOWN} for other words")
        return [index.get(word, index.get(UNKNOWN, 0)) for word in words]


def load(path: Path, device: torch.device) -> Trained:
    """The trained network of a run, with its best weights; the data is not needed.

    Args:
        path: Folder of a training, or of a search with its training in `train`; or a `.safetensors` file that was exported.
        device: Where the network goes.

    Raises:
        EnasError: there is no such training or file, or what it holds is missing or damaged.
    """
    if path.suffix == ".safetensors":
        return _load_file(path, device)
    path = training_in(path)
    run = Run.open(path)
    settings = TrainSettings.from_json(run.settings, str(path))
    architecture = Architecture.load(path / ARCHITECTURE)
    if not (path / INTERFACE).is_file():
        raise RunError(f"{path} has no {INTERFACE}: the same 'enas train' command with --resume writes it")
    interface = from_json(run.read_json(INTERFACE), str(path / INTERFACE))
    result = run.read_json(RESULT) if (path / RESULT).is_file() else {}
    return _built(architecture, interface, settings.network, result, path, path / BEST, device)


def _load_file(path: Path, device: torch.device) -> Trained:
    notes = read_notes(path)
    try:
        told = json.loads(notes[NOTE])
        architecture = Architecture.from_json(
            json.dumps(settings_found_again(dict(told["architecture"]), str(path))), str(path)
        )
        interface = from_json(told["interface"], str(path))
        config: Any = from_dict(load_space(architecture.space).network_config, told["network"], str(path))
        result = dict(told["result"])
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{path} does not say which network it belongs to: give a file made by 'enas export'") from error
    return _built(architecture, interface, config, result, path, path, device)


def _built(
    architecture: Architecture,
    interface: Interface,
    config: Any,
    result: Mapping[str, int | float],
    path: Path,
    weights: Path,
    device: torch.device,
) -> Trained:
    with torch.random.fork_rng(devices=[]):  # the first weights are drawn, and then replaced
        network = load_space(architecture.space).network(config, interface.spec, architecture)
    load_weights(weights, network)
    network.to(device).eval()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a keyword that the stubs lack
    if isinstance(interface, ImageInterface):
        return ImageClassifier(network, architecture, interface, config, result, path)
    return LanguageModel(network, architecture, interface, config, result, path)


def _read(image: Any, wanted: Shape) -> UInt8[np.ndarray, "H W C"]:
    if isinstance(image, Image.Image):
        return fitted(image, wanted)
    if not isinstance(image, str | Path):
        raise UsageError(f"an image is a path, an image of Pillow or bytes, not a {type(image).__name__}")
    try:
        return decode(Path(image), wanted)
    except UnreadableImageError as error:
        raise DataError(f"cannot read the image {image}: {error}") from error
