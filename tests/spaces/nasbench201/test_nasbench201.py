"""The NAS-Bench-201 space: published parameter counts, which weights are used, agreement of its networks, strings."""

import itertools
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from enas.architecture import Architecture, decode
from enas.controller import sample_uniformly
from enas.data.images import ImageSpec
from enas.errors import ArchitectureError
from enas.spaces import load
from enas.spaces.nasbench201.network import NasBench201NetworkConfig, Network
from enas.spaces.nasbench201.steps import EDGES, OPERATIONS, SIZE, question, steps
from enas.spaces.nasbench201.strings import read_string, write_string
from enas.spaces.nasbench201.supernet import NasBench201SupernetConfig, Reduction, Supernet
from enas.spaces.nasbench201.wiring import Link, links_of, live, wiring

CIFAR = ImageSpec(channels=3, height=32, width=32, classes=10)
TINY = ImageSpec(channels=1, height=8, width=8, classes=4)
SMALL = NasBench201SupernetConfig(filters=4, cells=2)
SMALL_NETWORK = NasBench201NetworkConfig(filters=4, cells=2)
SKIPS = "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|"
CONVOLUTIONS = SKIPS.replace("skip_connect", "nor_conv_3x3")
MIXED = "|nor_conv_1x1~0|+|avg_pool_3x3~0|nor_conv_3x3~1|+|none~0|skip_connect~1|nor_conv_3x3~2|"
CUT = "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|nor_conv_1x1~2|"
"""Node 1 reaches nothing, and node 2 is zero."""


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def draw(seed: int) -> Architecture:
    codes = sample_uniformly(steps(SIZE), 1, torch.Generator().manual_seed(seed))[0]
    return decode(codes.tolist(), steps(SIZE), space="nasbench201", size=SIZE)


@pytest.mark.parametrize(("text", "parameters"), [(SKIPS, 73_306), (CONVOLUTIONS, 1_531_546)])
def test_smallest_and_largest_network_have_the_published_parameter_counts(text: str, parameters: int) -> None:
    """Range of the benchmark's table for CIFAR-10: 0.073306 to 1.531546 million."""
    with torch.device("meta"):
        assert count(Network(NasBench201NetworkConfig(), CIFAR, read_string(text))) == parameters


@pytest.mark.parametrize("seed", range(5))
def test_parameter_count_is_the_closed_form(seed: int) -> None:
    """Five cells of 16, 32 and 64 channels; an edge with a k x k convolution has k * k * c * c + 2 c weights."""
    architecture = draw(seed)
    chosen = [link.op for link in links_of(architecture)]
    per_edge = {k: 5 * sum(k * k * c * c + 2 * c for c in (16, 32, 64)) for k in (1, 3)}
    assert per_edge == {1: 28_000, 3: 243_040}
    expected = 73_306 + sum(per_edge[int(op[-1])] for op in chosen if op.startswith("nor"))
    with torch.device("meta"):
        assert count(Network(NasBench201NetworkConfig(), CIFAR, architecture)) == expected


def normalised(value: Tensor) -> Tensor:
    mean, variance = value.mean((0, 2, 3), keepdim=True), value.var((0, 2, 3), unbiased=False, keepdim=True)
    return (value - mean) / (variance + 1e-5).sqrt()  # scale 1 and offset 0 at the start


def test_cell_is_the_plain_formula() -> None:
    torch.manual_seed(0)
    network = Network(SMALL_NETWORK, TINY, read_string(MIXED)).double()
    cell = network.stack.cells[0]
    x = torch.randn(3, 4, 6, 6, dtype=torch.float64)

    def convolve(value: Tensor, target: int, source: int, op: str) -> Tensor:
        weight = cell.convolutions[f"{target}_{source}_{op}"][0].weight
        return normalised(F.conv2d(value.relu(), weight, padding=weight.shape[-1] // 2))

    first = convolve(x, 1, 0, "nor_conv_1x1")
    pooled = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    second = pooled + convolve(first, 2, 1, "nor_conv_3x3")
    torch.testing.assert_close(cell(x, network.links), first + convolve(second, 3, 2, "nor_conv_3x3"))


def test_reduction_is_the_plain_formula() -> None:
    torch.manual_seed(0)
    block = Reduction(3, running=True).double()
    x = torch.randn(2, 3, 6, 6, dtype=torch.float64)
    y = normalised(F.conv2d(x.relu(), block.first.weight, stride=2, padding=1)).relu()
    y = normalised(F.conv2d(y, block.second.weight, padding=1))
    torch.testing.assert_close(block(x), y + F.conv2d(F.avg_pool2d(x, 2, 2), block.shortcut.weight))


def test_a_cut_cell_is_the_sum_with_zeros() -> None:
    """Node 2 is zero, so the convolution behind it gives the offset of its batch norm; node 1 is not computed at all."""
    torch.manual_seed(0)
    network = Network(SMALL_NETWORK, TINY, read_string(CUT))
    cell, x = network.stack.cells[0], torch.randn(2, 4, 6, 6)
    norm = cell.convolutions["3_2_nor_conv_1x1"][1]
    with torch.no_grad():
        norm.bias.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    torch.testing.assert_close(cell(x, network.links), x + norm.bias[:, None, None])
    nothing = Network(
        SMALL_NETWORK, TINY, read_string(CUT.replace("skip_connect", "none").replace("nor_conv_1x1", "none"))
    )
    assert nothing.stack.cells[0](x, nothing.links).abs().sum() == 0
    assert nothing(torch.randn(2, 1, 8, 8)).isfinite().all()


def test_live_links_are_those_on_a_way_to_the_output() -> None:
    """Against all ways by brute force; from a node without input only a convolution carries something."""
    for seed in range(200):
        links = links_of(draw(seed))
        there = {(link.source, link.target): link for link in links if link.op != "none"}
        expected = set()
        for node in range(1, 4):  # every way that ends at node 3, from whichever node on
            for path in itertools.chain.from_iterable(itertools.combinations(range(node), n) for n in range(4)):
                way = [*path, node] if node == 3 else [*path, node, 3]
                hops = [hop for hop in itertools.pairwise(way)]
                carries = hops and (way[0] == 0 or (hops[0] in there and there[hops[0]].has_weights))
                if carries and all(hop in there for hop in hops):
                    expected |= {there[hop] for hop in hops}
        assert set(live(links)) == expected, links


@pytest.mark.parametrize("text", [MIXED, CUT, SKIPS, CONVOLUTIONS])
def test_each_weight_receives_gradient_exactly_when_it_is_sampled(text: str) -> None:
    torch.manual_seed(0)
    supernet = Supernet(SMALL, TINY)
    links = links_of(read_string(text))
    logits = supernet(torch.randn(4, 1, 8, 8), read_string(text))
    (logits * torch.randn_like(logits)).sum().backward()
    used = {f"{link.target}_{link.source}_{link.op}" for link in live(links)}
    for cell in supernet.stack.cells:
        assert len(cell.convolutions) == 12
        for name, module in cell.convolutions.items():
            assert all((p.grad is not None) == (name in used) for p in module.parameters()), name
    always = (supernet.stack.stem, supernet.stack.reductions, supernet.stack.norm, supernet.stack.linear)
    assert all(p.grad is not None for part in always for p in part.parameters())


@pytest.mark.parametrize("seed", range(4))
def test_network_agrees_with_the_supernet(seed: int) -> None:
    torch.manual_seed(seed)
    supernet, architecture = Supernet(SMALL, TINY, running_statistics=True), draw(seed)
    network = Network(SMALL_NETWORK, TINY, architecture)
    weights = supernet.state_dict()
    network.load_state_dict({key: weights[key] for key in network.state_dict()})
    images = torch.randn(4, 1, 8, 8)
    for mode in (True, False):
        supernet.train(mode)
        network.train(mode)
        torch.testing.assert_close(network(images), supernet(images, architecture))


@pytest.mark.parametrize("side", [28, 33, 9, 1])
def test_any_image_size(side: int) -> None:
    spec = ImageSpec(channels=3, height=side, width=side, classes=7)
    images = torch.randn(2, 3, side, side)
    assert Network(SMALL_NETWORK, spec, read_string(MIXED))(images).shape == (2, 7)
    assert Supernet(replace(SMALL, stem_stride=2), spec)(images, read_string(MIXED)).shape == (2, 7)


def test_strings_are_read_and_written() -> None:
    architecture = read_string(MIXED)
    assert architecture.choices["node2.from0.op"] == "avg_pool_3x3"
    assert Architecture.from_json(architecture.to_json()) == architecture
    strings = load("nasbench201").strings
    assert strings is not None
    texts = {strings.write(draw(seed)) for seed in range(300)}
    assert len(texts) > 280
    assert all(strings.write(strings.read(text)) == text for text in (*texts, MIXED))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SKIPS.replace("skip_connect~2", "skip_connect~1"), "has the form"),
        (SKIPS[:-1], "has the form"),
        (SKIPS[1:], "has the form"),
        (SKIPS + "+|none~0|", "has the form"),
        (SKIPS.replace("|skip_connect~0|+", "|skip_connect~0||+", 1), "has the form"),
        (SKIPS.replace("skip_connect~0", "skip_connect", 1), "has the form"),
        ("", "has the form"),
        ("++", "has the form"),
        (SKIPS.replace("skip_connect", "skip", 1), "'skip' is no operation of NAS-Bench-201"),
    ],
)
def test_other_strings_are_refused(text: str, message: str) -> None:
    with pytest.raises(ArchitectureError, match=message):
        read_string(text)


def test_other_sizes_and_choices_are_refused() -> None:
    with pytest.raises(ArchitectureError, match="'nodes', 4, not"):
        steps({"nodes": 5})
    wrong = read_string(MIXED)
    wrong = replace(wrong, choices={**wrong.choices, question(1, 0): "conv3x3"})
    with pytest.raises(ArchitectureError, match="conv3x3"):
        Network(SMALL_NETWORK, TINY, wrong)
    with pytest.raises(ArchitectureError, match="conv3x3"):
        write_string(wrong)


def test_drawing_shows_each_edge_with_its_operation() -> None:
    graph = wiring(read_string(MIXED))
    assert [(edge.source, edge.target, edge.label) for edge in graph.edges] == [
        (f"node{link.source}", f"node{link.target}", link.op.replace("_", " ")) for link in links_of(read_string(MIXED))
    ]
    assert [Link(*edge, OPERATIONS[0]).has_weights for edge in EDGES] == [False] * 6
