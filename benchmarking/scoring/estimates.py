"""Estimates of an accuracy on all pictures from a random sample, with design-based intervals.

They rely only on how the pictures were drawn, not on a model of the errors: a picture of a stratum
from which one in ten was drawn stands for ten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import erfc, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.labels.label_set import LabelSet
from benchmarking.pictures.design import Design
from benchmarking.predictions.run import Run
from benchmarking.scoring.statistics import wilson_interval

Counts = NDArray[np.integer] | Sequence[int]


@dataclass(frozen=True)
class Estimate:
    """An estimate of a share of all pictures, or of a difference of two such shares.

    Attributes:
        value: the estimate; its mean over all samples that could be drawn is the true value.
        low: lower end of the interval.
        high: upper end.
    """

    value: float
    low: float
    high: float

    @property
    def half(self) -> float:
        """Half of the length of the interval."""
        return (self.high - self.low) / 2

    @property
    def p_value(self) -> float:
        """Two-sided p-value of a true value of 0, for a 95 % interval with equal halves."""
        error = self.half / NormalDist().inv_cdf(0.975)
        if not error:
            return float(self.value == 0)
        return erfc(abs(self.value) / error / sqrt(2))


def estimated_share(hits: NDArray[np.bool_], design: Design, confidence: float = 0.95) -> Estimate:
    """Estimate the share of all pictures that a model gets right.

    Args:
        hits: (n,) whether the model is right on each picture of the sample.
        design: how the sample was drawn.
        confidence: share of such intervals that contain the true share.
    """
    right = np.bincount(design.strata, hits, minlength=len(design.sizes))
    return stratified_share(right.astype(np.int64), design.drawn, design.sizes, confidence)


def estimated_difference(
    first: NDArray[np.bool_],
    second: NDArray[np.bool_],
    design: Design,
    second_on_all: float | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """Estimate the difference of two accuracies on all pictures, first minus second.

    Args:
        first: (n,) whether the first model is right on each picture of the sample.
        second: (n,) whether the second one is.
        design: how the sample was drawn.
        second_on_all: share of all pictures that the second one gets right, if it is known.
        confidence: share of such intervals that contain the true difference.
    """
    cells = np.array(
        [
            np.bincount(design.strata, hits, minlength=len(design.sizes))
            for hits in (first & second, first & ~second, second & ~first, ~first & ~second)
        ]
    ).T
    return stratified_difference(cells, design.sizes, second_on_all, confidence)


def check_whole_sample(run: Run, right: LabelSet, design: Design) -> None:
    """Check that labels are about all pictures of a sample, and about each once.

    Raises:
        BenchmarkError: they leave some out, so that it is not known how many pictures count.
    """
    if len(right) != design.n:
        raise BenchmarkError(
            f"{run} is {design.in_words}, and the labels are about {len(right):,} of these; an "
            "estimate needs labels of all. Predict all pictures to score some of them."
        )


def stratified_share(
    right: Counts, drawn: Counts, sizes: Counts, confidence: float = 0.95
) -> Estimate:
    """Estimate a share from random samples of several strata, without replacement.

    The value is the mean of the strata's shares, weighted by size. The interval is symmetric, of
    z standard errors, with the finite-population correction of each stratum. In the variance of a
    stratum, half a right and half a wrong picture are added to the sample, as with the prior of H.
    Jeffreys: a sample without a single error does not show that there are none. With one stratum,
    it is Wilson's interval, for the number of pictures that has the same variance without the
    correction. The interval ends where the pictures of the sample alone exclude a smaller or larger
    share. Source of the estimator: W. G. Cochran (1977), Sampling techniques, 3rd ed., chapter 5.

    Args:
        right: number of right pictures in the sample of each stratum.
        drawn: number of pictures in the sample of each stratum, at least one.
        sizes: number of all pictures of each stratum.
        confidence: share of such intervals that contain the true share.

    >>> found = stratified_share([9, 50], [10, 100], [1000, 1000])
    >>> [round(one, 3) for one in (found.value, found.low, found.high)]
    [0.7, 0.584, 0.816]
    """
    x, n, size = (np.asarray(one, dtype=np.float64) for one in (right, drawn, sizes))
    share = (x + 0.5) / (n + 1)
    error = _standard_error(share * (1 - share), n, size)
    value = float((size * x / n).sum() / size.sum())
    margin = NormalDist().inv_cdf((1 + confidence) / 2) * error
    low, high = value - margin, value + margin
    if len(size) == 1 and n[0] < size[0]:
        larger = float(size[0] / (size[0] - n[0]))
        low, high = wilson_interval(float(x[0]) * larger, float(n[0]) * larger, confidence)
    least, most = x.sum() / size.sum(), 1 - (n - x).sum() / size.sum()
    return Estimate(value, max(float(least), low), min(float(most), high))


def stratified_difference(
    cells: Counts,
    sizes: Counts,
    second_on_all: float | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """Estimate a difference of two shares from samples of the same pictures, first minus second.

    If the second share is known on all pictures, its difference from its own estimate corrects the
    result, as far as the two are correlated: the combined regression estimator. Source: W. G.
    Cochran (1977), Sampling techniques, 3rd ed., chapter 7. The variance is as in
    `stratified_share`; half a picture is added to each kind that only one model gets right.

    Args:
        cells: (strata, 4) numbers of pictures in the sample of each stratum that both get right,
            only the first, only the second, and neither.
        sizes: number of all pictures of each stratum.
        second_on_all: share of all pictures that the second one gets right, if it is known.
        confidence: share of such intervals that contain the true difference.
    """
    counts, size = np.asarray(cells, dtype=np.float64), np.asarray(sizes, dtype=np.float64)
    n, weights = counts.sum(axis=1), size / size.sum()
    both, one, other = ((counts + [0, 0.5, 0.5, 0]) / (n + 1)[:, None]).T[:3]
    a, b = both + one, both + other
    each = weights**2 * (1 - n / size) / n
    spread = float((each * b * (1 - b)).sum())
    slope = 1.0
    if second_on_all is not None:
        slope = float((each * (both - a * b)).sum()) / spread if spread else 0.0
    variance = a * (1 - a) + slope**2 * b * (1 - b) - 2 * slope * (both - a * b)
    shares = (counts / n[:, None]).T
    first, second = (float((weights * (shares[0] + only)).sum()) for only in shares[1:3])
    on_all = second if second_on_all is None else second_on_all
    value = first - on_all - slope * (second - on_all)
    margin = NormalDist().inv_cdf((1 + confidence) / 2) * _standard_error(variance, n, size)
    return Estimate(value, max(-1.0, value - margin), min(1.0, value + margin))


def _standard_error(
    variance: NDArray[np.float64], n: NDArray[np.float64], size: NDArray[np.float64]
) -> float:
    """Standard error of a weighted mean, from the variance of a picture in each stratum."""
    weights = size / size.sum()
    return sqrt(float((weights**2 * (1 - n / size) * variance / n).sum()))
