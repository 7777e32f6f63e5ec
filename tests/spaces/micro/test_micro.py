"""The micro space against the authors' graph: parameter counts, which weights are used, agreement of its two networks."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from enas.architecture import Architecture, decode, encode
from enas.bounds import check
from enas.controller import Controller, sample_uniformly
from enas.data.images import ImageSpec
from enas.errors import ArchitectureError, UsageError
from enas.space import FollowsProgress
from enas.spaces import load, published
from enas.spaces.micro.network import FinalCell, MicroNetworkConfig, Network, chosen
from enas.spaces.micro.presets import PRESETS
from enas.spaces.micro.steps import CELLS, OPERATIONS, steps
from enas.spaces.micro.supernet import MicroSupernetConfig, SearchCell, Supernet, branch_name, whole
from enas.spaces.micro.wiring import (
    Cell,
    Shape,
    Side,
    auxiliary_cell,
    cell_name,
    cell_of,
    filters_at,
    reduction_cells,
    run_cell,
    run_stack,
    wiring,
)
from enas.tasks.images import WithAuxiliary

CIFAR = ImageSpec(channels=3, height=32, width=32, classes=10)
TINY = ImageSpec(channels=1, height=8, width=8, classes=4)
PAPER = PRESETS["paper"]
FIVE = {"nodes": 5, "all_nodes": 0}
NORMAL = "0 2 0 0 | 0 4 0 1 | 0 4 1 1 | 1 0 0 1 | 0 2 1 1"
REDUCTION = "1 0 1 0 | 0 3 0 2 | 1 1 3 1 | 1 0 0 4 | 0 3 1 1"
"""The authors' final script: first input, first operation, second input, second operation of each node."""


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def draw(seed: int, nodes: int = 3, all_nodes: int = 0) -> Architecture:
    size = {"nodes": nodes, "all_nodes": all_nodes}
    codes = sample_uniformly(steps(size), 1, torch.Generator().manual_seed(seed))[0]
    return decode(codes.tolist(), steps(size), space="micro", size=size)


def parsed(text: str) -> tuple[tuple[Side, Side], ...]:
    numbers = [[int(word) for word in node.split()] for node in text.split("|")]
    return tuple((Side(a, OPERATIONS[b]), Side(c, OPERATIONS[d])) for a, b, c, d in numbers)


# The controller.


def test_controller_has_the_published_parameter_count_and_untrained_entropy() -> None:
    torch.manual_seed(0)
    controller = Controller(steps(FIVE), PAPER.controller)
    assert count(controller) == 41_733
    assert len(controller.steps) == 54
    with torch.no_grad():
        sample = controller(2000, generator=torch.Generator().manual_seed(1))
    ceiling = 2 * 2 * sum(math.log(k) for k in range(2, 7)) + 20 * math.log(5)
    assert ceiling == pytest.approx(58.51, abs=0.005)
    assert sample.entropy.mean().item() == pytest.approx(57.19, abs=0.03)
    assert sample.codes.shape == (2000, 40)


def test_inner_nodes_point_only_backwards_and_every_code_can_be_drawn() -> None:
    size = {"nodes": 2, "all_nodes": 0}
    codes = sample_uniformly(steps(size), 3000, torch.Generator().manual_seed(0))
    assert (codes.amax(0) + 1).tolist() == 2 * [2, 2, 5, 5, 3, 3, 5, 5]
    for row in codes[:50].tolist():
        architecture = decode(row, steps(size), space="micro", size=size)
        assert encode(architecture, steps(size)) == tuple(row)


@pytest.mark.parametrize(
    "size",
    [{}, {"nodes": 5}, {"nodes": 0, "all_nodes": 0}, {"nodes": 5, "all_nodes": 2}, {"nodes": 101, "all_nodes": 0}],
)
def test_other_sizes_are_refused(size: dict[str, int]) -> None:
    with pytest.raises(ArchitectureError, match="'nodes', 1 to 100, and 'all_nodes', 0 or 1"):
        steps(size)


# Parameter counts.


def test_supernet_has_the_published_parameter_count() -> None:
    supernet = Supernet(PAPER.supernet, CIFAR)
    auxiliary = count(supernet.classifiers.auxiliary)
    assert auxiliary == 412_928
    assert count(supernet) - auxiliary == 5_373_140
    assert count(supernet.stack.stem) == 1_740
    assert [count(block) for block in supernet.stack.reductions] == [880, 3_360]
    for cell, filters in zip(supernet.stack.cells, (20, 20, 40, 40, 40, 80, 80, 80), strict=True):
        tables = 80 * (2 * filters**2 + 38 * filters) + 7 * filters**2 + 2 * filters
        assert count(cell) - count(cell.older) - count(cell.newer) == tables
    assert [count(cell.older) for cell in supernet.stack.cells] == [1_240, 1_240, 880, 0, 0, 3_360, 0, 0]
    assert [count(cell.newer) for cell in supernet.stack.cells] == [1_240, 0, 0, 0, 0, 0, 0, 0]


def test_final_network_of_the_published_architecture() -> None:
    network = Network(PAPER.network, CIFAR, published("enas-micro"))
    auxiliary = count(network.classifiers.auxiliary)
    assert auxiliary == 494_848
    assert count(network) - auxiliary == 3_894_372
    expected = [34_200, 36_792, *3 * [39_384], 115_488, 120_240, 133_200, *3 * [138_384]]
    assert [count(cell) for cell in network.stack.cells] == [*expected, 427_968, 442_656, 494_496, *3 * [515_232]]


def test_cells_of_the_final_network_have_the_published_shapes() -> None:
    network = Network(PAPER.network, CIFAR, published("enas-micro")).eval()
    seen = []
    for cell in network.stack.cells:
        cell.register_forward_hook(lambda module, inputs, output: seen.append(tuple(output.shape[1:])))
    with torch.no_grad():
        network(torch.randn(1, 3, 32, 32))
    assert seen == [(180, 32, 32)] * 5 + [(288, 16, 16)] + [(360, 16, 16)] * 5 + [(576, 8, 8)] + [(720, 8, 8)] * 5


def test_published_architecture_is_that_of_the_script() -> None:
    architecture = published("enas-micro")
    assert cell_of(architecture, "normal") == Cell(parsed(NORMAL), (2, 3, 4, 5, 6))
    assert cell_of(architecture, "reduction") == Cell(parsed(REDUCTION), (2, 4, 5, 6))
    assert len(encode(architecture, steps(architecture.size))) == 40


def test_darts_cells_join_all_their_nodes() -> None:
    architecture = published("darts-v1")
    for name in CELLS:
        assert cell_of(architecture, name).ends == (2, 3, 4, 5)
    separable = [side.op for sides in cell_of(architecture, "normal").nodes for side in sides]
    assert separable.count("sep3x3") == 5
    assert separable.count("identity") == 3
    assert Network(MicroNetworkConfig(layers=3, filters=2), TINY, architecture)(torch.randn(2, 1, 8, 8))


def test_places_of_reductions_and_of_the_auxiliary_classifier() -> None:
    assert reduction_cells(6) == (2, 5)
    assert reduction_cells(15) == (5, 11)
    assert (auxiliary_cell(6), auxiliary_cell(15)) == (6, 12)
    assert [filters_at(index, 6, 20) for index in range(8)] == [20, 20, 40, 40, 40, 80, 80, 80]
    assert [cell_name(index, 1) for index in range(3)] == ["reduction", "reduction", "normal"]


def stacked(layers: int, *, search: bool) -> tuple[list[tuple[str, str]], str, str]:
    """What each cell reads, and the two results, where maps are strings: a number is a cell's output, ' a reduction."""
    seen: list[tuple[str, str]] = []

    def cell(index: int, older: str, newer: str) -> str:
        seen.append((older, newer))
        return str(index)

    reduce = (lambda number, x: x + "'") if search else None
    return seen, *run_stack("s", layers=layers, reduce=reduce, cell=cell)


def test_search_cells_are_stacked_as_published() -> None:
    """A reduction's two inputs derive from one map, and the next cell reads its small input and its output."""
    first, second, rest = [("s", "s"), ("s", "0")], [("1", "1'"), ("1'", "2")], [("2", "3"), ("4", "4'"), ("4'", "5")]
    assert stacked(6, search=True) == ([*first, *second, *rest, ("5", "6")], "7", "6")


@pytest.mark.parametrize("layers", [1, 2, 3, 15])
def test_final_cells_read_the_two_outputs_before_them(layers: int) -> None:
    outputs = ["s", "s", *map(str, range(layers + 2))]
    seen, last, tapped = stacked(layers, search=False)
    assert seen == list(pairwise(outputs))[:-1]
    assert (last, tapped) == (str(layers + 1), str(auxiliary_cell(layers)))


# Which weights are used.


@pytest.mark.parametrize("all_nodes", [0, 1])
@pytest.mark.parametrize("seed", range(4))
def test_each_weight_receives_gradient_exactly_when_it_is_sampled(seed: int, all_nodes: int) -> None:
    torch.manual_seed(0)
    config = MicroSupernetConfig(layers=3, filters=4, nodes=3, all_nodes=bool(all_nodes), dropout=0.0)
    supernet = Supernet(config, TINY)
    architecture = draw(seed, all_nodes=all_nodes)
    output = supernet(torch.randn(6, 1, 8, 8), architecture)
    ((output.logits + output.auxiliary) * torch.randn(6, 4)).sum().backward()
    for index, cell in enumerate(supernet.stack.cells):
        name = cell_name(index, 3)
        wired = cell_of(architecture, name)
        sampled = {branch_name(*place) for place in chosen(wired).branches}  # every node reaches the output
        for key, branch in cell.branches.items():
            assert all((p.grad is not None) == (key in sampled) for p in branch.parameters()), (index, key)
            if key in sampled:
                assert branch.pointwise2.weight.grad.abs().sum() > 0, (index, key)
        for key, block in cell.joins.items():
            assert (block.grad is not None) == (int(key) in wired.ends), (index, key)
    assert all(p.grad is not None for p in supernet.classifiers.parameters())
    assert all(p.grad is not None for p in supernet.stack.stem.parameters())


def test_a_search_of_one_step_leaves_what_is_not_sampled_as_it_is() -> None:
    torch.manual_seed(0)
    supernet = Supernet(MicroSupernetConfig(layers=1, filters=2, nodes=2), TINY)
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    optimizer = torch.optim.SGD(supernet.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1)
    output = supernet(torch.randn(4, 1, 8, 8), draw(0, nodes=2))
    (output.logits.square().sum() + output.auxiliary.square().sum()).backward()
    optimizer.step()
    touched = {name for name, p in supernet.named_parameters() if p.grad is not None}
    assert 0 < len(touched) < len(before)
    for name, parameter in supernet.named_parameters():
        assert torch.equal(parameter, before[name]) == (name not in touched), name


@pytest.mark.parametrize("form", ["search", "final"])
def test_pools_and_relu_of_one_map_are_computed_once(form: str) -> None:
    nodes = (
        (Side(0, "avg_pool"), Side(0, "avg_pool")),
        (Side(0, "avg_pool"), Side(1, "max_pool")),
        (Side(1, "max_pool"), Side(0, "max_pool")),
        (Side(1, "sep3x3"), Side(1, "sep5x5")),
        (Side(1, "sep3x3"), Side(1, "identity")),
    )
    cell = Cell(nodes, (2, 3, 4, 5, 6))
    shape = Shape(4, 0)
    module: nn.Module
    if form == "search":
        module = SearchCell(4, shape, shape, chosen(cell), running=False)
        call = lambda x: module(x, x, cell)  # noqa: E731
    else:
        module = FinalCell(cell, 4, shape, shape, stride=1)
        call = lambda x: module(x, x, 1.0)  # noqa: E731
    with torch.profiler.profile() as profile:
        call(torch.randn(2, 4, 8, 8).contiguous(memory_format=torch.channels_last))
    calls = {event.key: event.count for event in profile.key_averages()}
    pools = calls["aten::max_pool2d"], calls["_AveragePool"]
    assert pools == (2, 1)
    # Of the map that the convolutions read; in search form of the ends that are joined besides, in final form of an input.
    assert calls["aten::relu"] == (1 + len(cell.ends) if form == "search" else 2)


# Values.


@pytest.mark.parametrize("all_nodes", [0, 1])
@pytest.mark.parametrize("seed", range(4))
def test_network_in_search_form_agrees_with_the_supernet(seed: int, all_nodes: int) -> None:
    torch.manual_seed(seed)
    config = MicroSupernetConfig(layers=3, filters=4, nodes=3, all_nodes=bool(all_nodes), dropout=0.0)
    supernet = Supernet(config, TINY, running_statistics=True)
    architecture = draw(seed, all_nodes=all_nodes)
    network = Network(MicroNetworkConfig(layers=3, filters=4, form="search", dropout=0.0), TINY, architecture)
    weights = supernet.state_dict()
    network.load_state_dict({name: weights[name] for name in network.state_dict()})
    assert count(network) < count(supernet)
    images = torch.randn(4, 1, 8, 8)
    one, other = network.train()(images), supernet.train()(images, architecture)
    torch.testing.assert_close(one.logits, other.logits, rtol=0, atol=0)
    torch.testing.assert_close(one.auxiliary, other.auxiliary, rtol=0, atol=0)
    torch.testing.assert_close(network.eval()(images), supernet.eval()(images, architecture), rtol=0, atol=0)


def normalised(value: Tensor) -> Tensor:
    mean = value.mean((0, 2, 3), keepdim=True)
    variance = value.var((0, 2, 3), unbiased=False, keepdim=True)
    return (value - mean) / (variance + 1e-5).sqrt()  # scale 1 and offset 0 at the start


def separable(block: nn.Module, x: Tensor, kernel: int, stride: int = 1) -> Tensor:
    convolve = nn.functional.conv2d
    for depthwise, pointwise, step in (
        (block.depthwise1, block.pointwise1, stride),
        (block.depthwise2, block.pointwise2, 1),
    ):
        x = convolve(x.relu(), depthwise.weight, padding=kernel // 2, groups=x.shape[1], stride=step)
        x = normalised(convolve(x, pointwise.weight))
    return x


def average(x: Tensor, stride: int = 1) -> Tensor:
    window = lambda t: nn.functional.avg_pool2d(t, 3, stride, 1) * 9  # noqa: E731
    return window(x) / window(torch.ones_like(x))


def reduced(block: nn.Module, x: Tensor) -> Tensor:
    even = nn.functional.conv2d(x[:, :, ::2, ::2], block.even.weight)
    odd = nn.functional.conv2d(x[:, :, 1::2, 1::2], block.odd.weight)
    return normalised(torch.cat([even, odd], dim=1))


EXAMPLE = Cell(
    (
        (Side(0, "sep3x3"), Side(0, "avg_pool")),
        (Side(2, "sep5x5"), Side(0, "identity")),
    ),
    (1, 3),
)


def test_search_cell_is_the_plain_formula() -> None:
    """A hand-written cell in double precision; input 0 has twice the resolution, input 1 is read by no node."""
    torch.manual_seed(0)
    cell = SearchCell(4, Shape(6, 0), Shape(4, 1), whole(2, all_nodes=False), running=False).double()
    older, newer = torch.randn(3, 6, 8, 8, dtype=torch.float64), torch.randn(3, 4, 4, 4, dtype=torch.float64)
    zero = reduced(cell.older[1], older.relu())
    two = separable(cell.branches["node2_left_map0_sep3x3"], zero, 3) + average(zero)
    three = separable(cell.branches["node3_left_map2_sep5x5"], two, 5) + zero
    convolve = nn.functional.conv2d
    joined = convolve(newer.relu(), cell.joins["1"]) + convolve(three.relu(), cell.joins["3"])
    torch.testing.assert_close(cell(older, newer, EXAMPLE), normalised(joined))


def test_final_reduction_cell_is_the_plain_formula() -> None:
    """Operations on the cell's inputs halve the resolution, inner ones do not; an unread input is reduced and joined."""
    torch.manual_seed(0)
    cell = FinalCell(EXAMPLE, 4, Shape(6, 0), Shape(4, 0), stride=2).double()
    older, newer = torch.randn(3, 6, 8, 8, dtype=torch.float64), torch.randn(3, 4, 8, 8, dtype=torch.float64)
    convolve = nn.functional.conv2d
    zero = normalised(convolve(older.relu(), cell.older[1].weight))
    one = normalised(convolve(newer.relu(), cell.newer[1][1].weight))
    two = separable(cell.operations[0][0], zero, 3, 2) + average(zero, 2)
    three = separable(cell.operations[1][0], two, 5) + reduced(cell.operations[1][1], zero)
    expected = torch.cat([reduced(cell.ends["1"], one), three], dim=1)
    torch.testing.assert_close(cell(older, newer, 1.0), expected)


def test_a_different_choice_computes_something_else() -> None:
    torch.manual_seed(0)
    supernet = Supernet(MicroSupernetConfig(layers=1, filters=4, nodes=1, dropout=0.0), TINY).eval()
    images, size = torch.randn(8, 1, 8, 8), {"nodes": 1, "all_nodes": 0}
    outputs = []
    for codes in [[0, 1, op, 0] for op in range(5)] + [[1, 1, op, 0] for op in range(5)]:
        architecture = decode(codes + codes, steps(size), space="micro", size=size)
        outputs.append(supernet(images, architecture))
    assert all(not torch.allclose(outputs[i], outputs[j]) for i in range(10) for j in range(i))


def test_same_weights_same_architecture_same_logits() -> None:
    torch.manual_seed(0)
    supernet = Supernet(MicroSupernetConfig(layers=1, filters=4, nodes=3), TINY).eval()
    images = torch.randn(4, 1, 8, 8)
    codes = sample_uniformly(steps({"nodes": 3, "all_nodes": 0}), 1, torch.Generator().manual_seed(5))[0].tolist()
    twice = [
        supernet(images, decode(codes, steps(size), space="micro", size=size))
        for size in 2 * [{"nodes": 3, "all_nodes": 0}]
    ]
    assert torch.equal(*twice)


# Drop-path and the auxiliary classifier.


def test_drop_path_follows_the_published_schedule() -> None:
    network = Network(PAPER.network, CIFAR, published("enas-micro"))
    assert isinstance(network, FollowsProgress)
    kept: list[float] = []
    for cell in network.stack.cells:
        cell.register_forward_pre_hook(lambda module, inputs: kept.append(inputs[2]))
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        network.set_progress(1.0)
        network(images)
        assert [kept[index] for index in (0, 8, 16)] == pytest.approx([0.9765, 0.7882, 0.6], abs=5e-5)
        kept.clear()
        network.set_progress(0.25)
        network(images)
        assert kept == pytest.approx([1 - 0.25 * (index + 1) / 17 * 0.4 for index in range(17)])
        kept.clear()
        network.eval()(images)
        assert kept == [1.0] * 17


def test_drop_path_drops_each_side_of_each_example_by_itself_and_never_the_identity() -> None:
    torch.manual_seed(0)
    cell = Cell(((Side(0, "avg_pool"), Side(1, "identity")),), (2,))
    module = FinalCell(cell, 2, Shape(2, 0), Shape(2, 0), stride=1)
    x = torch.randn(1, 2, 4, 4).expand(400, -1, -1, -1).contiguous()
    pooled, kept = module(x, x, 1.0) - module.newer(x), module.newer(x)
    with torch.no_grad():
        rest = module(x, x, 0.6) - kept
    factors = (rest / pooled).flatten(1)
    torch.testing.assert_close(factors, factors[:, :1].expand_as(factors), rtol=1e-3, atol=1e-3)
    assert set(factors[:, 0].mul(0.6).round(decimals=2).tolist()) == {0.0, 1.0}
    assert factors[:, 0].mean().item() == pytest.approx(1.0, abs=0.1)


def test_auxiliary_classifier_is_trained_and_only_there_in_training() -> None:
    torch.manual_seed(0)
    config = MicroNetworkConfig(layers=1, filters=4)
    network = Network(config, TINY, draw(0))
    images = torch.randn(4, 1, 8, 8)
    output = network(images)
    assert isinstance(output, WithAuxiliary)
    assert output.weight == 0.4
    assert output.auxiliary.shape == output.logits.shape == (4, 4)
    output.auxiliary.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.classifiers.auxiliary.parameters())
    assert isinstance(network.eval()(images), Tensor)
    without = Network(replace(config, auxiliary_weight=0.0), TINY, draw(0))
    assert isinstance(without(images), Tensor)
    assert count(without) == count(network) - count(network.classifiers.auxiliary)


# Sizes, errors, export, drawing.


@pytest.mark.parametrize("classes", [2, 37])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [7, 28, 32, 50])
@pytest.mark.parametrize("layers", [1, 3])
def test_any_image_size_channels_and_classes(classes: int, channels: int, side: int, layers: int) -> None:
    spec = ImageSpec(channels=channels, height=side, width=side + 3, classes=classes)
    architecture = draw(classes)
    images = torch.randn(2, channels, side, side + 3)
    supernet = Supernet(MicroSupernetConfig(layers=layers, filters=2, nodes=3), spec)
    assert supernet(images, architecture).auxiliary.shape == (2, classes)
    network = Network(MicroNetworkConfig(layers=layers, filters=3), spec, architecture)
    assert network(images).auxiliary.shape == (2, classes)
    assert network.eval()(images).shape == (2, classes)


def test_unfit_sizes_and_architectures_are_refused() -> None:
    for name in ("layers", "filters"):
        for config in (MicroSupernetConfig(), MicroNetworkConfig()):
            with pytest.raises(UsageError, match=f"--{name} must be at least 1, got 0"):
                check(replace(config, **{name: 0}))
    with pytest.raises(UsageError, match="--drop-path must be less than 1, got 1"):
        check(MicroNetworkConfig(drop_path=1.0))
    architecture = draw(0)
    with pytest.raises(ArchitectureError, match="the size of a micro cell"):
        Network(MicroNetworkConfig(), TINY, replace(architecture, size={"layers": 3}))
    with pytest.raises(ArchitectureError, match="is missing"):
        Network(MicroNetworkConfig(), TINY, replace(architecture, size={"nodes": 4, "all_nodes": 0}))
    choices = dict(architecture.choices) | {"normal.node2.left.input": "normal.node3"}
    with pytest.raises(ArchitectureError, match=r"cannot be 'normal\.node3'"):
        Network(MicroNetworkConfig(), TINY, replace(architecture, choices=choices))


@pytest.mark.parametrize("form", ["search", "final"])
def test_network_can_be_exported_as_it_is(form: str) -> None:
    torch.manual_seed(0)
    config = MicroNetworkConfig(layers=2, filters=4)
    network = Network(replace(config, form=form), TINY, draw(1)).eval()
    images = torch.randn(2, 1, 8, 8)
    exported = torch.export.export(network, (images,))
    torch.testing.assert_close(exported.module()(images), network(images))


def test_run_cell_gives_rectified_maps_to_separable_convolutions_only() -> None:
    seen = {}

    def operate(node: int, number: int, side: Side, x: Tensor) -> Tensor:
        seen[node, number] = bool((x < 0).any())
        return x

    nodes = ((Side(0, "sep3x3"), Side(0, "max_pool")), (Side(2, "identity"), Side(2, "sep5x5")))
    x = torch.randn(2, 3, 4, 4)
    run_cell(
        Cell(nodes, (1, 3)),
        x,
        x,
        operate=operate,
        combine=lambda sides, left, right: left + right,
        join=lambda ends, maps: torch.cat(list(maps), dim=1),
    )
    assert seen == {(2, 0): False, (2, 1): True, (3, 0): True, (3, 1): False}


def test_drawing_shows_both_cells_with_every_operation() -> None:
    graph = wiring(published("enas-micro"))
    assert {node.panel for node in graph.nodes} == {"Normal cell", "Reduction cell"}
    assert len(graph.nodes) == 2 * (2 + 5 + 1)
    assert sum(edge.label != "" for edge in graph.edges) == 20
    assert sum(edge.label == "" for edge in graph.edges) == 5 + 4
    alone = {"normal.node2.left.input": "normal.input0", "normal.node2.right.input": "normal.input0"}
    architecture = replace(draw(0, nodes=1), choices=dict(draw(0, nodes=1).choices) | alone)
    names = [node.name for node in wiring(architecture).nodes]
    assert "normal.input1" in names, "an input that no node reads is a loose end"
    architecture = replace(architecture, size={"nodes": 1, "all_nodes": 1})
    assert "normal.input1" not in [node.name for node in wiring(architecture).nodes]


def test_presets_fit_the_space() -> None:
    space = load("micro")
    assert set(space.presets) == {"paper", "cpu", "demo"}
    assert (PAPER.search.epochs, PAPER.train.epochs, PAPER.train_augment.cutout) == (150, 630, 16)
    for preset in space.presets.values():
        steps(space.size(preset.supernet))
