"""How sure a number is: intervals and ranks, in NumPy and the standard library."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist


def wilson_interval(right: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a proportion, both ends in [0, 1].

    Source: E. B. Wilson (1927), Probable inference, the law of succession, and statistical
    inference, JASA 22(158), 209-212.

    Args:
        right: number of successes.
        n: number of trials, at least one.
        confidence: share of such intervals that hold the true proportion.

    >>> [round(100 * end, 2) for end in wilson_interval(38065, 50000)]
    [75.75, 76.5]
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = right / n
    centre = share + z * z / (2 * n)
    margin = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - margin) / scale), min(1.0, (centre + margin) / scale)


def competition_ranks(scores: Sequence[float]) -> list[int]:
    """Rank of each score, highest first; equal scores share a rank and leave a gap after it.

    >>> competition_ranks([70.0, 80.0, 70.0, 60.0])
    [2, 1, 2, 4]
    """
    place = {score: n for n, score in reversed(list(enumerate(sorted(scores, reverse=True), 1)))}
    return [place[score] for score in scores]
