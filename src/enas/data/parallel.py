"""Work on many files at once, in order and in little memory."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_chunks(function: Callable[[Sequence[T]], R], items: Sequence[T], size: int) -> Iterator[tuple[int, R]]:
    """Call a function on consecutive pieces of a sequence, in threads, and yield the results in order.

    Args:
        function: should leave Python's lock free for most of its time.
        items: what to work on.
        size: items in a piece; only a few results for each processor wait in memory.

    Yields:
        number of items done so far, and the result of the piece.
    """
    workers = os.cpu_count() or 1
    waiting: deque[tuple[int, Future[R]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(items), size):
            piece = items[start : start + size]
            waiting.append((start + len(piece), pool.submit(function, piece)))
            if len(waiting) > 2 * workers:
                done, future = waiting.popleft()
                yield done, future.result()
        while waiting:
            done, future = waiting.popleft()
            yield done, future.result()
