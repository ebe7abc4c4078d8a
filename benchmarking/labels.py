"""Which pictures count, and what is right for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError


@dataclass(frozen=True, eq=False)
class LabelSet:
    """Rows of a run and the true class of each, paired.

    Attributes:
        rows: (m,) row numbers within the image set.
        classes: (m,) class index of each of these rows.

    Raises:
        BenchmarkError: rows and classes differ in number, or there are none.
    """

    rows: NDArray[np.int64]
    classes: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.rows.shape != self.classes.shape or self.rows.ndim != 1:
            raise BenchmarkError(
                f"{self.classes.size} labels for {self.rows.size} rows; each row needs one."
            )
        if not self.rows.size:
            raise BenchmarkError("a set of labels needs at least one row.")

    def __len__(self) -> int:
        return len(self.rows)


def every_image(classes: Sequence[int] | NDArray[np.integer]) -> LabelSet:
    """Labels for all pictures of an image set, one class per row."""
    return LabelSet(np.arange(len(classes)), np.asarray(classes, dtype=np.int64))
