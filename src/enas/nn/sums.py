"""Sums of maps."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

Map = Float[Tensor, "B C H W"]


def add(first: Map, others: Sequence[Map]) -> Map:
    """The sum of maps, with one new map in memory however many there are."""
    total = first
    for value in others:
        total = total + value if total is first else total.add_(value)
    return total
