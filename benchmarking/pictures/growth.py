"""Samples that grow until accuracies are known well enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarking.errors import BenchmarkError
from benchmarking.pictures.design import Design
from benchmarking.pictures.difficulty import Difficulty
from benchmarking.pictures.sampling import LEAST, Sample, planned_half, size_for

_PLANNED = 2000
"""Size of the sample from whose expected interval the size of the first one follows."""


@dataclass(frozen=True)
class Goal:
    """How well the accuracies of all models are to be known.

    Attributes:
        points: half of the 95 % interval of acc@1, in percentage points, above 0 and below 50.
        seed: seed of the draws.
        difficulty: see `Sample`.
    """

    points: float
    seed: int = 0
    difficulty: Difficulty | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Refuse what cannot be half of an interval.

        Raises:
            BenchmarkError: the points are not a number above 0 and below 50.
        """
        is_number = isinstance(self.points, int | float) and not isinstance(self.points, bool)
        if not (is_number and 0 < self.points < 50):
            raise BenchmarkError(
                f"until is {self.points!r}; expected percentage points above 0 and below 50, such "
                "as 0.5."
            )

    def first(self, keys: Sequence[str]) -> Sample | None:
        """The first sample, as the difficulty of the pictures lets expect; None for all pictures.

        Args:
            keys: names of all pictures.
        """
        n = min(_PLANNED, len(keys) // 2)
        if n < LEAST:
            return None
        known = self._sample(n).difficulty_for(keys)
        half = planned_half(keys, n, known)
        return self._sample(max(LEAST, size_for(half, n, len(keys), self.points / 100)))

    def next(self, halves: Sequence[float], design: Design) -> Sample | None:
        """The next, larger sample; None if the intervals are small enough.

        Args:
            halves: half of the interval of acc@1 of each run, as a share.
            design: how the pictures of these runs were drawn.
        """
        widest, wanted = max(halves, default=0.0), self.points / 100
        if widest <= wanted:
            return None
        n = size_for(widest, design.n, design.of, wanted)
        more = max(1, n // 20)  # not to miss it again
        return self._sample(min(design.of, max(n, design.n) + more))

    def _sample(self, n: int) -> Sample:
        return Sample(n, self.seed, self.difficulty)
