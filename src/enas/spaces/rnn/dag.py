"""`dag.json` of a predecessor, the RNN program `carpedm20/ENAS-pytorch`: read and written.

It maps each node to the nodes that read it, as pairs of number and activation: {"-1": [[0, "tanh"]], "-2": [[0, "tanh"]],
"0": [[1, "ReLU"]], ...}. -1 is the word and -2 the state before; loose ends lead to a node "avg", and that to "h[t]".
"""

import json
from collections.abc import Mapping
from typing import Any

from enas.architecture import Architecture
from enas.errors import ArchitectureError
from enas.spaces.rnn.steps import ACTIVATIONS, is_lstm, node_name
from enas.spaces.rnn.wiring import LABELS, cell_of

_NAMES = {label.lower(): name for name, label in LABELS.items()}
"""The predecessor's names in small letters -> ours."""


def is_dag(text: str) -> bool:
    """Whether a text looks like `dag.json` rather than `architecture.json`."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(data, dict) and "format" not in data and "0" in data


def read_dag(text: str, where: str = "dag.json") -> Architecture:
    """The architecture that a `dag.json` describes.

    Args:
        text: What the file holds.
        where: Its name, for messages.

    Raises:
        ArchitectureError: it is not such a file, or a node has no or two predecessors or no known activation.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ArchitectureError(f"{where} is not valid JSON: it is damaged or no dag.json") from error
    if not isinstance(data, dict):
        raise ArchitectureError(f"{where}: expected a JSON object that maps nodes to the nodes that read them")
    nodes = _nodes(data, where)
    if sorted(nodes) != list(range(len(nodes))) or len(nodes) < 2:
        raise ArchitectureError(f"{where}: nodes must be numbered from 0 without a gap, and be two at least")
    choices: dict[str, str | tuple[str, ...]] = {}
    for node in range(len(nodes)):
        source, activation = nodes[node]
        if node:
            choices[f"{node_name(node)}.input"] = node_name(source)
        choices[f"{node_name(node)}.op"] = activation
    return Architecture("rnn", {"nodes": len(nodes), "tanh_first": 0}, choices)


def write_dag(architecture: Architecture) -> str:
    """The text of a `dag.json`.

    Raises:
        ArchitectureError: it is not a cell of the RNN space.
    """
    if architecture.space != "rnn" or is_lstm(architecture.size):
        raise ArchitectureError(f"dag.json can hold a cell of the space rnn only, not one of {architecture.space}")
    cell = cell_of(architecture)
    count = len(cell.operations)
    pairs = [[node, LABELS[operation]] for node, operation in enumerate(cell.operations)]
    dag: dict[str, list[list[Any]]] = {"-1": [pairs[0]], "-2": [pairs[0]]}
    for source in range(count):
        readers = [pairs[node] for node in range(1, count) if cell.sources[node] == source]
        dag[str(source)] = readers or [[count, "avg"]]
    dag[str(count)] = [[count + 1, "h[t]"]]
    return json.dumps(dag, indent=2) + "\n"


def _nodes(data: Mapping[str, Any], where: str) -> dict[int, tuple[int, str]]:
    """Predecessor and activation of each node."""
    found: dict[int, tuple[int, str]] = {}
    for key, readers in data.items():
        if not key.removeprefix("-").isdecimal() or not isinstance(readers, list):
            raise ArchitectureError(f"{where}: {key!r} must be a number with a list of nodes")
        source = int(key)
        for reader in readers:
            match reader:
                case [int(node), str(name)] if name in ("avg", "h[t]"):
                    continue
                case [int(node), str(name)] if name.lower() in _NAMES:
                    _add(found, node, source, _NAMES[name.lower()], where)
                case _:
                    known = ", ".join(LABELS[name] for name in ACTIVATIONS)
                    raise ArchitectureError(
                        f"{where}: {key} -> {reader!r} is not a pair of a node and an activation ({known})"
                    )
    return found


def _add(found: dict[int, tuple[int, str]], node: int, source: int, activation: str, where: str) -> None:
    if node == 0 and source in (-1, -2):
        if found.setdefault(0, (-1, activation)) != (-1, activation):
            raise ArchitectureError(f"{where}: node 0 has two activations")
        return
    if not 0 <= source < node:
        raise ArchitectureError(f"{where}: node {node} reads node {source}, which is not an earlier node")
    if node in found:
        raise ArchitectureError(f"{where}: node {node} has two predecessors; a cell's node has one")
    found[node] = (source, activation)
