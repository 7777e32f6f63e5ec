"""Training one architecture from scratch, and testing it."""

from enas.callable import make_callable

make_callable(__name__)
