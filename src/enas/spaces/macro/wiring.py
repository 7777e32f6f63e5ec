"""How a macro architecture is wired: one function for supernet and network, and the graph that is drawn."""

from collections.abc import Callable, Sequence
from typing import cast

from jaxtyping import Float
from torch import Tensor

from enas.architecture import Architecture
from enas.space import Edge, Graph, Node
from enas.spaces.macro.steps import STEM, layer_name

Maps = Float[Tensor, "B _ _ _"]  # channels and size differ from stage to stage


def reduction_layers(layers: int) -> tuple[int, ...]:
    """Layers after which the resolution is halved: d - 1 and 2d - 1 with d = layers // 3 (3 and 7 of 12 layers).

    The last layer is never among them; fewer than three layers are never reduced.
    """
    third = layers // 3
    return (third - 1, 2 * third - 1) if third else ()


def operation_of(architecture: Architecture, layer: int) -> str:
    """Name of the layer's operation."""
    return cast(str, architecture.choices[f"layer{layer}.op"])


def skips_of(architecture: Architecture, layer: int) -> tuple[int, ...]:
    """Indices of the maps that a layer reads beside the one before it; -1 is the stem."""
    names = cast(Sequence[str], architecture.choices.get(f"layer{layer}.skips", ()))
    return tuple(-1 if name == STEM else int(name.removeprefix("layer")) for name in names)


def run_wiring(
    architecture: Architecture,
    stem: Maps,
    *,
    layers: int,
    operate: Callable[[int, str, Maps], Maps],
    merge: Callable[[int, Maps, Sequence[Maps], Sequence[int]], Maps],
    reduce: Callable[[int, int, Maps], Maps],
) -> Maps:
    """Compute the last map of an architecture.

    A stored map is reduced when it is first read at the lower resolution, so maps that no later layer reads cost nothing.

    Args:
        architecture: What to wire.
        stem: The stem's output.
        layers: Number of layers.
        operate: (layer, operation, input) -> output of the operation.
        merge: (layer, output of the operation, skipped maps, their indices) -> output of the layer.
        reduce: (number of the reduction, index of the map, map) -> map at half the resolution.
    """
    reductions = reduction_layers(layers)
    stored: dict[int, tuple[int, Maps]] = {-1: (0, stem)}

    def read(index: int, stage: int) -> Maps:
        at, value = stored[index]
        while at < stage:
            value = reduce(at, index, value)
            at += 1
        stored[index] = (at, value)
        return value

    for layer in range(layers):
        stage = sum(layer > reduction for reduction in reductions)
        out = operate(layer, operation_of(architecture, layer), read(layer - 1, stage))
        if layer > 0:
            sources = skips_of(architecture, layer)
            out = merge(layer, out, [read(source, stage) for source in sources], sources)
        stored[layer] = (stage, out)
    return stored[layers - 1][1]


def wiring(architecture: Architecture) -> Graph:
    """The graph that `enas draw` shows: layers in one line, skips as arcs, reductions marked."""
    layers = architecture.size["layers"]
    nodes = [Node("input", "image", "input"), Node(STEM, "conv 3x3", STEM)]
    edges = [Edge("input", STEM)]
    last = STEM
    for layer in range(layers):
        name = layer_name(layer)
        operation = operation_of(architecture, layer)
        nodes.append(Node(name, operation.replace("_", " "), operation))
        edges.append(Edge(last, name))
        edges.extend(Edge(layer_name(source), name, "skip") for source in skips_of(architecture, layer))
        last = name
        if layer in reduction_layers(layers):
            reduction = f"reduction{reduction_layers(layers).index(layer) + 1}"
            nodes.append(Node(reduction, "1/2", "reduction"))
            edges.append(Edge(last, reduction))
            last = reduction
    nodes.append(Node("output", "classifier", "output"))
    edges.append(Edge(last, "output"))
    return Graph(f"Macro architecture, {layers} layers", tuple(nodes), tuple(edges), "chain")
