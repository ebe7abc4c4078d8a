"""Label sets: which pictures count, and which classes are right for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError

Number = TypeVar("Number", bound=np.generic)
Integers = Sequence[int] | NDArray[np.integer]

NO_CLASS = -1
"""Padding for pictures that have fewer right classes than others."""


@dataclass(frozen=True, eq=False)
class LabelSet:
    """Rows of a run, paired with the right classes of each.

    Attributes:
        rows: (m,) row numbers within the image set, each at most once.
        classes: (m, w) indices of the right classes of each row, at least one; shorter lists are
            padded with NO_CLASS.
        notes: lines to show with every accuracy of this set; each starts with "note: " or
            "warning: ".

    Raises:
        BenchmarkError: rows and classes differ in number, there are none, a row repeats or is
            negative, or a row has no class.
    """

    rows: NDArray[np.int64]
    classes: NDArray[np.int64]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.rows.ndim != 1 or self.classes.ndim != 2 or len(self.rows) != len(self.classes):
            raise BenchmarkError(
                f"{len(self.classes)} labels for {self.rows.size} rows; each row needs one."
            )
        if not self.rows.size:
            raise BenchmarkError("a set of labels needs at least one row.")
        ordered = np.sort(self.rows)
        if ordered[0] < 0:
            raise BenchmarkError(f"row {ordered[0]} is below 0; rows are counted from 0.")
        repeated = ordered[1:][ordered[1:] == ordered[:-1]]
        if repeated.size:
            raise BenchmarkError(f"row {repeated[0]} is given more than once; once is enough.")
        if self.classes.shape[1] == 0 or (self.classes[:, 0] < 0).any():
            raise BenchmarkError("a row has no right class, or one below 0; leave such rows out.")

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def _is_every_row(self) -> bool:
        return bool((self.rows == np.arange(len(self.rows))).all())

    def of(self, array: NDArray[Number]) -> NDArray[Number]:
        """Select this set's rows from an (n, …) array; the result is (m, …), in this set's order.

        Raises:
            BenchmarkError: the array has too few rows.
        """
        last = int(self.rows.max())
        if last >= len(array):
            raise BenchmarkError(
                f"row {last} is not among {len(array)} rows, 0 to {len(array) - 1}."
            )
        return array if self._is_every_row and len(self) == len(array) else array[self.rows]

    def only(self, rows: Integers) -> LabelSet:
        """A set of these rows only, in this order.

        Raises:
            BenchmarkError: one is not in this set, or is given twice.
        """
        kept = np.asarray(rows, dtype=np.int64)
        return replace(self, rows=kept, classes=self.classes[self._places(kept)])

    def without(self, rows: Integers) -> LabelSet:
        """A set of all rows except these.

        Raises:
            BenchmarkError: one is not in this set or is given twice, or none would be left.
        """
        omitted = np.asarray(rows, dtype=np.int64)
        kept = np.ones(len(self), dtype=bool)
        if omitted.size:
            kept[self._places(LabelSet(omitted, omitted[:, None]).rows)] = False
        return replace(self, rows=self.rows[kept], classes=self.classes[kept])

    def within(self, rows: Integers) -> LabelSet:
        """A set of this set's rows that are among these rows.

        Raises:
            BenchmarkError: none is among them.
        """
        kept = np.isin(self.rows, np.asarray(rows, dtype=np.int64))
        return replace(self, rows=self.rows[kept], classes=self.classes[kept])

    def relabelled(self, classes: Integers) -> LabelSet:
        """The same rows with other classes, one per row, in the order of the rows.

        Raises:
            BenchmarkError: there are more or fewer classes than rows.
        """
        return replace(self, classes=np.asarray(classes, dtype=np.int64).reshape(-1, 1))

    def _places(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The position of each given row in this set."""
        order = np.argsort(self.rows)
        found = np.searchsorted(self.rows, rows, sorter=order)
        places: NDArray[np.int64] = order[np.minimum(found, len(self) - 1)]
        unknown = rows[self.rows[places] != rows]
        if unknown.size:
            raise BenchmarkError(
                f"row {unknown[0]} is not one of the {len(self)} rows, "
                f"{self.rows.min()} to {self.rows.max()}."
            )
        return places


def every_image(classes: Integers) -> LabelSet:
    """Labels for all pictures of an image set.

    Args:
        classes: (n,) one class per row, or (n, w) the right classes, padded with NO_CLASS.
    """
    right = np.asarray(classes, dtype=np.int64)
    return LabelSet(np.arange(len(right)), right if right.ndim == 2 else right.reshape(-1, 1))
