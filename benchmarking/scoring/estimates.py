"""Estimates of an accuracy on all pictures from a random sample, with design-based intervals.

They rely only on how the pictures were drawn, not on a model of the errors: a picture of a stratum
from which one in ten was drawn stands for ten.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.labels.label_set import LabelSet
from benchmarking.pictures.design import Design
from benchmarking.pictures.intervals import (
    Counts,
    Estimate,
    estimated_share,
    standard_error,
    stratified_share,
)
from benchmarking.predictions.run import Run

__all__ = [
    "Estimate",
    "check_whole_sample",
    "estimated_difference",
    "estimated_share",
    "stratified_difference",
    "stratified_share",
]


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
    margin = NormalDist().inv_cdf((1 + confidence) / 2) * standard_error(variance, n, size)
    return Estimate(value, max(-1.0, value - margin), min(1.0, value + margin))
