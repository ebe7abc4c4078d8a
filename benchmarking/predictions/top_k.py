"""Predictions: the most probable classes of every picture, best first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.models.spec import Probabilities

Classes = NDArray[np.integer]
"""Predicted classes: (n, k) class indices, best first."""


@dataclass(frozen=True, eq=False)
class TopK:
    """The k most probable classes of n pictures.

    Attributes:
        classes: (n, k) class indices, best first.
        probabilities: (n, k) float32 in [0, 1], one per class.

    Raises:
        BenchmarkError: shapes differ, a value is out of range or not a number, the order is wrong
            or a row has a class twice.
    """

    classes: Classes
    probabilities: Probabilities

    def __post_init__(self) -> None:
        classes, probabilities = self.classes, self.probabilities
        if classes.ndim != 2 or classes.shape != probabilities.shape:
            raise BenchmarkError(
                f"classes {classes.shape} and probabilities {probabilities.shape} must be two "
                "arrays of the same shape (pictures, k)."
            )
        check_probabilities(probabilities)
        # Column by column: NumPy is slow along rows of five.
        guesses, sure = np.ascontiguousarray(classes.T), np.ascontiguousarray(probabilities.T)
        _refuse_rows((sure[:-1] < sure[1:]).T, "are not sorted, best first")
        for distance in range(1, len(guesses)):
            _refuse_rows((guesses[distance:] == guesses[:-distance]).T, "name a class twice")

    def __len__(self) -> int:
        return len(self.classes)


def check_probabilities(probabilities: Probabilities) -> None:
    """Refuse anything that is not a probability.

    Raises:
        BenchmarkError: a value is NaN, infinite or outside [0, 1].
    """
    # A float32 softmax of a confident model can exceed one by a rounding error.
    limit = 1 + 1e-5
    if probabilities.size and not (probabilities.min() >= 0 and probabilities.max() <= limit):
        _refuse_rows(~np.isfinite(probabilities), "contain NaN or infinity")
        _refuse_rows((probabilities < 0) | (probabilities > limit), "lie outside [0, 1]")


def top_k(probabilities: Probabilities, k: int = 5) -> TopK:
    """The k most probable classes of each picture; ties go to the lower class.

    Args:
        probabilities: (n, classes).
        k: number of classes to keep.

    >>> top_k(np.array([[0.2, 0.4, 0.4]], dtype=np.float32), k=2).classes
    array([[1, 2]])
    """
    check_probabilities(probabilities)
    classes = most_probable(probabilities, k)
    return TopK(classes, np.take_along_axis(probabilities, classes, axis=1))


def top_k_among(logits: NDArray[np.floating], classes: Sequence[int], k: int = 5) -> TopK:
    """The k most probable of some classes, with their softmax among these classes alone.

    Logits keep the order of classes whose probabilities are too small for float32.

    Args:
        logits: (n, all classes).
        classes: the classes to choose from.
        k: number of classes to keep; all of them if they are fewer.

    Raises:
        BenchmarkError: the model does not have these classes, or the order is unknown because
            logits are infinite, as logarithms of probabilities that are zero are.

    >>> top_k_among(np.array([[9.0, 1.0, 3.0, 2.0]]), [1, 3], k=1).classes
    array([[3]])
    """
    if max(classes) >= logits.shape[1]:
        raise BenchmarkError(
            f"the model has {logits.shape[1]} classes, but the image set has class {max(classes)}."
        )
    chosen = logits[:, list(classes)].astype(np.float64)
    order = most_probable(chosen, k)
    best = np.take_along_axis(chosen, order, axis=1)
    if not np.isfinite(best).all():
        n = int((~np.isfinite(best)).any(axis=1).sum())
        raise BenchmarkError(
            f"the best {best.shape[1]} of {len(classes)} classes are unknown for {n} of "
            f"{len(best)} pictures, because their probabilities are 0; a model of your own needs "
            "probabilities above 0, or a PyTorch or Keras model that ends in its softmax."
        )
    terms = np.exp(chosen - best[:, :1])
    share = np.take_along_axis(terms, order, axis=1) / terms.sum(axis=1, keepdims=True)
    return TopK(np.asarray(classes)[order], share.astype(np.float32))


def most_probable(scores: NDArray[np.floating], k: int) -> NDArray[np.intp]:
    """The classes with the k largest scores of each row, best first; ties go to the lower class.

    >>> most_probable(np.array([[0.2, 0.4, 0.4]]), k=2)
    array([[1, 2]])
    """
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def best_first(classes: Classes, probabilities: Probabilities) -> TopK:
    """Sort predictions by probability; equally probable ones keep their order.

    Args:
        classes: (n, k) class indices below 2**16, in any order.
        probabilities: (n, k) float32, one per class.

    >>> best_first(np.array([[5, 9, 2]]), np.array([[0.2, 0.4, 0.4]], np.float32)).classes
    array([[9, 2, 5]], dtype=uint16)
    """
    check_probabilities(probabilities)
    # Bits of non-negative floats sort like the floats. With column and class in the lower bits, one
    # sort is enough.
    keys = (probabilities + np.float32(0)).view(np.int32).astype(np.int64)
    np.invert(keys, out=keys)
    keys <<= 16
    for column, numbers in enumerate(keys.T):
        numbers |= column
    keys <<= 16
    keys |= classes.astype(np.int64)
    keys.sort(axis=1)
    sorted_bits = ~(keys >> 32).astype(np.int32)
    return TopK(keys.astype(np.uint16), sorted_bits.view(np.float32))


def join(pieces: Sequence[TopK]) -> TopK:
    """Join consecutive pieces of one run."""
    return TopK(
        np.concatenate([piece.classes for piece in pieces]),
        np.concatenate([piece.probabilities for piece in pieces]),
    )


def _refuse_rows(wrong: NDArray[np.bool_], what: str) -> None:
    if wrong.any():
        rows = np.flatnonzero(wrong.any(axis=1))
        raise BenchmarkError(
            f"the probabilities of {rows.size} of {len(wrong)} pictures {what}; "
            f"the first is row {rows[0]}."
        )
