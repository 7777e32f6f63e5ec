"""Which architectures the shared weights are trained on: from the policy, uniformly, or fairly. L: code columns."""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from enas.controller import sample_uniformly
from enas.decisions import Op, Step, choices_of, columns, decisions
from enas.search.state import Search
from enas.tasks.task import Batch


def training_codes(state: Search) -> Int[Tensor, "steps M L"]:
    """Codes of all architectures of the epoch under way, M for each step; the same after an interruption."""
    position, config, controller = state.position, state.config, state.objects.controller
    steps, several = state.steps_per_epoch(), config.architectures_per_step
    generator = torch.Generator().manual_seed(position.order_seed + 1)
    how = config.warmup_sampling if position.epoch < config.warmup_epochs else config.weights_sampling
    if how == "policy":
        with torch.no_grad():
            codes = controller(steps * several, generator=generator).codes
    else:
        draw = sample_fairly if how == "fair" else sample_uniformly
        codes = draw(state.objects.decoder.steps, steps * several, generator)
    return codes.view(steps, several, -1)


def batches_with_codes(state: Search) -> Iterator[tuple[Batch, Int[Tensor, "M L"]]]:
    """The rest of this epoch's batches, each with the architectures for it; the same after an interruption."""
    position, objects = state.position, state.objects
    codes = training_codes(state)
    batches = objects.task.training_batches(
        "train",
        state.config.batch_size,
        order_seed=position.order_seed,
        generator=state.generator,
        skip=position.step,
        limit=len(codes),
    )
    return zip(batches, codes[position.step :], strict=True)


def sample_fairly(steps: Sequence[Step], n: int, generator: torch.Generator) -> Int[Tensor, "n L"]:
    """Uniform architectures in which each operation of a question with m of them comes once in every m architectures.

    With m architectures on a training batch this is the strict fairness of FairNAS (Chu, Zhang and Xu 2021); with fewer, each
    operation has its turn in as many steps as that takes. Questions for inputs and skips are answered uniformly.
    """
    parts = []
    for decision in decisions(steps):
        m = choices_of(decision)
        if isinstance(decision, Op):
            rounds = torch.rand(-(-n // m), m, generator=generator).argsort(dim=1)
            parts.append(rounds.flatten()[:n, None])
        else:
            parts.append(torch.randint(m, (n, columns(decision)), generator=generator))
    return torch.cat(parts, dim=1)
