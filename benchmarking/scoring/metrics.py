"""Metrics: pure functions of predictions and right labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.labels.label_set import LabelSet
from benchmarking.models.spec import Probabilities
from benchmarking.predictions.top_k import Classes, TopK


class TooFewGuesses(BenchmarkError):
    """A metric needs more guesses per picture than a run has."""


Correct = Callable[[Classes, LabelSet], NDArray[np.bool_]]


def correct(predicted: Classes, right: LabelSet, k: int) -> NDArray[np.bool_]:
    """Whether a right class is among the first k guesses, (m,) for m labelled rows.

    Args:
        predicted: (n, at least k) classes of each picture, best first.
        right: the rows that count, and the right classes of each.
        k: number of guesses per picture.

    Raises:
        TooFewGuesses: there are fewer than k.
    """
    if predicted.shape[1] < k:
        raise TooFewGuesses(f"there are {predicted.shape[1]} guesses per picture, not {k}.")
    guesses = right.of(predicted)
    hits = np.zeros(len(right), dtype=np.bool_)
    for guess in guesses.T[:k]:
        for label in right.classes.T:
            hits |= guess == label
    return hits


def accuracy(predicted: Classes, right: LabelSet, k: int) -> float:
    """Share of labelled pictures with a right class among the first k guesses, in [0, 1].

    >>> from benchmarking.labels.label_set import every_image
    >>> predicted = np.array([[7, 3], [2, 9]])
    >>> accuracy(predicted, every_image([3, 2]), k=1), accuracy(predicted, every_image([3, 2]), k=2)
    (0.5, 1.0)
    """
    return float(correct(predicted, right, k).mean())


PROPORTIONS: Mapping[str, Correct] = {
    "Acc@1": lambda predicted, right: correct(predicted, right, k=1),
    "Acc@5": lambda predicted, right: correct(predicted, right, k=5),
}
"""The table's columns of shares: each function tells which pictures are right."""


@dataclass(frozen=True, eq=False)
class Bins:
    """Pictures in bins of equal width by their top-1 probability.

    Attributes:
        counts: (bins,) number of pictures in each bin.
        sure: (bins,) sum of their top-1 probabilities.
        right: (bins,) how many of them are right.
    """

    counts: NDArray[np.int64]
    sure: NDArray[np.float64]
    right: NDArray[np.int64]

    @property
    def error(self) -> float:
        """Expected calibration error, in [0, 1]."""
        return float(np.abs(self.right - self.sure).sum() / self.counts.sum())


def calibration_bins(predicted: TopK, right: LabelSet, bins: int = 15) -> Bins:
    """Sort pictures into bins by their top-1 probability; a bin includes its upper edge.

    Args:
        predicted: the model's predictions.
        right: the rows that count, and the right classes of each.
        bins: number of bins.
    """
    sure = right.of(predicted.probabilities)[:, 0].astype(np.float64)
    hits = correct(predicted.classes, right, k=1)
    places = np.clip(np.ceil(sure * bins).astype(int) - 1, 0, bins - 1)
    return Bins(
        np.bincount(places, minlength=bins),
        np.bincount(places, sure, bins).astype(np.float64),
        np.bincount(places[hits], minlength=bins),
    )


def expected_calibration_error(predicted: TopK, right: LabelSet, bins: int = 15) -> float:
    """Expected calibration error: mean gap between top-1 probability and accuracy, in [0, 1].

    The error is the mean over pictures of |accuracy - mean probability| of their bin; see
    `calibration_bins`. Source: C. Guo et al. (2017), On calibration of modern neural networks.

    Args:
        predicted: the model's predictions.
        right: the rows that count, and the right classes of each.
        bins: number of bins.
    """
    return calibration_bins(predicted, right, bins).error


def negative_log_likelihood(probabilities: Probabilities, right: LabelSet) -> float:
    """Mean of -ln(probability of the true class); lower is better, 0 is perfect.

    A probability of 0 counts as the smallest normal float32, so that no picture makes the mean
    infinite.

    Args:
        probabilities: (n, classes).
        right: one right class per row.

    Raises:
        BenchmarkError: a row has several right classes, or one that the model does not know.
    """
    true = _true_probabilities(probabilities, right)
    logs = np.log(np.clip(true, np.finfo(np.float32).tiny, 1.0))
    return abs(float(logs.mean()))  # not -0.0


def brier_score(probabilities: Probabilities, right: LabelSet) -> float:
    """Mean over pictures of the squared errors of all probabilities, summed, in [0, 2].

    Source: G. W. Brier (1950), Verification of forecasts expressed in terms of probability.

    Args:
        probabilities: (n, classes).
        right: one right class per row.

    Raises:
        BenchmarkError: a row has several right classes, or one that the model does not know.
    """
    true = _true_probabilities(probabilities, right)
    squares = np.einsum("ij,ij->i", *[right.of(probabilities).astype(np.float64)] * 2)
    return float((squares - 2 * true + 1).mean())


def _true_probabilities(probabilities: Probabilities, right: LabelSet) -> NDArray[np.float64]:
    if right.classes.shape[1] > 1:
        raise BenchmarkError("NLL and Brier score need one right class per picture.")
    if right.classes.max() >= probabilities.shape[1]:
        raise BenchmarkError(
            f"class {right.classes.max()} is none of the {probabilities.shape[1]} that were kept."
        )
    rows = right.of(probabilities)
    return np.take_along_axis(rows, right.classes, axis=1)[:, 0].astype(np.float64)
