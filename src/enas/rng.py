"""State of the random number generators, for checkpoints."""

from collections.abc import Mapping
from typing import Any

import torch


def rng_state(generator: torch.Generator) -> dict[str, Any]:
    """The state of a generator and of torch's own ones, as tensors."""
    state: dict[str, Any] = {"generator": generator.get_state(), "torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def restore_rng(state: Mapping[str, Any], generator: torch.Generator) -> None:
    """Put a generator and torch's own ones back into a state; that of GPUs which are not here is left out."""
    generator.set_state(state["generator"])
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available():
        for index, one in enumerate(state.get("cuda", [])[: torch.cuda.device_count()]):
            torch.cuda.set_rng_state(one, index)
