"""Scores of robustness, from numbers alone: corruption error, AUPR, gaps, effective robustness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import hypot

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.scoring.statistics import wilson_interval

ALEXNET_ERRORS: Mapping[str, float] = {
    "gaussian_noise": 0.886428,
    "shot_noise": 0.894468,
    "impulse_noise": 0.922640,
    "defocus_blur": 0.819880,
    "glass_blur": 0.826268,
    "motion_blur": 0.785948,
    "zoom_blur": 0.798360,
    "snow": 0.866816,
    "frost": 0.826572,
    "fog": 0.819324,
    "brightness": 0.564592,
    "contrast": 0.853204,
    "elastic_transform": 0.646056,
    "pixelate": 0.717840,
    "jpeg_compression": 0.606500,
}
"""Top-1 error of AlexNet for each corruption of ImageNet-C, the mean of its five severities.

Source: hendrycks/robustness, ImageNet-C/test.py.
"""

SEVERITIES = 5

FEWEST = 3
"""Smallest number of models for a line of accuracies on two sets."""


@dataclass(frozen=True)
class Gap:
    """A difference of two accuracies on different pictures.

    Attributes:
        difference: the first minus the second, as a share.
        low: lower end of its 95 % interval.
        high: upper end.
    """

    difference: float
    low: float
    high: float


def corruption_errors(errors: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Corruption error (CE) of each corruption: the sum of its errors over that of AlexNet.

    Source: D. Hendrycks and T. Dietterich (2019), Benchmarking neural network robustness to common
    corruptions and perturbations.

    Args:
        errors: top-1 errors at the five severities, by corruption.

    Raises:
        BenchmarkError: a corruption has another number of severities, or does not count in the mCE.

    >>> round(corruption_errors({"fog": [0.2, 0.3, 0.4, 0.5, 0.6]})["fog"], 4)
    0.4882
    """
    for name, values in errors.items():
        if name not in ALEXNET_ERRORS:
            known = ", ".join(ALEXNET_ERRORS)
            raise BenchmarkError(f"corruption {name!r} is none of those of the mCE: {known}.")
        if len(values) != SEVERITIES:
            raise BenchmarkError(
                f"{name} has {len(values)} severities; the mCE needs {SEVERITIES}."
            )
    return {
        name: sum(values) / (SEVERITIES * ALEXNET_ERRORS[name]) for name, values in errors.items()
    }


def mean_corruption_error(errors: Mapping[str, Sequence[float]]) -> float:
    """Mean corruption error (mCE) of the 15 corruptions; that of AlexNet is 1.

    Args:
        errors: top-1 errors at the five severities, by corruption.

    Raises:
        BenchmarkError: a corruption or a severity is missing, or there are others.
    """
    missing = [name for name in ALEXNET_ERRORS if name not in errors]
    if missing:
        raise BenchmarkError(
            f"the mCE needs all {len(ALEXNET_ERRORS)} corruptions; {', '.join(missing)} missing."
        )
    return float(np.mean(list(corruption_errors(errors).values())))


def mean_error(errors: Mapping[str, Sequence[float]]) -> float:
    """The uncorrected mean of all errors, as a share."""
    return float(np.mean([value for values in errors.values() for value in values]))


def average_precision(scores: NDArray[np.floating], positive: NDArray[np.bool_]) -> float:
    """Area under the precision-recall curve, as a sum of steps (average precision), in [0, 1].

    Equal scores are one step.

    Args:
        scores: (n,) higher for what is more probably positive.
        positive: (n,) whether it is.

    Raises:
        BenchmarkError: nothing is positive, or a score is not a number.
    """
    if not positive.any() or np.isnan(scores).any():
        raise BenchmarkError("an AUPR needs scores that are numbers, and positive cases.")
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(positive[order])
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    precision, recall = hits[last] / (last + 1), hits[last] / hits[-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def gap(first: tuple[int, int], second: tuple[int, int]) -> Gap:
    """Difference of two accuracies on different pictures, with Newcombe's hybrid score interval.

    Source: R. G. Newcombe (1998), Interval estimation for the difference between independent
    proportions, method 10, Statistics in Medicine 17, 873-890.

    Args:
        first: numbers of right pictures and of pictures.
        second: the same on the other set.

    >>> found = gap((38_065, 50_000), (6_319, 10_000))
    >>> [round(100 * value, 2) for value in (found.difference, found.low, found.high)]
    [12.94, 11.93, 13.96]
    """
    one, other = first[0] / first[1], second[0] / second[1]
    (low, high), (other_low, other_high) = wilson_interval(*first), wilson_interval(*second)
    difference = one - other
    return Gap(
        difference,
        difference - hypot(one - low, other_high - other),
        difference + hypot(high - one, other - other_low),
    )


def effective_robustness(
    usual: NDArray[np.float64], shifted: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How far each model is above the accuracy that its accuracy on the usual set predicts.

    The prediction is a line through all models, fitted by least squares to the logits of their
    accuracies. Source: R. Taori et al. (2020), Measuring robustness to natural distribution shifts
    in image classification.

    Args:
        usual: (models,) accuracies on the usual set, as shares.
        shifted: (models,) accuracies on the other set.

    Raises:
        BenchmarkError: there are fewer than FEWEST models, all have the same accuracy, or one is
            0 or 1.
    """
    if len(usual) < FEWEST or np.ptp(usual) == 0:
        raise BenchmarkError(
            f"effective robustness needs a line through at least {FEWEST} models with different "
            f"accuracies; there are {len(set(usual.tolist()))}."
        )
    both = np.concatenate([usual, shifted])
    if both.min() <= 0 or both.max() >= 1:
        raise BenchmarkError("effective robustness needs accuracies between 0 and 1, exclusive.")
    x, y = (np.log(share / (1 - share)) for share in (usual, shifted))
    slope = float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())
    predicted = y.mean() + slope * (x - x.mean())
    return np.asarray(shifted - 1 / (1 + np.exp(-predicted)))
