"""Confidence intervals, tests and ranks, with NumPy and the standard library only."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, lgamma, log, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from benchmarking.pictures.intervals import wilson_interval as wilson_interval

_MOST_TERMS = 10_000
_PAIRS = 100_000  # pairs that are tested at a time
_BYTES, _ROWS = 500, 250  # parts in which packed bits are multiplied
_NOTHING = 1e-300
_SAME = 1e-14  # relative change at which a continued fraction ends


def competition_ranks(scores: Sequence[float]) -> list[int]:
    """Rank of each score, highest first; equal scores share a rank and leave a gap after it.

    >>> competition_ranks([70.0, 80.0, 70.0, 60.0])
    [2, 1, 2, 4]
    """
    place = {score: n for n, score in reversed(list(enumerate(sorted(scores, reverse=True), 1)))}
    return [place[score] for score in scores]


def sign_test(successes: int, n: int) -> float:
    """Two-sided p-value of the number of successes in n trials, if both outcomes are as likely.

    The exact binomial test: twice the smaller tail, at most one.

    >>> round(sign_test(1, 10), 9), sign_test(5, 10), sign_test(0, 0)
    (0.021484375, 1.0, 1.0)
    """
    fewer = min(successes, n - successes)
    # Terms of the tail, from the largest one down, by the ratio of neighbours. Beyond twelve
    # standard deviations they are negligible.
    k = np.arange(fewer, max(0, fewer - int(6 * sqrt(n)) - 10), -1)
    terms = np.concatenate(([1.0], np.cumprod(k / (n - k + 1))))
    largest = lgamma(n + 1) - lgamma(fewer + 1) - lgamma(n - fewer + 1) - n * log(2)
    return min(1.0, 2 * exp(largest) * float(terms.sum()))


def sign_tests(successes: NDArray[np.int64], trials: NDArray[np.int64]) -> NDArray[np.float64]:
    """The p-values of `sign_test` for many pairs of numbers, to 1e-9 of their size.

    Those below 1e-300 are 0, as processors differ in the last digits of such numbers.

    The smaller tail is an incomplete beta function, computed as a continued fraction. Source:
    NIST Digital Library of Mathematical Functions, 8.17.5 and 8.17.22.

    >>> sign_tests(np.array([1, 5, 0]), np.array([10, 10, 0])).round(9).tolist()
    [0.021484375, 1.0, 1.0]
    """
    fewer = np.minimum(successes, trials - successes).astype(np.float64)
    more = trials - fewer
    found = np.ones(len(fewer))
    rows = np.flatnonzero(fewer < more)
    a, b = more[rows], fewer[rows] + 1  # the tail is I(1/2; a, b), where a > b - 1
    known = np.array([lgamma(n) for n in range(1, int(trials.max(initial=0)) + 2)])
    a_at, b_at = a.astype(np.int64), b.astype(np.int64)
    logs = known[a_at + b_at - 1] - known[a_at - 1] - known[b_at - 1]
    front = np.exp(logs - (a + b) * log(2)) / a
    tails = np.minimum(1.0, 2 * front * _beta_fraction(a, b))
    found[rows] = np.where(tails < _NOTHING, 0.0, tails)
    return found


def _beta_fraction(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """The continued fraction of the incomplete beta function at 1/2, by Lentz's method."""
    x, least = 0.5, 1e-300
    found: NDArray[np.float64] = np.empty_like(a)
    rows = np.arange(len(a))
    c, d = np.ones_like(a), 1 / _away_from_zero(1 - (a + b) * x / (a + 1), least)
    value = d.copy()
    for m in range(1, _MOST_TERMS):
        if not rows.size:
            break
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _away_from_zero(1 + term * d, least)
            c = _away_from_zero(1 + term / c, least)
            value = value * (c * d)
        is_done = np.abs(c * d - 1) < _SAME
        if is_done.any():
            found[rows[is_done]] = value[is_done]
            left = ~is_done
            rows = rows[left]
            a, b, c, d, value = (one[left] for one in (a, b, c, d, value))
    found[rows] = value
    return found


def _away_from_zero(values: NDArray[np.float64], least: float) -> NDArray[np.float64]:
    return np.where(np.abs(values) < least, least, values)


def mcnemar_test(first_only: int, second_only: int) -> float:
    """Exact two-sided p-value of McNemar's test: are two models equally accurate?

    Only discordant pictures count, which exactly one of the models gets right. Under the null
    hypothesis they split evenly. Source: Q. McNemar (1947), Psychometrika 12(2), 153-157; the
    exact form is the sign test.

    Args:
        first_only: number of pictures that only the first model gets right.
        second_only: number of pictures that only the second model gets right.
    """
    return sign_test(first_only, first_only + second_only)


def holm(p_values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Holm-adjusted p-values, in the given order; compare each with the significance level.

    Source: S. Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian
    Journal of Statistics 6(2), 65-70.

    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    found = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(found)
    factors = np.arange(len(found), 0, -1)
    adjusted = np.empty_like(found)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(found[order] * factors))
    return adjusted


def paired_interval(
    first_only: int, second_only: int, n: int, confidence: float = 0.95
) -> tuple[float, float]:
    """Confidence interval of a difference of accuracies on the same pictures, first minus second.

    This is Wald's interval after one picture is added to each of the two counts. It keeps its
    coverage even if the models hardly differ. Source: D. G. Bonett and R. M. Price (2012), Adjusted
    Wald confidence interval for a difference of binomial proportions based on paired data, Journal
    of Educational and Behavioral Statistics 37(4), 479-488.

    Args:
        first_only: number of pictures that only the first model gets right.
        second_only: number of pictures that only the second model gets right.
        n: number of all pictures.
        confidence: share of such intervals that contain the true difference.

    >>> [round(100 * end, 2) for end in paired_interval(3000, 2500, 50_000)]
    [0.71, 1.29]
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    first, second = (first_only + 1) / (n + 2), (second_only + 1) / (n + 2)
    margin = z * sqrt((first + second - (first - second) ** 2) / (n + 2))
    centre = first - second
    return max(-1.0, centre - margin), min(1.0, centre + margin)


def cohen_kappa(both: float, first_only: float, second_only: float, neither: float) -> float:
    """Cohen's kappa: agreement of two models on which pictures are right, beyond chance.

    1 is full agreement, 0 is what their accuracies give by chance. It is NaN if both models are
    always right or both always wrong. The arguments are numbers or shares of pictures. For models
    it is called error consistency. Source: J. Cohen (1960), Educational and Psychological
    Measurement 20(1), 37-46; R. Geirhos et al. (2020), Beyond accuracy.

    >>> cohen_kappa(40, 10, 20, 30)
    0.4
    """
    n = both + first_only + second_only + neither
    first, second = both + first_only, both + second_only
    by_chance = (first * second + (n - first) * (n - second)) / n
    if by_chance == n:
        return float("nan")
    return (both + neither - by_chance) / (n - by_chance)


def only_right(hits: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Number of pictures that each model gets right and another one wrong, (models, models).

    Args:
        hits: (models, pictures / 8), whether the model is right on the picture, as packed bits.
    """
    models = len(hits)
    both = np.zeros((models, models), dtype=np.int64)
    for start in range(0, hits.shape[1], _BYTES):  # exact in float32, and little memory
        part = np.unpackbits(hits[:, start : start + _BYTES], axis=1).astype(np.float32)
        for first in range(0, models, _ROWS):  # half of the pairs
            rows = slice(first, first + _ROWS)
            both[rows, first:] += (part[rows] @ part[first:].T).astype(np.int64)
    both = np.triu(both)
    both += np.triu(both, 1).T
    only: NDArray[np.int64] = np.diag(both)[:, None] - both
    return only


def mcnemar_tests(only: NDArray[np.int64]) -> NDArray[np.float64]:
    """The p-value of McNemar's test for every pair of models, in the order of `combinations`.

    Args:
        only: the result of `only_right`.
    """
    first, second = np.triu_indices(len(only), 1)
    ours, theirs = only[first, second], only[second, first]
    parts = [slice(start, start + _PAIRS) for start in range(0, len(ours), _PAIRS)]
    tests = [sign_tests(ours[part], ours[part] + theirs[part]) for part in parts]
    return np.concatenate([[], *tests])


def pairwise_tests(only: NDArray[np.int64]) -> NDArray[np.float64]:
    """Holm-adjusted p-values of McNemar's test for every pair of models, (models, models).

    Args:
        only: the result of `only_right`.
    """
    adjusted = np.ones(only.shape)
    first, second = np.triu_indices(len(only), 1)
    adjusted[first, second] = adjusted[second, first] = holm(mcnemar_tests(only))
    return adjusted


def rank_tiers(different: NDArray[np.bool_]) -> list[int]:
    """Tier of each model, from 1; a new tier starts where a model differs from the tier's first.

    Args:
        different: (models, models), best model first: whether two differ significantly.

    >>> rank_tiers(np.array([[0, 0, 1], [0, 0, 0], [1, 0, 0]], dtype=bool))
    [1, 1, 2]
    """
    tiers: list[int] = []
    first = 0
    for model in range(len(different)):
        if different[first, model]:
            first = model
        tiers.append(tiers[-1] + (first == model) if tiers else 1)
    return tiers


def rank_ranges(different: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The best and the worst plausible rank of each model, given which models differ.

    Significantly better models rank before it, and significantly worse ones after it. The order of
    the others is unknown.

    Args:
        different: (models, models), best model first: whether two differ significantly.

    >>> rank_ranges(np.array([[0, 0, 1], [0, 0, 0], [1, 0, 0]], dtype=bool))
    [(1, 2), (1, 3), (2, 3)]
    """
    models = len(different)
    better, worse = np.tril(different).sum(axis=1), np.triu(different).sum(axis=1)
    return [(1 + int(b), models - int(w)) for b, w in zip(better, worse, strict=True)]


def pareto_front(costs: Sequence[float], gains: Sequence[float]) -> list[bool]:
    """Whether no other model has at most this cost and at least this gain, and one of both better.

    >>> pareto_front([1, 2, 2, 3], [70, 75, 74, 75])
    [True, True, False, False]
    """
    models = list(zip(costs, gains, strict=True))
    return [
        not any(other != (cost, gain) and other[0] <= cost and other[1] >= gain for other in models)
        for cost, gain in models
    ]


def cluster_order(similarity: NDArray[np.float64]) -> list[int]:
    """An order of models that puts similar ones side by side, by average linkage.

    The two most similar clusters are joined until there is one. Their sides are those at which the
    models that touch are most similar.

    Args:
        similarity: (models, models), symmetric; NaN counts as 0.

    >>> cluster_order(np.array([[1, 0.1, 0.9], [0.1, 1, 0.2], [0.9, 0.2, 1]]))
    [0, 2, 1]
    """
    known = np.nan_to_num(similarity)
    clusters = [[model] for model in range(len(known))]
    between = known.astype(np.float64)
    np.fill_diagonal(between, -np.inf)
    while len(clusters) > 1:
        first, second = sorted(divmod(int(between.argmax()), len(clusters)))
        one, other = clusters[first], clusters.pop(second)
        ends = [(one, other), (one[::-1], other), (one, other[::-1]), (one[::-1], other[::-1])]
        left, right = max(ends, key=lambda pair: float(known[pair[0][-1], pair[1][0]]))
        clusters[first] = [*left, *right]
        sizes = len(one), len(other)
        mean = (sizes[0] * between[first] + sizes[1] * between[second]) / sum(sizes)
        between[first], between[:, first] = mean, mean
        between = np.delete(np.delete(between, second, 0), second, 1)
        between[first, first] = -np.inf
    return clusters[0] if clusters else []
