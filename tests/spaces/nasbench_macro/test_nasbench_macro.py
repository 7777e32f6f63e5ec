"""The NAS-Bench-Macro space: published parameter counts, which weights are used, agreement of its networks, strings."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from enas.architecture import Architecture
from enas.data.images import ImageSpec
from enas.errors import ArchitectureError
from enas.spaces import load, names
from enas.spaces.nasbench_macro.network import NasBenchMacroNetworkConfig, Network
from enas.spaces.nasbench_macro.steps import BLOCKS, LAYERS, question, steps
from enas.spaces.nasbench_macro.strings import read_string, write_string
from enas.spaces.nasbench_macro.supernet import NasBenchMacroSupernetConfig, Supernet
from enas.spaces.nasbench_macro.wiring import block_of, wiring

CIFAR = ImageSpec(channels=3, height=32, width=32, classes=10)
TINY = ImageSpec(channels=1, height=16, width=16, classes=4)
SMALL = NasBenchMacroSupernetConfig(filters=4, features=12)
PARAMETERS = {"00000000": 387_882, "10000000": 396_298, "01000000": 415_082, "02012100": 890_666, "22222222": 2_932_586}
"""Of the published table."""
TABLE = Path(__file__).parents[4] / "shared" / "data" / "nas-bench-macro_cifar10.json"


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(("text", "parameters"), PARAMETERS.items())
def test_networks_have_the_published_parameter_counts(text: str, parameters: int) -> None:
    with torch.device("meta"):
        assert count(Network(NasBenchMacroNetworkConfig(), CIFAR, read_string(text))) == parameters


@pytest.mark.skipif(not TABLE.is_file(), reason="the published table is not here")
def test_every_count_of_the_table_is_the_sum_of_its_blocks() -> None:
    """The supernet at the benchmark's size holds each block once, so that the counts of all 6,561 networks follow."""
    with torch.device("meta"):
        supernet = Supernet(NasBenchMacroSupernetConfig(), CIFAR)
    always = count(supernet.stem) + count(supernet.head)
    blocks = [[count(layer[name]) for name in BLOCKS] for layer in supernet.blocks]
    table = json.loads(TABLE.read_text())
    assert len(table) == 3**LAYERS
    for text, entry in table.items():
        assert always + sum(layer[int(digit)] for layer, digit in zip(blocks, text, strict=True)) == entry["params"]


def test_network_is_the_plain_formula() -> None:
    """A hand-written network with one block of each kind at a stage's start and within it, in double precision."""
    torch.manual_seed(0)
    network = Network(NasBenchMacroNetworkConfig(filters=4, features=12), TINY, read_string("01000220")).double()
    x = torch.randn(3, 1, 16, 16, dtype=torch.float64)

    def unit(value: Tensor, layers: nn.Sequential, at: int, *, stride: int = 1, groups: int = 1) -> Tensor:
        weight, norm = layers[at].weight, layers[at + 1]
        value = nn.functional.conv2d(value, weight, stride=stride, padding=weight.shape[-1] // 2, groups=groups)
        mean, variance = value.mean((0, 2, 3), keepdim=True), value.var((0, 2, 3), unbiased=False, keepdim=True)
        return (value - mean) / (variance + norm.eps).sqrt()  # scale 1 and offset 0 at the start

    def inverted(value: Tensor, layers: nn.Sequential, wide: int) -> Tensor:
        value = unit(value, layers, 0).relu()
        return unit(unit(value, layers, 2, groups=wide).relu(), layers, 4)

    blocks = network.blocks
    h = unit(x, network.stem, 0).relu()
    h = unit(h, blocks[0], 0, stride=2)
    h = h + inverted(h, blocks[1].layers, 3 * 8)
    h = unit(h, blocks[2], 0, stride=2)
    wide = unit(unit(h, blocks[5].layers, 0).relu(), blocks[5].layers, 2, stride=2, groups=6 * 16).relu()
    h = unit(wide, blocks[5].layers, 4)
    h = h + inverted(h, blocks[6].layers, 6 * 32)
    assert [layers.layers[2].kernel_size for layers in (blocks[1], blocks[5], blocks[6])] == [(3, 3), (5, 5), (5, 5)]
    h = unit(h, nn.Sequential(network.head.conv, network.head.norm), 0).relu().mean((2, 3))
    torch.testing.assert_close(network(x), h @ network.head.linear.weight.T + network.head.linear.bias)


@pytest.mark.parametrize("text", ["02012100", "00000000", "12121212"])
def test_each_weight_receives_gradient_exactly_when_it_is_sampled(text: str) -> None:
    torch.manual_seed(0)
    supernet = Supernet(SMALL, TINY)
    logits = supernet(torch.randn(4, 1, 16, 16), read_string(text))
    (logits * torch.randn_like(logits)).sum().backward()
    for layer, blocks in enumerate(supernet.blocks):
        for name, module in blocks.items():
            sampled = name == block_of(read_string(text), layer)
            assert all((p.grad is not None) == sampled for p in module.parameters()), (layer, name)
    assert all(p.grad is not None for part in (supernet.stem, supernet.head) for p in part.parameters())


@pytest.mark.parametrize("text", ["02012100", "22122011"])
def test_network_agrees_with_the_supernet(text: str) -> None:
    torch.manual_seed(0)
    supernet, architecture = Supernet(SMALL, TINY, running_statistics=True), read_string(text)
    network = Network(NasBenchMacroNetworkConfig(filters=4, features=12), TINY, architecture)
    network.stem.load_state_dict(supernet.stem.state_dict())
    network.head.load_state_dict(supernet.head.state_dict())
    for layer, module in enumerate(network.blocks):
        module.load_state_dict(supernet.blocks[layer][block_of(architecture, layer)].state_dict())
    images = torch.randn(4, 1, 16, 16)
    for mode in (True, False):
        supernet.train(mode)
        network.train(mode)
        torch.testing.assert_close(network(images), supernet(images, architecture))


def test_a_stem_of_stride_2_halves_every_map() -> None:
    config = replace(SMALL, stem_stride=2)
    assert count(Supernet(config, TINY)) == count(Supernet(SMALL, TINY))
    images = torch.randn(4, 1, 16, 16)
    assert Supernet(config, TINY).stem(images).shape == (4, 4, 8, 8)
    assert Supernet(config, TINY)(images, read_string("02012100")).shape == (4, 4)


@pytest.mark.parametrize("side", [28, 33, 9, 1])
def test_any_image_size(side: int) -> None:
    spec = ImageSpec(channels=3, height=side, width=side, classes=7)
    network = Network(NasBenchMacroNetworkConfig(filters=4, features=12), spec, read_string("12012102"))
    assert network(torch.randn(2, 3, side, side)).shape == (2, 7)


def test_strings_are_read_and_written() -> None:
    architecture = read_string("02012100")
    assert architecture.choices["layer1.op"] == "ir_5x5_t6"
    assert architecture.choices["layer3.op"] == "ir_3x3_t3"
    assert write_string(architecture) == "02012100"
    assert Architecture.from_json(architecture.to_json()) == architecture
    strings = load("nasbench-macro").strings
    assert strings is not None
    assert strings.write(strings.read("22222222")) == "22222222"


@pytest.mark.parametrize("text", ["0201210", "020121000", "02012103", "0201210a", "", "0201210٢"])
def test_other_strings_are_refused(text: str) -> None:
    with pytest.raises(ArchitectureError, match="8 digits from 0 to 2"):
        read_string(text)


def test_other_sizes_and_choices_are_refused() -> None:
    with pytest.raises(ArchitectureError, match="'layers', 8, not"):
        steps({"layers": 9})
    wrong = read_string("02012100")
    wrong = replace(wrong, choices={**wrong.choices, question(0): "conv3x3"})
    with pytest.raises(ArchitectureError, match="conv3x3"):
        Network(NasBenchMacroNetworkConfig(), TINY, wrong)
    with pytest.raises(ArchitectureError, match="conv3x3"):
        write_string(wrong)


def test_drawing_marks_where_the_resolution_is_halved() -> None:
    graph = wiring(read_string("02012100"))
    assert [node.label for node in graph.nodes if "1/2" in node.label] == [
        "identity, 1/2",
        "identity, 1/2",
        "ir 3x3 t3, 1/2",
    ]
    assert len(graph.edges) == len(graph.nodes) - 1


def test_a_dash_in_the_name_stands_for_an_underscore_of_the_folder() -> None:
    assert "nasbench-macro" in names()
    assert load("nasbench-macro").name == "nasbench-macro"
