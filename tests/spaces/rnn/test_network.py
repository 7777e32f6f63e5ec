"""The network of an RNN architecture and the LSTM: numbers of weights, the carried state, dropped states."""

import pytest
import torch

from enas.spaces import published
from enas.spaces.rnn.network import LstmNetwork, Network, RnnNetworkConfig, build_network
from enas.spaces.rnn.wiring import wiring

from .examples import PTB, SPEC, TOKENS, parameters, uniform


@pytest.mark.parametrize(
    ("name", "width", "count"),
    [("enas-rnn", 748, 22_027_104), ("enas-lm", 800, 20_800_000), ("enas-lm", 850, 22_950_000)],
)
def test_networks_have_the_published_numbers_of_weights(name: str, width: int, count: int) -> None:
    with torch.device("meta"):
        assert parameters(build_network(RnnNetworkConfig(width=width), PTB, published(name))) == count


def test_windows_with_the_carried_state_are_one_text() -> None:
    for network in (
        Network(RnnNetworkConfig(width=6), SPEC, uniform(4, 7)),
        LstmNetwork(RnnNetworkConfig(width=6), SPEC),
    ):
        whole = network(TOKENS)
        first = network(TOKENS[:2])
        second = network(TOKENS[2:], first.hidden)
        torch.testing.assert_close(torch.cat([first.features, second.features]), whole.features)


def test_the_yardstick_is_an_lstm() -> None:
    network = build_network(RnnNetworkConfig(width=6, drop_hidden=0.5), SPEC, published("lstm"))
    assert parameters(network) == 11 * 6 + 8 * 6 * 6 + 8 * 6
    network.eval()
    assert torch.equal(network(TOKENS).logits(), network(TOKENS).logits())
    network.train()
    assert not torch.equal(network(TOKENS).logits(), network(TOKENS).logits())
    assert wiring(published("lstm")).nodes


def test_hidden_states_are_dropped_in_training_only() -> None:
    network = Network(RnnNetworkConfig(width=6, drop_hidden=0.5, weight_range=0.5), SPEC, uniform(4, 8))
    assert not torch.equal(network(TOKENS).features, network(TOKENS).features)
    network.eval()
    assert torch.equal(network(TOKENS).features, network(TOKENS).features)
