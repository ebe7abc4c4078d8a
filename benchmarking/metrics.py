"""How well a model did: pure functions of what it said and what is right."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from benchmarking.labels import LabelSet
from benchmarking.predictions import TopK

Correct = Callable[[TopK, LabelSet], NDArray[np.bool_]]


def correct(said: TopK, right: LabelSet, k: int) -> NDArray[np.bool_]:
    """Whether the true class is among the first k guesses, (m,) for m labelled rows."""
    hits: NDArray[np.bool_] = (said.classes[right.rows, :k] == right.classes[:, None]).any(axis=1)
    return hits


def accuracy(said: TopK, right: LabelSet, k: int) -> float:
    """Share of labelled pictures whose true class is among the first k guesses, in [0, 1].

    >>> from benchmarking.labels import every_image
    >>> said = TopK(np.array([[7, 3], [2, 9]]), np.array([[0.6, 0.3], [0.5, 0.4]]))
    >>> accuracy(said, every_image([3, 2]), k=1), accuracy(said, every_image([3, 2]), k=2)
    (0.5, 1.0)
    """
    return float(correct(said, right, k).mean())


PROPORTIONS: Mapping[str, Correct] = {
    "Acc@1": lambda said, right: correct(said, right, k=1),
    "Acc@5": lambda said, right: correct(said, right, k=5),
}
"""The table's columns that count pictures: each says which pictures count as right."""
