"""Comparison of stored runs, picture by picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.labels.label_files import label_set
from benchmarking.labels.label_set import LabelSet
from benchmarking.pictures.image_set import ImageSet
from benchmarking.predictions.image_rows import ImageRows
from benchmarking.predictions.run import Run
from benchmarking.predictions.selection import the_run
from benchmarking.predictions.store import Store
from benchmarking.predictions.stores import Stores, as_stores
from benchmarking.scoring.metrics import correct
from benchmarking.scoring.statistics import (
    cohen_kappa,
    holm,
    mcnemar_tests,
    only_right,
    paired_interval,
)


@dataclass(frozen=True, eq=False)
class FirstGuesses:
    """The most probable class of each picture that counts.

    Attributes:
        run: the run.
        classes: (m,) most probable class of each picture.
        hits: (m,) whether it is right.
    """

    run: Run
    classes: NDArray[np.integer]
    hits: NDArray[np.bool_]

    @property
    def share(self) -> float:
        """Acc@1, in [0, 1]."""
        return float(self.hits.mean())


@dataclass(frozen=True)
class Pair:
    """Two runs on the same pictures.

    Attributes:
        first: a run.
        second: another one.
        both: pictures that both get right.
        first_only: pictures that only the first one gets right.
        second_only: pictures that only the second one gets right.
        neither: pictures that both get wrong.
        same: pictures for which both predict the same class, right or wrong.
        p_value: p-value of the exact McNemar test.
        adjusted: the p-value after Holm's adjustment for all pairs that were tested together.
    """

    first: Run
    second: Run
    both: int
    first_only: int
    second_only: int
    neither: int
    same: int
    p_value: float
    adjusted: float

    @property
    def n(self) -> int:
        """Number of pictures."""
        return self.both + self.first_only + self.second_only + self.neither

    @property
    def difference(self) -> float:
        """Acc@1 of the first minus that of the second, in [-1, 1]."""
        return (self.first_only - self.second_only) / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """95 % confidence interval of the difference."""
        return paired_interval(self.first_only, self.second_only, self.n)

    @property
    def kappa(self) -> float:
        """Cohen's kappa of the two runs being right on a picture: error consistency."""
        return cohen_kappa(self.both, self.first_only, self.second_only, self.neither)


@dataclass(frozen=True)
class ClassChange:
    """How many pictures of a class each of two runs gets right."""

    label: int
    first: int
    second: int
    n: int


@dataclass(frozen=True, repr=False)
class Comparison:
    """Two runs, picture by picture.

    Attributes:
        pair: counts, difference with its interval, and the exact McNemar test.
        classes: classes in which they differ; the largest gain of the first run comes first.
        notes: lines about the labels; each starts with "note: " or "warning: ".
    """

    pair: Pair
    classes: tuple[ClassChange, ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        pair = self.pair
        low, high = (100 * end for end in pair.interval)
        first, second = (pair.both + own for own in (pair.first_only, pair.second_only))
        return (
            f"A {100 * first / pair.n:.2f} %, B {100 * second / pair.n:.2f} %, difference "
            f"{100 * pair.difference:+.2f} points, 95 % interval [{low:+.2f}, {high:+.2f}], "
            f"McNemar's p = {pair.p_value:.2g}, {pair.n} pictures\n"
            f"A  {pair.first}\nB  {pair.second}" + "".join(f"\n{note}" for note in self.notes)
        )

    def __repr__(self) -> str:
        return str(self)


def compare(
    store: Stores | Store | str | Path,
    first: Run | str,
    second: Run | str,
    *,
    images: ImageSet | str | None = None,
    labels: LabelSet | str = "original",
    pictures: Literal["same", "any"] = "same",
) -> Comparison:
    """Compare two stored runs on the same pictures.

    Args:
        store: the store, or several.
        first: a run, its name (MODEL, SOURCE/MODEL or SOURCE/MODEL:RECIPE), or its file.
        second: another one.
        images: the image set or its name, if runs are given by name.
        labels: "original", "real", "corrected", a file, or a label set for the rows of the first
            run.
        pictures: "any" matches pictures by name and ignores that their fingerprints differ.

    Raises:
        BenchmarkError: there is no such run, or the runs are of different pictures.
    """
    stores = as_stores(store)
    name = images.name if isinstance(images, ImageSet) else images
    ours, theirs = (
        run if isinstance(run, Run) else the_run(stores, run, name) for run in (first, second)
    )
    if pictures == "same":
        check_same_pictures(stores, [ours, theirs])
    rows = stores.rows_of(ours)
    right = label_set(labels, rows.keys, rows.right_classes) if isinstance(labels, str) else labels
    others = stores.rows_of(theirs)
    right_of_second = in_rows_of(right, rows, others)
    both = first_guesses(stores, ours, right), first_guesses(stores, theirs, right_of_second)
    (pair,) = every_pair(both)
    few = on_few_classes(stores, [ours, theirs])
    notes = (*right.notes, *few, *other_classes(right, rows, others))
    return Comparison(pair, tuple(class_changes(*both, right)), notes)


def first_guesses(store: Stores | Store, run: Run, right: LabelSet) -> FirstGuesses:
    """The first guesses of a run for the rows that count.

    They are among the classes that the image set declares, if these are few.

    Raises:
        BenchmarkError: the run is broken, or has too few rows.
    """
    few = store.restricted_classes(run)
    predicted = store.classes(run) if few is None else few
    guesses = right.of(predicted[:, 0]).copy()  # a view would keep all five guesses in memory
    return FirstGuesses(run, guesses, correct(predicted, right, k=1))


def on_few_classes(store: Stores | Store, runs: Sequence[Run]) -> tuple[str, ...]:
    """A note if the guesses of these runs are among few classes.

    Raises:
        BenchmarkError: those of some are, and those of others are not.
    """
    kept = {run: store.restricted_classes(run) is not None for run in runs}
    if not any(kept.values()):
        return ()
    without = next((run for run, has in kept.items() if not has), None)
    if without is not None:
        raise BenchmarkError(
            f"{without} keeps no predictions among the few classes of its image set, and others "
            "do; compute it again with 'imagenet-benchmark predict --again'."
        )
    n = len(store.provenance(runs[0]).classes)
    return (f"note: answers are the best of the {n} classes of {runs[0].images}, not of all",)


def check_same_pictures(store: Stores | Store, runs: Sequence[Run]) -> None:
    """Check that runs can be compared picture by picture.

    Raises:
        BenchmarkError: they were made on pictures with different fingerprints.
    """
    made_on = {run: store.provenance(run).fingerprint for run in runs}
    first, *others = runs
    for other in others:
        if made_on[other] != made_on[first]:
            raise BenchmarkError(
                f"{first} was made on pictures with fingerprint {made_on[first]}, {other} with "
                f"{made_on[other]}; --mix-pictures compares them all the same, by name."
            )


def in_rows_of(right: LabelSet, ours: ImageRows, theirs: ImageRows) -> LabelSet:
    """Convert a label set to the rows of another image set, with pictures matched by name.

    Raises:
        BenchmarkError: the other set lacks a picture.
    """
    if ours.keys == theirs.keys:
        return right
    places = {key: row for row, key in enumerate(theirs.keys)}
    names = [ours.keys[row] for row in right.rows]
    missing = [name for name in names if name not in places]
    if missing:
        raise BenchmarkError(
            f"{len(missing)} of {len(names)} pictures of the first run are none of the second's, "
            f"as {missing[0]!r}."
        )
    return replace(right, rows=np.array([places[name] for name in names]))


def other_classes(right: LabelSet, ours: ImageRows, theirs: ImageRows) -> tuple[str, ...]:
    """A warning if stored classes count, and another store has other ones; see `in_rows_of`."""
    stored = ours.labels[right.rows]
    if right.classes.shape[1] > 1 or not np.array_equal(right.classes[:, 0], stored):
        return ()
    there = theirs.labels[in_rows_of(right, ours, theirs).rows]
    n = np.count_nonzero(there != stored)
    if not n:
        return ()
    return (
        f"warning: {n:,} of {len(stored):,} pictures have other classes in another store; those "
        "in the store of the first run are used",
    )


@dataclass(frozen=True, eq=False)
class Pairs:
    """Every pair of runs, in the order of `combinations`; each is made when it is needed.

    Attributes:
        runs: the runs, on the same pictures.
        only: (runs, runs), the result of `only_right`.
        p_values: (pairs,) p-values of exact McNemar tests.
        adjusted: (pairs,) the p-values after Holm's adjustment.
    """

    runs: Sequence[FirstGuesses]
    only: NDArray[np.int64]
    p_values: NDArray[np.float64]
    adjusted: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.p_values)

    def __iter__(self) -> Iterator[Pair]:
        rights = [int(np.count_nonzero(run.hits)) for run in self.runs]
        places = combinations(range(len(self.runs)), 2)
        tests = zip(self.p_values.tolist(), self.adjusted.tolist(), strict=True)
        for (i, j), (p_value, adjusted) in zip(places, tests, strict=True):
            first, second = self.runs[i], self.runs[j]
            first_only, second_only = int(self.only[i, j]), int(self.only[j, i])
            both = rights[i] - first_only
            yield Pair(
                first.run,
                second.run,
                both,
                first_only,
                second_only,
                len(first.hits) - both - first_only - second_only,
                int(np.count_nonzero(first.classes == second.classes)),
                p_value,
                adjusted,
            )


def every_pair(runs: Sequence[FirstGuesses]) -> Pairs:
    """Compare every pair of runs, in the given order; p-values are adjusted for all pairs."""
    only = only_right(np.stack([np.packbits(run.hits) for run in runs]))
    p_values = mcnemar_tests(only)
    return Pairs(runs, only, p_values, holm(p_values))


def class_changes(first: FirstGuesses, second: FirstGuesses, right: LabelSet) -> list[ClassChange]:
    """Classes in which two runs differ; the largest gain of the first run comes first.

    A picture with several right classes counts for the first of them.
    """
    labels = right.classes[:, 0]
    totals = np.bincount(labels)
    ones, others = (np.bincount(labels, run.hits).astype(int) for run in (first, second))
    changed = np.flatnonzero(ones != others)
    order = changed[np.argsort(others[changed] - ones[changed], kind="stable")]
    return [
        ClassChange(*map(int, (label, ones[label], others[label], totals[label])))
        for label in order
    ]
