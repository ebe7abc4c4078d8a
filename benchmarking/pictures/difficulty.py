"""How difficult pictures are: how many models get each of them right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.labels.imagenet import validation_key
from benchmarking.pictures.image_set import identity

SHIPPED = "right_of_34_runs_of_2019.npz"
"""File in the package's data folder, made by `benchmarks/estimates.py --write`."""


@dataclass(frozen=True, eq=False)
class Difficulty:
    """How many of some runs get each picture right.

    Attributes:
        source: where the runs come from, in words.
        runs: number of runs.
        first: how many runs are right with their first guess, by picture; see `identity`.
        five: how many are right with one of their first five guesses.
    """

    source: str
    runs: int
    first: Mapping[str, int]
    five: Mapping[str, int]

    def __post_init__(self) -> None:
        """Refuse a difficulty without runs.

        Raises:
            BenchmarkError: there are no runs.
        """
        if self.runs < 1:
            raise BenchmarkError(f"{self.source} has no run that shows how difficult pictures are.")

    def knows(self, keys: Sequence[str]) -> bool:
        """Whether it knows all of these pictures."""
        return all(identity(key) in self.first for key in keys)

    def of(self, keys: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """How many runs get each picture right, with the first guess and with the first five.

        Raises:
            BenchmarkError: it does not know a picture.
        """
        names = [identity(key) for key in keys]
        unknown = [name for name in names if name not in self.first]
        if unknown:
            raise BenchmarkError(
                f"{self.source} does not know {len(unknown):,} of {len(names):,} pictures, such "
                f"as {unknown[0]!r}; name a store with runs on these pictures with --strata."
            )
        first, five = ([known[name] for name in names] for known in (self.first, self.five))
        return np.array(first, dtype=np.int64), np.array(five, dtype=np.int64)


@cache
def difficulty_of_2019() -> Difficulty:
    """How many of the 34 runs of 2019 get each of the 50,000 validation pictures right."""
    data = files("benchmarking").joinpath("data", SHIPPED).read_bytes()
    with np.load(BytesIO(data), allow_pickle=False) as arrays:
        names = [validation_key(1 + row) for row in range(len(arrays["first"]))]
        first, five = (
            dict(zip(names, arrays[name].tolist(), strict=True)) for name in ("first", "five")
        )
        return Difficulty("34 runs of 2019", int(arrays["runs"]), first, five)
