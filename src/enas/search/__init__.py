"""Search: shared weights and controller are trained in turns, then an architecture is derived."""
