"""Scores of sampled architectures during a search: for the controller's rewards, for the log, for rank correlations."""

from typing import Final

import torch
from torch import Tensor

from enas.controller import sample_uniformly
from enas.search.scoring import score
from enas.search.state import Search
from enas.tasks.task import Batch

PROBE_SEED: Final = 0
"""Of the uniform probes: one for all searches, so that each of these architectures is trained or looked up once."""
Known = dict[tuple[int, ...], float]


def measure(state: Search, codes: Tensor) -> list[float]:
    """The task's metric for each architecture on a random validation batch: one for all of them, or one each.

    With `fix_reward_batch` it is one for the whole epoch, and what was scored on it before is remembered.
    """
    config, fixed = state.config, None
    if config.fix_reward_batch:
        fixed = _batch_of_epoch(state)
    batch, known = fixed or (None, {})
    scores: list[float] = []
    for row in codes:
        if batch is None or not config.share_reward_batch:
            batch = state.objects.task.random_batch("valid", config.reward_batch_size, state.generator)
            known = {}
        scores.append(_score_once(state, row, [batch], known))
    return scores


def _batch_of_epoch(state: Search) -> tuple[Batch, Known]:
    """The reward batch of the epoch under way, drawn from its own seed so that it is the same after an interruption."""
    seed = state.position.order_seed + 2
    if state.fixed_batch is None or state.fixed_batch[0] != seed:
        generator = torch.Generator().manual_seed(seed)
        batch = state.objects.task.random_batch("valid", state.config.reward_batch_size, generator)
        state.fixed_batch = (seed, batch, {})
    return state.fixed_batch[1:]


def probe(state: Search) -> dict[str, object]:
    """Score uniform architectures, the same after every epoch of every search, and others that the policy samples now.

    Returns:
        The line of `probes.jsonl`: the number of examples, and for "uniform" and "policy" codes and scores; random search has
        no policy.
    """
    config, objects = state.config, state.objects
    n = config.probe_samples
    drawn = {"uniform": sample_uniformly(objects.decoder.steps, n, torch.Generator().manual_seed(PROBE_SEED))}
    if config.derive_from == "policy":
        with torch.no_grad():
            drawn["policy"] = objects.controller(n, generator=torch.Generator().manual_seed(config.seed + 2)).codes
    batches = list(objects.task.scoring_batches("valid", config.reward_batch_size, config.probe_examples))
    known: Known = {}
    scored = {
        name: {"codes": codes.tolist(), "scores": [_score_once(state, row, batches, known) for row in codes]}
        for name, codes in drawn.items()
    }
    return {"examples": sum(len(batch) for batch in batches), **scored}


def _score_once(state: Search, row: Tensor, batches: list[Batch], known: Known) -> float:
    key = tuple(row.tolist())
    if key not in known:
        known[key] = score(state.scored, state.objects.decoder(row), batches, state.objects.task)
    return known[key]
