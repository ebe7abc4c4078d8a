"""Samples of pictures that estimate an accuracy on all: strata, their sizes, and the draw.

Pictures are put into strata by how many models get them right. More pictures are drawn from strata
where models are less predictable: this is Neyman's allocation. Source: J. Neyman (1934), On the two
different aspects of the representative method, Journal of the Royal Statistical Society 97(4).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.pictures.design import Design
from benchmarking.pictures.difficulty import Difficulty, difficulty_of_2019
from benchmarking.pictures.image_set import identity

LEAST = 5
"""Fewest pictures drawn from a stratum, or all that it has."""

SIMPLE = "a simple random sample"
"""Source of the strata of a sample that has only one."""

_PER_STRATUM, _MOST_FIRST, _MOST_FIVE = 20, 8, 12
"""Pictures of a sample for each stratum by first guesses, and the most strata by first guesses and
by the first five. More strata lower the variance by less than 3 %."""

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Sample:
    """A sample that is to be drawn.

    Attributes:
        n: number of pictures.
        seed: seed of the draw.
        difficulty: how many runs get each picture right; None uses the 34 runs of 2019 if the
            pictures are validation pictures of ImageNet, else the sample is a simple random one.
    """

    n: int
    seed: int = 0
    difficulty: Difficulty | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Refuse numbers that are not whole.

        Raises:
            BenchmarkError: a number is not whole, or below its least value.
        """
        for name, least in (("n", LEAST), ("seed", 0)):
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise BenchmarkError(
                    f"{name} of an estimate is {value!r}; expected a whole number from {least} up."
                )

    def difficulty_for(self, keys: Sequence[str]) -> Difficulty | None:
        """How many runs get each of these pictures right; None if that is unknown."""
        if self.difficulty is not None:
            return self.difficulty
        known = difficulty_of_2019()
        return known if known.knows(keys) else None

    def name(self, whole: str) -> str:
        """Name of the image set of the sample."""
        return f"{whole}-estimate-{self.n}" + (f"-seed-{self.seed}" if self.seed else "")


def designed(
    keys: Sequence[str], n: int, whole: str, *, seed: int = 0, difficulty: Difficulty | None = None
) -> tuple[list[int], Design]:
    """Draw a sample of pictures.

    The same seed draws the same pictures from the same strata, in any order and on any machine.

    Args:
        keys: names of all pictures.
        n: number of pictures to draw.
        whole: name of the image set of all pictures.
        seed: seed of the draw.
        difficulty: how many runs get each picture right; None for a simple random sample.

    Returns:
        The rows of the drawn pictures, sorted, and the design.

    Raises:
        BenchmarkError: n is too small or too large, or the difficulty lacks a picture.
    """
    if not LEAST <= n <= len(keys):
        raise BenchmarkError(
            f"an estimate from {n:,} of {len(keys):,} pictures is not possible; give {LEAST} to "
            f"{len(keys):,}."
        )
    strata, spreads = _stratified(keys, n, difficulty)
    sizes = np.bincount(strata)
    drawn = allocation(sizes, spreads, n)
    rows = drawn_rows(keys, strata, drawn, seed)
    source = difficulty.source if difficulty else SIMPLE
    found = tuple(strata[rows].tolist())
    return rows.tolist(), Design(whole, seed, source, tuple(sizes.tolist()), found)


def planned_half(keys: Sequence[str], n: int, difficulty: Difficulty | None = None) -> float:
    """Half of the 95 % interval of acc@1 to be expected of a sample, as a share.

    It is for a model that is to the runs of the difficulty as these are to each other.
    """
    strata, _ = _stratified(keys, n, difficulty)
    sizes = np.bincount(strata)
    if difficulty is None:
        variances = np.full(len(sizes), 0.25)
    else:
        first = chances(difficulty.of(keys)[0], difficulty.runs)
        share = np.bincount(strata, first) / sizes
        variances = share * (1 - share)
    drawn = allocation(sizes, np.sqrt(variances), n)
    parts = (sizes / len(keys)) ** 2 * (1 - drawn / sizes) * variances / drawn
    return NormalDist().inv_cdf(0.975) * sqrt(float(parts.sum()))


def size_for(half: float, n: int, of: int, wanted: float) -> int:
    """Number of pictures for an interval of the wanted half, from that of another sample.

    The variance is in proportion to 1/n - 1/of.

    Args:
        half: half of the interval of a sample of n pictures, above 0.
        n: number of pictures of that sample, less than all.
        of: number of all pictures.
        wanted: the half that is wanted, above 0.

    >>> size_for(0.02, 100, 10_000, 0.01), size_for(0.02, 100, 10_000, 0.0001)
    (389, 9976)
    """
    variance = half**2 / (1 / n - 1 / of)
    return min(of, ceil(1 / (wanted**2 / variance + 1 / of)))


def chances(right: Counts, runs: int) -> NDArray[np.float64]:
    """Chance that another model gets a picture right, in (0, 1).

    It is (right + 1/2) / (runs + 1), so it is never 0 or 1: even a picture that all runs get right
    says something about a model that is unlike them.
    """
    return (right + 0.5) / (runs + 1)


def strata_of(first: Counts, five: Counts, runs: int, n: int) -> NDArray[np.intp]:
    """Stratum of each picture, from 0: by its first guesses, then by its first five.

    Each cut leaves about equal sums of standard deviations on both sides (T. Dalenius and J. L.
    Hodges, 1959, Minimum variance stratification).

    Args:
        first: how many runs are right with the first guess, for each picture.
        five: how many are right with one of the first five.
        runs: number of runs.
        n: number of pictures of the sample; a small one has fewer strata.
    """
    most = min(_MOST_FIRST, max(1, n // _PER_STRATUM))
    by_first = _cut(first, _spread(first, five, runs), most)
    spread = chances(five, runs)
    variance = spread * (1 - spread)
    parts = min(_MOST_FIVE, most + most // 2) / variance.sum()
    strata, begin = np.zeros(len(first), dtype=np.intp), 0
    for level in np.unique(by_first):
        rows = np.flatnonzero(by_first == level)
        number = max(1, round(parts * float(variance[rows].sum())))
        cut = _cut(five[rows], np.sqrt(variance[rows]), number)
        strata[rows] = begin + cut
        begin += int(cut.max()) + 1
    return strata


def allocation(
    sizes: NDArray[np.integer], spreads: NDArray[np.float64], n: int
) -> NDArray[np.int64]:
    """Number of pictures to draw from each stratum: in proportion to its size times its spread.

    Each stratum has at least LEAST pictures, or all that it has; the numbers add up to n.

    Args:
        sizes: number of pictures of each stratum.
        spreads: standard deviation of a picture's being right, in each stratum.
        n: number of pictures to draw, at most all.
    """
    least: NDArray[np.int64] = np.minimum(
        sizes, LEAST if np.minimum(sizes, LEAST).sum() <= n else 1
    )
    weights = sizes * np.maximum(spreads, 1e-9)
    low, high = 0.0, float((sizes / weights).max())
    for _ in range(100):  # find the factor with which the numbers add up to n
        middle = (low + high) / 2
        is_enough = np.clip(middle * weights, least, sizes).sum() >= n
        low, high = (low, middle) if is_enough else (middle, high)
    wanted = np.clip(high * weights, least, sizes)
    drawn: NDArray[np.int64] = np.floor(wanted + 1e-9).astype(np.int64)
    rest = np.where(drawn < sizes, wanted - drawn, -1.0)
    drawn[np.argsort(-rest, kind="stable")[: n - int(drawn.sum())]] += 1
    return drawn


def drawn_rows(
    keys: Sequence[str], strata: NDArray[np.intp], drawn: NDArray[np.int64], seed: int
) -> NDArray[np.intp]:
    """The rows that are drawn, sorted: in each stratum those with the smallest random numbers.

    The random number of a picture is a digest of the seed and its name, so that it does not depend
    on other pictures, on their order or on a library's version.
    """
    numbers = np.array([_number(seed, key) for key in keys])
    order = np.lexsort((numbers, strata))
    begins = np.concatenate(([0], np.cumsum(np.bincount(strata))))
    parts = [order[begin : begin + n] for begin, n in zip(begins, drawn, strict=False)]
    return np.sort(np.concatenate(parts))


def _number(seed: int, key: str) -> int:
    text = f"{seed}\n{identity(key)}".encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.sha256(text).digest()[:7], "big")


def _stratified(
    keys: Sequence[str], n: int, difficulty: Difficulty | None
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Stratum of each picture, and the spread of each stratum, of first guesses and first five."""
    if difficulty is None:
        return np.zeros(len(keys), dtype=np.intp), np.ones(1)
    first, five = difficulty.of(keys)
    strata = strata_of(first, five, difficulty.runs, n)
    sizes = np.bincount(strata)
    shares = [
        np.bincount(strata, chances(right, difficulty.runs)) / sizes for right in (first, five)
    ]
    return strata, np.sqrt(sum(share * (1 - share) for share in shares) / 2)


def _spread(first: Counts, five: Counts, runs: int) -> NDArray[np.float64]:
    shares = chances(first, runs), chances(five, runs)
    return np.sqrt(sum(share * (1 - share) for share in shares) / 2)


def _cut(right: Counts, spread: NDArray[np.float64], parts: int) -> NDArray[np.intp]:
    """Cut pictures by their counts into at most this many parts with equal sums of spreads."""
    sums = np.cumsum(np.bincount(right, spread))
    part = np.ceil(np.round(sums / sums[-1] * parts, 9)).astype(np.intp)[right]
    return np.unique(part, return_inverse=True)[1]
