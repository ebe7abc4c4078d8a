"""How well a model did: pure functions of what it said and what is right."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from benchmarking.labels import LabelSet
from benchmarking.predictions import Classes

Correct = Callable[[Classes, LabelSet], NDArray[np.bool_]]


def correct(said: Classes, right: LabelSet, k: int) -> NDArray[np.bool_]:
    """Whether a right class is among the first k guesses, (m,) for m labelled rows.

    Args:
        said: (n, at least k) classes of each picture, best first.
        right: which rows count, and what is right for each.
        k: how many guesses each picture has.
    """
    guesses = right.of(said)
    hits = np.zeros(len(right), dtype=np.bool_)
    for guess in guesses.T[:k]:
        for label in right.classes.T:
            hits |= guess == label
    return hits


def accuracy(said: Classes, right: LabelSet, k: int) -> float:
    """Share of labelled pictures with a right class among the first k guesses, in [0, 1].

    >>> from benchmarking.labels import every_image
    >>> said = np.array([[7, 3], [2, 9]])
    >>> accuracy(said, every_image([3, 2]), k=1), accuracy(said, every_image([3, 2]), k=2)
    (0.5, 1.0)
    """
    return float(correct(said, right, k).mean())


PROPORTIONS: Mapping[str, Correct] = {
    "Acc@1": lambda said, right: correct(said, right, k=1),
    "Acc@5": lambda said, right: correct(said, right, k=5),
}
"""The table's columns that count pictures: each says which pictures count as right."""
