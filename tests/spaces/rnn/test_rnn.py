"""The RNN space: questions, parameter counts, the cell against a plain loop, shared against own weights, regularisation."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from enas.architecture import Architecture, decode, encode
from enas.config import ControllerConfig
from enas.controller import Controller, sample_uniformly
from enas.data.text import TextSpec
from enas.decisions import choices_of, code_length, decisions
from enas.errors import ArchitectureError, UsageError
from enas.nn.language import Regularisation, Words, same_mask
from enas.spaces import load, published
from enas.spaces.rnn.cell import groups, run_cell
from enas.spaces.rnn.network import LstmNetwork, Network, RnnNetworkConfig, build_network
from enas.spaces.rnn.steps import steps
from enas.spaces.rnn.supernet import RnnSupernetConfig, Supernet
from enas.spaces.rnn.wiring import Average, Cell, cell_of, wiring

PTB = TextSpec(10_000)
ACTIVATE: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid, "identity": lambda x: x,
}  # fmt: skip
OLD = "0 0 0 1 1 2 1 2 0 2 0 5 1 1 0 6 1 8 1 8 1 8 1"
CORRECTED = {"enas-lm": "0 2 1 0 2 1 2 2 4 0 5 0 3 2 6 2", "darts-rnn": "0 2 1 1 1 1 1 3 2 0 5 2 3 0 5 1"}


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def uniform(nodes: int, seed: int, *, tanh_first: int = 0) -> Architecture:
    size = {"nodes": nodes, "tanh_first": tanh_first}
    codes = sample_uniformly(steps(size), 1, torch.Generator().manual_seed(seed))[0]
    return decode(codes.tolist(), steps(size), space="rnn", size=size)


# Questions.


def test_questions_of_the_paper_and_of_the_corrected_code() -> None:
    paper, corrected = steps({"nodes": 12, "tanh_first": 0}), steps({"nodes": 10, "tanh_first": 1})
    assert (len(paper), code_length(paper)) == (24, 23)
    assert (len(corrected), code_length(corrected)) == (19, 18)
    space = math.prod(choices_of(decision) for decision in decisions(paper))
    assert space == 4**12 * math.factorial(11)


def test_controllers_have_the_published_numbers_of_weights() -> None:
    presets = load("rnn").presets
    paper = Controller(steps({"nodes": 12, "tanh_first": 0}), presets["paper"].controller)
    corrected = Controller(steps({"nodes": 10, "tanh_first": 1}), presets["enas-lm"].controller)
    assert (parameters(paper), parameters(corrected)) == (101_000, 41_344)


@pytest.mark.parametrize("size", [{}, {"nodes": 5}, {"nodes": 1, "tanh_first": 0}, {"nodes": 3, "tanh_first": 2}])
def test_other_sizes_are_refused(size: dict[str, int]) -> None:
    with pytest.raises(ArchitectureError, match="the size of a cell is"):
        steps(size)


# Published cells.


def test_published_cells_are_the_published_codes() -> None:
    old = published("enas-rnn")
    assert encode(old, steps(old.size)) == tuple(map(int, OLD.split()))
    assert cell_of(old).averaged == (3, 4, 7, 9, 10, 11)
    swap = {0: 0, 1: 1, 2: 3, 3: 2}  # the corrected code numbers sigmoid and identity the other way round
    for name, text in CORRECTED.items():
        cell = published(name)
        codes = [int(word) for word in text.split()]
        codes[1::2] = [swap[code] for code in codes[1::2]]
        assert encode(cell, steps(cell.size)) == tuple(codes)
    assert cell_of(published("enas-lm")).averaged == (7, 8)
    assert cell_of(published("enas-lm"), "all").averaged == tuple(range(1, 9))


@pytest.mark.parametrize(
    ("name", "width", "count"),
    [("enas-rnn", 748, 22_027_104), ("enas-lm", 800, 20_800_000), ("enas-lm", 850, 22_950_000)],
)
def test_networks_have_the_published_numbers_of_weights(name: str, width: int, count: int) -> None:
    with torch.device("meta"):
        assert parameters(build_network(RnnNetworkConfig(width=width), PTB, published(name))) == count


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


# The cell.


def plain(
    cell: Cell,
    projected: Tensor,
    hidden: Tensor,
    mask: Tensor | None,
    weights: Sequence[Tensor],
    longest: float | None = None,
) -> Tensor:
    outputs = []
    for here in projected:
        states: list[Tensor] = []
        for operation, source, weight in zip(cell.operations, cell.sources, weights, strict=True):
            before = hidden if source < 0 else states[source]
            product = (before if mask is None else before * mask) @ weight + (here if source < 0 else 0)
            value, gate = product.chunk(2, dim=1)
            states.append(before + torch.sigmoid(gate) * (ACTIVATE[operation](value) - before))
        hidden = torch.stack([states[i] for i in cell.averaged]).mean(0)
        if longest is not None:
            hidden = hidden * (longest / hidden.norm(dim=1, keepdim=True)).clamp(max=1)
        outputs.append(hidden)
    return torch.stack(outputs)


def inputs(cell: Cell, places: int = 3, batch: int = 2, width: int = 3) -> tuple[Tensor, Tensor, list[Tensor]]:
    draw = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw, dtype=torch.double).requires_grad_()

    return normal(places, batch, 2 * width), normal(batch, width), [normal(width, 2 * width) for _ in cell.operations]


MASK = torch.tensor([[1.0, 0.0, 2.0], [2.0, 1.0, 0.0]], dtype=torch.double)
CELLS = [
    published("enas-rnn"),
    published("enas-lm"),
    published("darts-rnn"),
    uniform(6, 0),
    uniform(9, 1),
    uniform(2, 2),
]


@pytest.mark.parametrize("longest", [None, 0.7])
@pytest.mark.parametrize("mask", [None, MASK])
@pytest.mark.parametrize("average", ["loose_ends", "all"])
@pytest.mark.parametrize("number", range(len(CELLS)))
def test_the_cell_is_a_plain_loop_forwards_and_backwards(
    number: int, average: Average, mask: Tensor | None, longest: float | None
) -> None:
    cell = cell_of(CELLS[number], average)
    projected, hidden, weights = inputs(cell)
    expected = plain(cell, projected, hidden, mask, weights, longest)
    found = run_cell(cell, projected, hidden, mask, weights, longest=longest)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    with torch.no_grad():
        torch.testing.assert_close(run_cell(cell, projected, hidden, mask, weights, longest=longest), found)
    slope = torch.randn(found.shape, generator=torch.Generator().manual_seed(1), dtype=torch.double)
    wanted = torch.autograd.grad(expected, (projected, hidden, *weights), slope)
    grads = torch.autograd.grad(found, (projected, hidden, *weights), slope)
    torch.testing.assert_close(grads, wanted, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("longest", [None, 0.7])
def test_numerical_gradient_of_the_cell(longest: float | None) -> None:
    cell = cell_of(uniform(5, 4))
    projected, hidden, weights = inputs(cell)

    def run(projected: Tensor, hidden: Tensor, *weights: Tensor) -> Tensor:
        return run_cell(cell, projected, hidden, MASK, weights, longest=longest)

    assert torch.autograd.gradcheck(run, (projected, hidden, *weights))


def test_groups_share_a_predecessor_and_come_in_order() -> None:
    cell = cell_of(published("enas-rnn"))
    found = groups(cell)
    assert [group.source for group in found] == [-1, 0, 1, 2, 5, 6, 8]
    assert sorted(node for group in found for node in group.members) == list(range(12))
    (three,) = (group for group in found if group.source == 2)
    assert three.members == (3, 4, 5)
    assert three.runs == (("relu", 0, 1), ("tanh", 1, 3))


# Supernet and network.

SMALL = RnnSupernetConfig(nodes=4, width=6, weight_range=0.5)
SPEC = TextSpec(11)
TOKENS = torch.randint(11, (5, 3), generator=torch.Generator().manual_seed(3))


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


def test_windows_with_the_carried_state_are_one_text() -> None:
    for network in (
        Network(RnnNetworkConfig(width=6), SPEC, uniform(4, 7)),
        LstmNetwork(RnnNetworkConfig(width=6), SPEC),
    ):
        whole = network(TOKENS)
        first = network(TOKENS[:2])
        second = network(TOKENS[2:], first.hidden)
        torch.testing.assert_close(torch.cat([first.features, second.features]), whole.features)


def test_there_is_no_batch_norm() -> None:
    with pytest.raises(UsageError, match="has no batch norm"):
        Supernet(SMALL, SPEC, running_statistics=True)


def test_the_yardstick_is_an_lstm() -> None:
    network = build_network(RnnNetworkConfig(width=6, drop_hidden=0.5), SPEC, published("lstm"))
    assert parameters(network) == 11 * 6 + 8 * 6 * 6 + 8 * 6
    network.eval()
    assert torch.equal(network(TOKENS).logits(), network(TOKENS).logits())
    network.train()
    assert not torch.equal(network(TOKENS).logits(), network(TOKENS).logits())
    assert wiring(published("lstm")).nodes


# Regularisation.

OFF = Regularisation(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def test_a_mask_is_the_same_at_all_places_and_keeps_the_mean() -> None:
    x = torch.ones(4, 50, 40)
    mask = same_mask(x, 0.25, training=True)
    assert mask is not None
    assert mask.shape == (50, 40)
    assert mask.unique().tolist() == pytest.approx([0.0, 4 / 3])
    assert mask.mean().item() == pytest.approx(1.0, abs=0.1)
    assert same_mask(x, 0.25, training=False) is None
    assert same_mask(x, 0.0, training=True) is None


def test_dropped_words_are_dropped_wherever_they_recur() -> None:
    tokens = torch.arange(40).repeat(2)[:, None].expand(-1, 8)
    words = Words(40, 3, 0.1, replace(OFF, drop_word=0.5))
    gone = (words.embed(tokens) == 0).all(2)
    assert torch.equal(gone[:40], gone[40:])
    assert 0.3 < gone.float().mean() < 0.7
    assert len({tuple(column.tolist()) for column in gone.t()}) == 8, "each text drops words of its own"
    shared = Words(40, 3, 0.1, replace(OFF, drop_embedding=0.5))
    gone = (shared.embed(tokens) == 0).all(2)
    assert torch.equal(gone, gone[:, :1].expand_as(gone))
    assert 0 < gone.sum() < gone.numel()
    assert not (shared.eval().embed(tokens) == 0).all(2).any()


def test_penalties_are_mean_squares_in_training_only() -> None:
    output = torch.randn(5, 3, 4)
    words = Words(7, 4, 0.1, replace(OFF, activation_penalty=2.0, temporal_penalty=3.0, drop_output=0.5))
    found = words.predict(output, output[-1])
    assert found.penalty is not None
    change = (output[1:] - output[:-1]).square().mean()
    expected = 2 * found.features.square().mean() + 3 * change
    torch.testing.assert_close(found.penalty, expected)
    assert not torch.equal(found.features, output)
    quiet = words.eval().predict(output, output[-1])
    assert quiet.penalty is None
    assert torch.equal(quiet.features, output)


def test_hidden_states_are_dropped_in_training_only() -> None:
    network = Network(RnnNetworkConfig(width=6, drop_hidden=0.5, weight_range=0.5), SPEC, uniform(4, 8))
    assert not torch.equal(network(TOKENS).features, network(TOKENS).features)
    network.eval()
    assert torch.equal(network(TOKENS).features, network(TOKENS).features)


# Drawing.


def test_the_drawing_shows_every_node_and_edge() -> None:
    graph = wiring(published("enas-rnn"))
    labels = {node.label for node in graph.nodes}
    assert {"x[t]", "h[t-1]", "0: tanh", "2: ReLU", "11: ReLU", "mean", "h[t]"} <= labels
    edges = {(edge.source, edge.target) for edge in graph.edges}
    assert {("x", "node0"), ("h", "node0"), ("node8", "node9"), ("node3", "mean"), ("mean", "out")} <= edges
    assert len(edges) == 2 + 11 + 6 + 1


def test_a_controller_learns_nothing_of_the_lstm() -> None:
    with pytest.raises(UsageError, match="asks no question"):
        Controller(steps({"lstm": 1}), ControllerConfig())
