"""Holding out images so that every class keeps its share.

Shapes: N images, K kept, M held out.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Int64
from torch import Tensor

Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")


def hold_out(
    labels: Int64[Tensor, " N"], counts: Sequence[int], generator: torch.Generator
) -> tuple[Int64[Tensor, " K"], Int64[Tensor, " M"]]:
    """Draw images of each class at random.

    Args:
        labels: class of each image.
        counts: how many images of each class to hold out; no more than the class has.
        generator: decides which.

    Returns:
        indices kept and indices held out, each in rising order.
    """
    held = torch.zeros(len(labels), dtype=torch.bool)
    by_class = torch.argsort(labels, stable=True)
    sizes = torch.bincount(labels, minlength=len(counts)).tolist()
    start = 0
    for size, count in zip(sizes, counts, strict=True):
        order = torch.randperm(size, generator=generator)
        held[by_class[start + order[:count]]] = True
        start += size
    return torch.nonzero(~held).flatten(), torch.nonzero(held).flatten()


def shares(sizes: Sequence[int], total: int) -> list[int]:
    """Divide `total` among classes in proportion to their sizes, by the largest remainders."""
    everything = sum(sizes)
    counts = [total * size // everything for size in sizes]
    by_remainder = sorted(range(len(sizes)), key=lambda i: (-(total * sizes[i] % everything), i))
    for i in by_remainder[: total - sum(counts)]:
        counts[i] += 1
    return counts
