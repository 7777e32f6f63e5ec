"""How well one ranking agrees with another: rank correlations, and how many of the best are found."""

import math
from collections.abc import Sequence


def kendall(first: Sequence[float], second: Sequence[float]) -> float:
    """Kendall's tau-b, in [-1, 1]: 1 for the same order, 0 for unrelated orders; ties are allowed for.

    It is nan for fewer than three pairs, and where one side has a single value: nothing is ordered then.
    """
    if not _are_ordered(first, second):
        return math.nan
    from scipy.stats import kendalltau  # takes a second: only rankings pay for it

    return float(kendalltau(first, second, variant="b").statistic)


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's rho, in [-1, 1]: the correlation of the ranks; nan as in `kendall`."""
    if not _are_ordered(first, second):
        return math.nan
    from scipy.stats import spearmanr

    return float(spearmanr(first, second).statistic)


def precision_at_top(scores: Sequence[float], truth: Sequence[float], k: int) -> float:
    """Share of the k architectures with the best scores that are among the k with the best truth; more is better on both sides.

    Ties at the border count by the share that falls among the k on average, so that the order of the list does not matter.

    Raises:
        ValueError: k is not between 1 and the number of architectures.
    """
    if not 1 <= k <= len(scores):
        raise ValueError(f"k must be between 1 and {len(scores)}, got {k}")
    return sum(a * b for a, b in zip(_among_top(scores, k), _among_top(truth, k), strict=True)) / k


def _among_top(values: Sequence[float], k: int) -> list[float]:
    """The probability of each to be among the k greatest when ties are broken by chance."""
    border = sorted(values, reverse=True)[k - 1]
    above = sum(value > border for value in values)
    share = (k - above) / sum(value == border for value in values)
    return [1.0 if value > border else share if value == border else 0.0 for value in values]


def _are_ordered(first: Sequence[float], second: Sequence[float]) -> bool:
    return len(first) >= 3 and len(set(first)) > 1 and len(set(second)) > 1
