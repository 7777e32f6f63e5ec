"""The RNN supernet: numbers of weights, which of them are used, and a network given them predicts the same."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from enas.errors import UsageError
from enas.spaces.rnn.network import Network, RnnNetworkConfig
from enas.spaces.rnn.supernet import RnnSupernetConfig, Supernet
from enas.spaces.rnn.wiring import cell_of

from .examples import PTB, SPEC, TOKENS, parameters, uniform

SMALL = RnnSupernetConfig(nodes=4, width=6, weight_range=0.5)


@pytest.mark.parametrize(
    ("config", "count"),
    [
        (RnnSupernetConfig(12, weights_for="edge_and_activation", width=720), 289_209_600),
        (RnnSupernetConfig(10, tanh_first=True, weights_for="edge_and_activation", width=200), 16_560_000),
        (RnnSupernetConfig(12, width=200), 2_000_000 + 160_000 + 66 * 80_000),
    ],
)
def test_supernets_have_the_published_numbers_of_weights(config: RnnSupernetConfig, count: int) -> None:
    with torch.device("meta"):
        assert parameters(Supernet(config, PTB)) == count


@pytest.mark.parametrize("weights_for", ["edge", "edge_and_activation"])
@pytest.mark.parametrize("tanh_first", [False, True])
def test_the_network_given_the_shared_weights_predicts_the_same(weights_for: Any, tanh_first: bool) -> None:
    supernet = Supernet(replace(SMALL, weights_for=weights_for, tanh_first=tanh_first, longest_state=0.3), SPEC)
    architecture = uniform(4, 5, tanh_first=int(tanh_first))
    network = Network(RnnNetworkConfig(width=6, longest_state=0.3), SPEC, architecture)
    cell = cell_of(architecture)
    with torch.no_grad():
        network.words.weight.copy_(supernet.words.weight)
        ends = [f"_{name}" if weights_for == "edge_and_activation" else "" for name in cell.operations]
        network.entry.copy_(supernet.entries[f"x_node0{ends[0]}"])
        for node, (source, end) in enumerate(zip(cell.sources, ends, strict=True)):
            name = f"node{source}_node{node}{end}" if node else f"h_node0{end}"
            network.weights[node].copy_(supernet.edges[name])
    hidden = torch.randn(3, 6)
    one, two = supernet(TOKENS, hidden, architecture), network(TOKENS, hidden)
    assert torch.equal(one.logits(), two.logits())
    assert torch.equal(one.hidden, two.hidden)
    assert one.hidden.norm(dim=1).max() <= 0.3 + 1e-6


def test_weights_get_a_gradient_exactly_where_they_are_used() -> None:
    supernet = Supernet(replace(SMALL, weights_for="edge_and_activation"), SPEC)
    architecture = uniform(4, 6)
    supernet(TOKENS, None, architecture).logits().square().sum().backward()
    cell = cell_of(architecture)
    wanted = {"words.weight", f"entries.x_node0_{cell.operations[0]}", f"edges.h_node0_{cell.operations[0]}"}
    wanted |= {f"edges.node{cell.sources[i]}_node{i}_{cell.operations[i]}" for i in range(1, 4)}
    assert {name for name, p in supernet.named_parameters() if p.grad is not None} == wanted


def test_there_is_no_batch_norm() -> None:
    with pytest.raises(UsageError, match="has no batch norm"):
        Supernet(SMALL, SPEC, running_statistics=True)
