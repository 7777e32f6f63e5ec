"""Data sets: reading, splitting, caching and augmenting them."""
