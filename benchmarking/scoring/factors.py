"""Errors by factor: how often a model is wrong on pictures that are unusual in one respect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.scoring.statistics import wilson_interval


@dataclass(frozen=True)
class FactorScore:
    """A model's accuracy on the pictures with a factor.

    Attributes:
        factor: name of the factor.
        right: number of right pictures.
        n: number of pictures.
        low: lower end of the 95 % Wilson interval of the accuracy.
        high: its upper end.
        ratio: error on these pictures over the error on all annotated pictures; above 1, the
            factor makes the model worse. None if it has no error at all.
    """

    factor: str
    right: int
    n: int
    low: float
    high: float
    ratio: float | None


def by_factor(
    hits: NDArray[np.bool_],
    numbers: Sequence[int],
    factors: Mapping[int, Set[str]],
    names: Iterable[str],
) -> list[FactorScore]:
    """The scores of a model by factor, in the order of the names; those of no picture are left out.

    Source: B. Y. Idrissi et al. (2023), ImageNet-X, "error ratio".

    Args:
        hits: (n,) whether the model is right.
        numbers: number of the validation picture in each row.
        factors: the factors of each annotated picture, by its number; others do not count.
        names: names of the factors.

    Raises:
        BenchmarkError: none of the pictures is annotated.

    >>> scores = by_factor(np.array([1, 0, 0, 1], bool), [1, 2, 3, 4],
    ...                    {1: {"pose"}, 2: {"pose"}, 3: {"style"}, 4: {"pose"}}, ["pose", "style"])
    >>> [(one.factor, one.right, one.n, round(one.ratio, 3)) for one in scores]
    [('pose', 2, 3, 0.667), ('style', 0, 1, 2.0)]
    """
    rows = np.array([row for row, number in enumerate(numbers) if number in factors], dtype=int)
    if not rows.size:
        raise BenchmarkError("none of these pictures is annotated.")
    annotated = [factors[numbers[row]] for row in rows]
    counted = hits[rows]
    error = 1 - float(counted.mean())
    found = []
    for name in names:
        own = counted[np.array([name in some for some in annotated])]
        if own.size:
            right, n = int(own.sum()), int(own.size)
            ratio = (1 - right / n) / error if error else None
            found.append(FactorScore(name, right, n, *wilson_interval(right, n), ratio))
    return found
