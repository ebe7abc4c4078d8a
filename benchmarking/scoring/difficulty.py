"""Accuracy by the difficulty of pictures: how many other models get them right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError

LEVELS = ("none", "up to 1/4", "up to 1/2", "up to 3/4", "nearly all", "all")
"""Share of the other models that are right, from the most difficult pictures to the easiest."""


@dataclass(frozen=True)
class Level:
    """The pictures of one difficulty, as one model sees it.

    Attributes:
        model: number of the model, from 0.
        level: place in LEVELS.
        right: how many of the pictures it gets right.
        n: number of pictures; 0 if there are none.
    """

    model: int
    level: int
    right: int
    n: int


def by_difficulty(hits: NDArray[np.bool_]) -> list[Level]:
    """Count the right pictures of each model at each level of difficulty.

    The model itself has no part in the difficulty, so its own successes make no picture easy.

    Args:
        hits: (models, pictures), whether the model is right on the picture; at least two models.

    Raises:
        BenchmarkError: there is only one model.

    >>> [found.right for found in by_difficulty(np.array([[1, 1, 0], [1, 0, 0]], bool))[:6]]
    [1, 0, 0, 0, 0, 1]
    """
    models = len(hits)
    if models < 2:
        raise BenchmarkError("the difficulty of pictures needs at least two runs.")
    total = hits.sum(axis=0)
    found = []
    for model, own in enumerate(hits):
        levels = _levels(total - own, models - 1)
        counts = np.bincount(levels, minlength=len(LEVELS))
        rights = np.bincount(levels[own], minlength=len(LEVELS))
        found += [
            Level(model, level, int(right), int(n))
            for level, (right, n) in enumerate(zip(rights, counts, strict=True))
        ]
    return found


def _levels(right: NDArray[np.int64], others: int) -> NDArray[np.int64]:
    """The level of pictures that this many of the other models get right."""
    quarters = -(-4 * right // others)  # 1 to 4, rounded up; 0 for none
    levels: NDArray[np.int64] = np.where(right == others, len(LEVELS) - 1, quarters)
    return levels
