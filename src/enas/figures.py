"""Figures as people read them."""


def shown(value: int | float, digits: int = 4) -> str:
    """A figure with so many digits after the point; from a million on in powers of ten.

    The perplexity of an untrained recurrent cell may have a hundred digits.
    """
    return f"{value:.{digits}f}" if abs(value) < 1e6 else f"{value:.3e}"
