"""What a model said: the most probable classes of every picture, best first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.specs import Probabilities


@dataclass(frozen=True, eq=False)
class TopK:
    """The k most probable classes of n pictures.

    Attributes:
        classes: (n, k) class indices, best first; ties in order of class.
        probabilities: (n, k) float32 in [0, 1], one per class.

    Raises:
        BenchmarkError: shapes differ, a value is out of range or not a number, the order is wrong
            or a class appears twice in a row.
    """

    classes: NDArray[np.integer]
    probabilities: Probabilities

    def __post_init__(self) -> None:
        classes, probabilities = self.classes, self.probabilities
        if classes.ndim != 2 or classes.shape != probabilities.shape:
            raise BenchmarkError(
                f"classes {classes.shape} and probabilities {probabilities.shape} must be two "
                "arrays of the same shape (pictures, k)."
            )
        check_probabilities(probabilities)
        ahead, behind = probabilities[:, :-1], probabilities[:, 1:]
        tied = (ahead == behind) & (classes[:, :-1] < classes[:, 1:])
        _refuse_rows(~((ahead > behind) | tied), "are not sorted by probability, ties by class")
        ordered = np.sort(classes, axis=1)
        _refuse_rows(ordered[:, 1:] == ordered[:, :-1], "name a class twice")

    def __len__(self) -> int:
        return len(self.classes)


def check_probabilities(probabilities: Probabilities) -> None:
    """Refuse anything that is not a probability.

    Raises:
        BenchmarkError: a value is NaN, infinite or outside [0, 1].
    """
    _refuse_rows(~np.isfinite(probabilities), "contain NaN or infinity")
    # A float32 softmax over a sure model can exceed one by a rounding error.
    outside = (probabilities < 0) | (probabilities > 1 + 1e-5)
    _refuse_rows(outside, "lie outside [0, 1]")


def top_k(probabilities: Probabilities, k: int = 5) -> TopK:
    """The k most probable classes of each picture; ties go to the lower class.

    Args:
        probabilities: (n, classes).
        k: how many to keep.

    >>> top_k(np.array([[0.2, 0.4, 0.4]], dtype=np.float32), k=2).classes
    array([[1, 2]])
    """
    check_probabilities(probabilities)
    classes = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    return TopK(classes, np.take_along_axis(probabilities, classes, axis=1))


def join(pieces: Sequence[TopK]) -> TopK:
    """Consecutive pieces of one run as a whole."""
    return TopK(
        np.concatenate([piece.classes for piece in pieces]),
        np.concatenate([piece.probabilities for piece in pieces]),
    )


def _refuse_rows(wrong: NDArray[np.bool_], what: str) -> None:
    rows = np.flatnonzero(wrong.any(axis=1))
    if rows.size:
        raise BenchmarkError(
            f"the probabilities of {rows.size} of {len(wrong)} pictures {what}; "
            f"the first is row {rows[0]}."
        )
