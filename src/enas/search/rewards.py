"""Scores of sampled architectures during a search: for the controller's rewards, for the log, for rank correlations."""

from typing import Final

import torch
from torch import Tensor

from enas.controller import sample_uniformly
from enas.search.scoring import score, sharing
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
    if not config.share_reward_batch:
        return [_score_all(state, row[None], [_draw(state)], {})[0] for row in codes]
    batch, known = fixed or (_draw(state), {})
    return _score_all(state, codes, [batch], known)


def _draw(state: Search) -> Batch:
    return state.objects.task.random_batch("valid", state.config.reward_batch_size, state.generator)


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
        name: {"codes": codes.tolist(), "scores": _score_all(state, codes, batches, known)}
        for name, codes in drawn.items()
    }
    return {"examples": sum(len(batch) for batch in batches), **scored}


def _score_all(state: Search, codes: Tensor, batches: list[Batch], known: Known) -> list[float]:
    """Score what is not known yet, in lexicographic order: neighbours in it have most in common."""
    keys = [tuple(row) for row in codes.tolist()]
    with sharing(state.scored):
        for key in sorted(set(keys) - known.keys()):
            known[key] = score(state.scored, state.objects.decoder(torch.tensor(key)), batches, state.objects.task)
    return [known[key] for key in keys]
