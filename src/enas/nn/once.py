"""What architectures have in common is computed once: parts of a supernet on one batch, while many are scored."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Final

import torch
from torch import Tensor

MOST: Final = 1 << 28
"""Bytes of results that are remembered."""


class Once:
    """Runs parts of a supernet, and within `sharing` remembers what each made of which maps.

    Architectures that begin alike share the maps up to where they part, whatever the space: a result is known by the part and
    the very tensors that it read. The oldest are forgotten, so it pays to score in an order in which neighbours are alike.
    """

    def __init__(self) -> None:
        self._most, self._bytes = 0, 0
        self._known: OrderedDict[tuple[Hashable, ...], tuple[tuple[Tensor, ...], Tensor]] = OrderedDict()

    def __call__(self, part: Callable[..., Tensor], *maps: Tensor, key: Hashable | None = None) -> Tensor:
        """What a part makes of maps.

        Args:
            part: A module, or a function with a `key`.
            maps: What it reads.
            key: Names the part among those of its supernet; None: the part itself.
        """
        if not self._most or torch.is_grad_enabled():
            return part(*maps)
        place = (part if key is None else key, *map(id, maps))
        if place in self._known:
            self._known.move_to_end(place)
            return self._known[place][1]
        result = part(*maps)
        self._known[place] = (maps, result)  # with what was read, whose ids would be given away otherwise
        self._bytes += result.nbytes
        while self._bytes > self._most:
            _, (_, oldest) = self._known.popitem(last=False)
            self._bytes -= oldest.nbytes
        return result

    @contextmanager
    def sharing(self, most: int = MOST) -> Iterator[None]:
        """Remember results, of that many bytes at most; within, weights stay as they are and the mode is evaluation."""
        self._most = most
        try:
            yield
        finally:
            self._most, self._bytes = 0, 0
            self._known.clear()
