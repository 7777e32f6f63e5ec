"""The macro space against the authors' graph: parameter counts, which weights are used, agreement of its two networks."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from enas.architecture import Architecture, decode, encode
from enas.controller import sample_uniformly
from enas.data.images import ImageSpec
from enas.errors import ArchitectureError, UsageError
from enas.spaces import load, names, published
from enas.spaces.macro.network import MacroNetworkConfig, Network
from enas.spaces.macro.steps import OPERATIONS, steps
from enas.spaces.macro.supernet import MacroSupernetConfig, Supernet
from enas.spaces.macro.wiring import operation_of, reduction_layers, skips_of, wiring

CIFAR = ImageSpec(channels=3, height=32, width=32, classes=10)
TINY = ImageSpec(channels=1, height=8, width=8, classes=4)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def draw(layers: int, seed: int) -> Architecture:
    size = {"layers": layers}
    codes = sample_uniformly(steps(size), 1, torch.Generator().manual_seed(seed))[0]
    return decode(codes.tolist(), steps(size), space="macro", size=size)


def test_supernet_has_the_published_parameter_count() -> None:
    supernet = Supernet(MacroSupernetConfig(), CIFAR)
    assert count(supernet) == 697_860
    assert all(count(layer) == 56_376 for layer in supernet.branches)
    assert count(supernet.reductions) == 19_152


@pytest.mark.parametrize(("separable", "parameters"), [(False, 42_559_392), (True, 30_947_424)])
def test_final_network_of_the_published_architecture(separable: bool, parameters: int) -> None:
    with torch.device("meta"):
        network = Network(MacroNetworkConfig(separable=separable), CIFAR, published("enas-macro"))
    assert count(network) == parameters
    assert count(network.stem) == 2_784
    assert count(network.head) == 3_840
    assert count(network.reductions) == 1_435_776
    assert count(network.merges) == 11_161_920


def test_published_architecture_has_the_published_operations() -> None:
    architecture = published("enas-macro")
    chosen = [operation_of(architecture, layer) for layer in range(24)]
    counts = [chosen.count(name) for name in OPERATIONS]
    assert counts == [8, 2, 9, 5, 0, 0]
    assert sum(len(skips_of(architecture, layer)) for layer in range(24)) == 98
    assert sum(layer for layer in range(24)) == 276
    assert len(encode(architecture, steps(architecture.size))) == 24 + 276


def test_reductions_come_after_the_published_layers() -> None:
    assert reduction_layers(12) == (3, 7)
    assert reduction_layers(24) == (7, 15)
    assert reduction_layers(2) == ()


@pytest.mark.parametrize("seed", range(4))
def test_each_weight_receives_gradient_exactly_when_it_is_sampled(seed: int) -> None:
    """The released code always ran the last branch; here only the sampled branch may have a gradient."""
    torch.manual_seed(0)
    supernet = Supernet(MacroSupernetConfig(layers=6, filters=4), TINY)
    architecture = draw(6, seed)
    logits = supernet(torch.randn(4, 1, 8, 8), architecture)
    (logits * torch.randn_like(logits)).sum().backward()
    for layer, branches in enumerate(supernet.branches):
        for name, branch in branches.items():
            sampled = name == operation_of(architecture, layer)
            assert all((p.grad is not None) == sampled for p in branch.parameters()), (layer, name)
    # Branches end in a ReLU of batch-normalised values, so a sampled branch cannot be dead as a whole.
    assert all(
        branch[0].weight.grad.abs().sum() > 0
        for layer, branches in enumerate(supernet.branches)
        for name, branch in branches.items()
        if name == operation_of(architecture, layer)
    )
    read_late = {(number, source) for number, source in _reductions_read(architecture)}
    for number, blocks in enumerate(supernet.reductions):
        for index, block in enumerate(blocks):
            used = (number, index - 1) in read_late
            assert all((p.grad is not None) == used for p in block.parameters()), (number, index)


def _reductions_read(architecture: Architecture) -> set[tuple[int, int]]:
    """By brute force: every read of a map from a later stage passes through all reductions in between."""
    layers = architecture.size["layers"]
    ends = reduction_layers(layers)
    read = set()
    for layer in range(layers):
        for source in (layer - 1, *skips_of(architecture, layer)):
            read |= {(number, source) for number, end in enumerate(ends) if source <= end < layer}
    return read


def test_a_different_architecture_computes_something_else() -> None:
    torch.manual_seed(0)
    supernet = Supernet(MacroSupernetConfig(layers=2, filters=4, dropout=0.0), TINY)
    images = torch.randn(8, 1, 8, 8)
    outputs = []
    for code in range(6):
        codes = [code, 0, 0]
        architecture = decode(codes, steps({"layers": 2}), space="macro", size={"layers": 2})
        outputs.append(supernet(images, architecture))
    assert all(not torch.allclose(outputs[i], outputs[j]) for i in range(6) for j in range(i))


@pytest.mark.parametrize("seed", range(5))
def test_network_in_search_form_agrees_with_the_supernet(seed: int) -> None:
    torch.manual_seed(seed)
    config = MacroSupernetConfig(layers=6, filters=6, dropout=0.0)
    supernet = Supernet(config, TINY, running_statistics=True)
    architecture = draw(6, seed)
    network = Network(MacroNetworkConfig(filters=6, form="search", dropout=0.0), TINY, architecture)
    network.stem.load_state_dict(supernet.stem.state_dict())
    network.merges.load_state_dict(supernet.merges.state_dict())
    network.reductions.load_state_dict(supernet.reductions.state_dict())
    network.head.load_state_dict(supernet.head.state_dict())
    for layer, branch in enumerate(network.operations):
        branch.load_state_dict(supernet.branches[layer][operation_of(architecture, layer)].state_dict())
    images = torch.randn(4, 1, 8, 8)
    for module in (supernet, network):
        module.train()
    torch.testing.assert_close(network(images), supernet(images, architecture))
    for module in (supernet, network):
        module.eval()
    torch.testing.assert_close(network(images), supernet(images, architecture))


def test_search_form_is_the_plain_formula() -> None:
    """A hand-written layer: batch norm of (op output + skipped map), in double precision."""
    torch.manual_seed(0)
    supernet = Supernet(MacroSupernetConfig(layers=2, filters=4, dropout=0.0), TINY).double()
    architecture = Architecture(
        "macro", {"layers": 2}, {"layer0.op": "conv3x3", "layer1.op": "avg_pool", "layer1.skips": ("stem",)}
    )
    x = torch.randn(3, 1, 8, 8, dtype=torch.float64)

    def normalise(value: torch.Tensor, norm: nn.BatchNorm2d) -> torch.Tensor:
        mean = value.mean((0, 2, 3), keepdim=True)
        variance = value.var((0, 2, 3), unbiased=False, keepdim=True)
        return (value - mean) / (variance + norm.eps).sqrt()  # scale 1 and offset 0 at the start

    convolve = nn.functional.conv2d
    stem = normalise(convolve(x, supernet.stem[0].weight, padding=1), supernet.stem[1])
    first, second = supernet.branches[0]["conv3x3"], supernet.branches[1]["avg_pool"]
    h = normalise(convolve(stem, first[0].weight), first[1]).relu()
    h = normalise(convolve(h, first[2].weight, padding=1), first[3]).relu()
    assert (first[1].eps, first[3].eps) == (1e-5, 1e-3)
    h = normalise(convolve(h, second[0].weight), second[1]).relu()
    ones = torch.ones_like(h)
    window = lambda t: nn.functional.avg_pool2d(t, 3, 1, 1) * 9  # noqa: E731
    h = normalise(window(h) / window(ones) + stem, supernet.merges[0])
    expected = h.mean((2, 3)) @ supernet.head.linear.weight.T
    torch.testing.assert_close(supernet(x, architecture), expected)


@pytest.mark.parametrize("classes", [2, 37, 1000])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [28, 32, 64, 100])
def test_any_image_size_channels_and_classes(classes: int, channels: int, side: int) -> None:
    spec = ImageSpec(channels=channels, height=side, width=side, classes=classes)
    architecture = draw(6, classes)
    images = torch.randn(2, channels, side, side)
    assert Supernet(MacroSupernetConfig(layers=6, filters=4), spec)(images, architecture).shape == (2, classes)
    assert Network(MacroNetworkConfig(filters=4), spec, architecture)(images).shape == (2, classes)


def test_unfit_sizes_and_architectures_are_refused() -> None:
    with pytest.raises(UsageError, match="--filters must be even"):
        Supernet(MacroSupernetConfig(layers=3, filters=5), TINY)
    with pytest.raises(ArchitectureError, match="'layers', 1 to 1000"):
        steps({"layers": 0})
    architecture = draw(3, 0)
    with pytest.raises(ArchitectureError, match="'layers', 1 to 1000"):
        Network(MacroNetworkConfig(), TINY, replace(architecture, size={"depth": 3}))
    with pytest.raises(ArchitectureError, match="is missing"):
        Network(MacroNetworkConfig(), TINY, replace(architecture, size={"layers": 4}))


def test_drawing_shows_every_layer_and_every_skip() -> None:
    architecture = published("enas-macro")
    graph = wiring(architecture)
    assert sum(edge.kind == "skip" for edge in graph.edges) == 98
    assert sum(node.kind == "reduction" for node in graph.nodes) == 2
    assert sum(node.kind in OPERATIONS for node in graph.nodes) == 24


def test_spaces_are_found_by_name() -> None:
    assert "macro" in names()
    assert load("macro").name == "macro"
    with pytest.raises(UsageError, match="did you mean 'macro'"):
        load("marco")
    with pytest.raises(UsageError, match="cannot load the space"):
        load("no_such_module.SPACE")
    with pytest.raises(UsageError, match=r"not an enas\.space\.Space"):
        load("os.path")
    with pytest.raises(UsageError, match="unknown published architecture"):
        published("nothing")
