"""Parts of a supernet are computed once for the architectures that have them in common."""

import torch
from torch import Tensor

from enas.nn.once import Once


class Doubles:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, *maps: Tensor) -> Tensor:
        self.calls += 1
        return 2 * torch.stack(maps).sum(0)


def test_within_sharing_the_same_part_of_the_same_maps_is_computed_once() -> None:
    once, part, x = Once(), Doubles(), torch.ones(4)
    with torch.no_grad(), once.sharing():
        first = once(part, x)
        assert once(part, x) is first
        assert part.calls == 1
        once(part, x.clone())
        once(part, x, x)
        once(Doubles(), x)
        assert part.calls == 3
        assert once(part, first) is once(part, first)
    with torch.no_grad():
        once(part, x)
        once(part, x)
    assert part.calls == 6


def test_nothing_is_remembered_from_one_sharing_to_the_next_or_with_gradients() -> None:
    once, part, x = Once(), Doubles(), torch.ones(4)
    for _ in range(2):
        with torch.no_grad(), once.sharing():
            once(part, x)
    with once.sharing():
        once(part, x)
        once(part, x)
    assert part.calls == 4


def test_a_key_names_a_function() -> None:
    once, part, x = Once(), Doubles(), torch.ones(4)
    with torch.no_grad(), once.sharing():
        a = once(lambda *maps: part(*maps), x, key="sum")
        b = once(lambda *maps: part(*maps), x, key="sum")
        c = once(lambda *maps: part(*maps), x, key="other")
    assert a is b
    assert c is not a


def test_the_oldest_results_make_room_and_freed_maps_are_never_mistaken_for_new_ones() -> None:
    once, part = Once(), Doubles()
    with torch.no_grad(), once.sharing(most=10 * 4 * 4):  # ten maps of four numbers
        kept = torch.zeros(4)
        once(part, kept)
        for number in range(1, 200):
            once(part, kept)  # used all the time: never the oldest
            assert once(part, torch.full((4,), float(number)))[0] == 2 * number
    assert part.calls == 200


def test_a_result_larger_than_the_room_is_not_kept() -> None:
    once, part, x = Once(), Doubles(), torch.ones(400)
    with torch.no_grad(), once.sharing(most=16):
        assert once(part, x).sum() == once(part, x).sum() == 800
    assert part.calls == 2
