"""Search: shared weights and controller are trained in turns, then an architecture is derived."""

from enas.callable import make_callable

make_callable(__name__)
