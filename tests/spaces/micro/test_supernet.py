"""The micro supernet against the authors' graph: its number of weights, and which of them are used."""

import pytest
import torch

from enas.architecture import decode
from enas.controller import sample_uniformly
from enas.spaces.micro.network import chosen
from enas.spaces.micro.steps import steps
from enas.spaces.micro.supernet import MicroSupernetConfig, Supernet, branch_name
from enas.spaces.micro.wiring import (
    cell_name,
    cell_of,
)

from .examples import CIFAR, PAPER, TINY, count, draw


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
