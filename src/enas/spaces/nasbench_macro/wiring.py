"""How layers follow each other: one function for supernet and network, the blocks of both, and the graph that is drawn."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from jaxtyping import Float
from torch import Tensor, nn

from enas.architecture import Architecture
from enas.nn.blocks import Chain, batch_norm, conv
from enas.space import Edge, Graph, Node
from enas.spaces.nasbench_macro.steps import BLOCKS, LAYERS, STAGES, layer_name, question

Maps = Float[Tensor, "B _ _ _"]  # channels and size differ from stage to stage


@dataclass(frozen=True)
class Place:
    """What a block must know of its layer."""

    channels: int
    filters: int
    stride: int

    @property
    def shape_changes(self) -> bool:
        """Whether a block's output cannot be added to its input."""
        return self.stride != 1 or self.channels != self.filters


def places(stem: int) -> tuple[Place, ...]:
    """The layers' channels and strides, by the number of channels after the stem."""
    found, channels = [], stem
    for layers in STAGES:
        found.append(Place(channels, 2 * channels, 2))
        channels *= 2
        found += [Place(channels, channels, 1)] * (layers - 1)
    return tuple(found)


class InvertedResidual(nn.Module):
    """Widen by a 1x1 convolution, filter each channel by itself, narrow again; plus the input where shapes agree."""

    def __init__(self, place: Place, *, kernel: int, expansion: int, running: bool) -> None:
        """Build the three convolutions.

        Args:
            place: Channels in and out, and stride.
            kernel: Window of the depthwise convolution.
            expansion: How many times wider it is than the input.
            running: Whether batch norm keeps running averages.
        """
        super().__init__()
        wide = expansion * place.channels
        self.residual = not place.shape_changes
        self.layers = Chain(
            conv(place.channels, wide),
            batch_norm(wide, running=running, relu=True),
            conv(wide, wide, kernel, groups=wide, stride=place.stride),
            batch_norm(wide, running=running, relu=True),
            conv(wide, place.filters),
            batch_norm(place.filters, running=running),
        )

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B F h w"]:
        """Compute the block."""
        return self.layers(x, x) if self.residual else self.layers(x)


def block(name: str, place: Place, *, running: bool) -> nn.Module:
    """One of the three blocks; an identity where the shape changes is a 1x1 convolution with batch norm.

    Args:
        name: "identity", or "ir_KxK_tE" for kernel K and expansion E.
        place: Channels and stride of the layer.
        running: Whether batch norm keeps running averages.
    """
    if name == BLOCKS[0]:
        if not place.shape_changes:
            return nn.Identity()
        narrow = conv(place.channels, place.filters, stride=place.stride)
        return Chain(narrow, batch_norm(place.filters, running=running))
    _, window, expansion = name.split("_")
    return InvertedResidual(place, kernel=int(window[0]), expansion=int(expansion[1:]), running=running)


class Head(nn.Module):
    """1x1 convolution, batch norm, ReLU, global average, linear classifier with bias."""

    def __init__(self, channels: int, features: int, classes: int, *, running: bool) -> None:
        super().__init__()
        self.conv = conv(channels, features)
        self.norm = batch_norm(features, running=running, relu=True)
        self.linear = nn.Linear(features, classes)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B classes"]:
        """Logits."""
        return self.linear(self.norm(self.conv(x)).mean(dim=(2, 3)))


def block_of(architecture: Architecture, layer: int) -> str:
    """Name of a layer's block."""
    return cast(str, architecture.choices[question(layer)])


def run_wiring(architecture: Architecture, stem: Maps, operate: Callable[[int, str, Maps], Maps]) -> Maps:
    """Compute the last map of an architecture.

    Args:
        architecture: What to wire.
        stem: The stem's output.
        operate: (layer, block, input) -> output of the block.
    """
    x = stem
    for layer in range(LAYERS):
        x = operate(layer, block_of(architecture, layer), x)
    return x


def wiring(architecture: Architecture) -> Graph:
    """The graph that `enas draw` shows: the blocks in one line, the halving of each stage marked."""
    nodes, edges, last = (
        [Node("input", "image", "input"), Node("stem", "conv 3x3", "stem")],
        [Edge("input", "stem")],
        "stem",
    )
    for layer, place in enumerate(places(1)):
        name, chosen = layer_name(layer), block_of(architecture, layer)
        label = chosen.replace("_", " ") + (", 1/2" if place.stride == 2 else "")
        nodes.append(Node(name, label, chosen))
        edges.append(Edge(last, name))
        last = name
    nodes.append(Node("output", "classifier", "output"))
    edges.append(Edge(last, "output"))
    return Graph("NAS-Bench-Macro architecture", tuple(nodes), tuple(edges), "chain")
