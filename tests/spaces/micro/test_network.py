"""The network of a micro architecture: published numbers, agreement with the supernet, drop-path, sizes, export."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from enas.bounds import check
from enas.data.images import ImageSpec
from enas.errors import ArchitectureError, UsageError
from enas.space import FollowsProgress
from enas.spaces import published
from enas.spaces.micro.network import MicroNetworkConfig, Network
from enas.spaces.micro.steps import CELLS
from enas.spaces.micro.supernet import MicroSupernetConfig, Supernet
from enas.spaces.micro.wiring import (
    cell_of,
)
from enas.tasks.images import WithAuxiliary

from .examples import CIFAR, PAPER, TINY, count, draw


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


def test_darts_cells_join_all_their_nodes() -> None:
    architecture = published("darts-v1")
    for name in CELLS:
        assert cell_of(architecture, name).ends == (2, 3, 4, 5)
    separable = [side.op for sides in cell_of(architecture, "normal").nodes for side in sides]
    assert separable.count("sep3x3") == 5
    assert separable.count("identity") == 3
    assert Network(MicroNetworkConfig(layers=3, filters=2), TINY, architecture)(torch.randn(2, 1, 8, 8))


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
