"""What a figure is about: runs on one image set, with their table and their labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.io.printable import printable
from benchmarking.labels.label_set import LabelSet
from benchmarking.predictions.stored_run import place_of
from benchmarking.predictions.stores import Stores
from benchmarking.scoring.compare import FirstGuesses, first_guesses
from benchmarking.scoring.table import AccuracyTable, Row

MOST_ROWS = 100
"""Largest number of runs in a figure with a row for each."""


@dataclass(frozen=True, eq=False)
class Subject:
    """Runs on one image set.

    Attributes:
        stores: the stores of the runs.
        table: their table; its rows are the runs that the figure shows.
        labels: the label sets of the table, by the prefix of their columns' names.
    """

    stores: Stores
    table: AccuracyTable
    labels: Mapping[str, LabelSet]

    @property
    def rows(self) -> tuple[Row, ...]:
        """Rows of the table, best first."""
        return self.table.rows

    @property
    def column(self) -> str:
        """Name of the table's first accuracy, which ranks the runs."""
        return self.table.columns[0]

    @property
    def right(self) -> LabelSet:
        """The first label set."""
        return next(iter(self.labels.values()))

    @cached_property
    def names(self) -> list[str]:
        """A short name of each row that no other row has: the model's, if that is enough."""
        found = _distinct([_versions(row) for row in self.rows])
        return [printable(name) for name in found]

    def guesses(self) -> list[FirstGuesses]:
        """First guesses of each row for the first label set."""
        return [first_guesses(self.stores, row.run, self.right) for row in self.rows]

    def hits(self) -> NDArray[np.bool_]:
        """Whether each row is right on each picture of the first label set, (rows, pictures)."""
        return np.stack([one.hits for one in self.guesses()])

    @property
    def is_plain(self) -> bool:
        """Whether all pictures count, with the classes that are stored with them."""
        stored = self.stores.right_classes(self.table.images)
        every_row = np.array_equal(self.right.rows, np.arange(len(stored)))
        return every_row and np.array_equal(self.right.classes, stored)

    @property
    def labels_in_words(self) -> str:
        """The first label set and its size; empty if all pictures count with their own classes."""
        if self.is_plain:
            return ""
        name = next(iter(self.table.label_sets), "given")
        return f"Scored with {name} labels, {len(self.right):,} pictures."

    @property
    def heading(self) -> str:
        """The first accuracy, for the title of an axis."""
        return f"{printable(self.column)} [%]"


def the_only(subjects: Sequence[Subject], name: str) -> Subject:
    """The only subject of a figure that shows one image set.

    Raises:
        BenchmarkError: there are several.
    """
    if len(subjects) > 1:
        sets = ", ".join(dict.fromkeys(subject.table.images for subject in subjects))
        raise BenchmarkError(
            f"figure {name} shows one image set, and there are runs on {len(subjects)} ({sets}); "
            "choose one with --images, or images= in Python."
        )
    return subjects[0]


def need_runs(subject: Subject, name: str, least: int, most: int) -> None:
    """Check the number of runs of a figure.

    Raises:
        BenchmarkError: there are too few or too many.
    """
    n = len(subject.rows)
    if least <= n <= most:
        return
    expected = f"{least}" if least == most else f"{least} to {most}"
    raise BenchmarkError(
        f"figure {name} needs {expected} run{'s' * (most > 1)} on {subject.table.images}, not {n}; "
        "name them, such as SOURCE/MODEL:RECIPE."
    )


def platform(row: Row) -> str:
    """The platform of a row, which a store's file can name in any way."""
    return printable(row.platform)


def percent(share: float) -> float:
    """A share in percent, without the noise of a multiplication."""
    return round(100 * share, 9)


def _versions(row: Row) -> tuple[str, ...]:
    """Names of a run, from the shortest to the one that no other run has."""
    run = row.run
    random = " (random weights)" * row.provenance.is_random
    full = f"{run.source}/{run.model}"
    place = place_of(run)
    return tuple(
        f"{name}{random}"
        for name in (
            *(run.model, f"{run.model} ({row.provenance.platform})"),
            *(full, f"{full}:{run.recipe}", f"{full}:{run.recipe} in {place}"),
        )
    )


def _distinct(versions: Sequence[tuple[str, ...]]) -> list[str]:
    """The shortest name of each that is different from those of all others."""
    counts: list[Callable[[str], int]] = [
        Counter(level).__getitem__ for level in zip(*versions, strict=True)
    ]
    return [
        next(
            (name for count, name in zip(counts, names, strict=True) if count(name) == 1), names[-1]
        )
        for names in versions
    ]
