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
from benchmarking.labels.label_set import NO_CLASS, LabelSet, every_image
from benchmarking.pictures.design import Design
from benchmarking.pictures.image_set import ImageSet
from benchmarking.predictions.image_rows import ImageRows
from benchmarking.predictions.run import Run
from benchmarking.predictions.selection import the_run
from benchmarking.predictions.store import Store
from benchmarking.predictions.stores import Stores, as_stores
from benchmarking.scoring.estimates import (
    Estimate,
    check_whole_sample,
    estimated_difference,
    estimated_share,
)
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
        design: how the pictures were drawn, if they are a sample.
        on_all: acc@1 on all pictures of which they are a sample, if it is known.
    """

    run: Run
    classes: NDArray[np.integer]
    hits: NDArray[np.bool_]
    design: Design | None = None
    on_all: float | None = None

    @property
    def share(self) -> float:
        """Acc@1 on all pictures, measured or estimated, in [0, 1]."""
        if self.on_all is not None:
            return self.on_all
        if self.design:
            return estimated_share(self.hits, self.design).value
        return float(self.hits.mean())


@dataclass(frozen=True)
class EstimatedPair:
    """What a sample tells about two runs on all pictures.

    Attributes:
        first: estimated acc@1 of the first run, in [0, 1].
        second: that of the second run.
        difference: estimated difference, first minus second, with its 95 % interval.
        kappa: estimated Cohen's kappa.
        same: estimated share of the pictures for which both predict the same class.
        of: number of all pictures.
    """

    first: float
    second: float
    difference: Estimate
    kappa: float
    same: float
    of: int


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
        p_value: p-value of the exact McNemar test; of a sample, that of its design-based interval.
        adjusted: the p-value after Holm's adjustment for all pairs that were tested together.
        estimated: what the numbers of a sample tell about all pictures; None if these are all.
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
    estimated: EstimatedPair | None = None

    @property
    def n(self) -> int:
        """Number of pictures."""
        return self.both + self.first_only + self.second_only + self.neither

    @property
    def difference(self) -> float:
        """Acc@1 of the first minus that of the second, in [-1, 1]."""
        if self.estimated:
            return self.estimated.difference.value
        return (self.first_only - self.second_only) / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """95 % confidence interval of the difference."""
        if self.estimated:
            return self.estimated.difference.low, self.estimated.difference.high
        return paired_interval(self.first_only, self.second_only, self.n)

    @property
    def kappa(self) -> float:
        """Cohen's kappa of the two runs being right on a picture: error consistency."""
        if self.estimated:
            return self.estimated.kappa
        return cohen_kappa(self.both, self.first_only, self.second_only, self.neither)

    @property
    def shares(self) -> tuple[float, float]:
        """Acc@1 of the first and of the second, in [0, 1]."""
        if self.estimated:
            return self.estimated.first, self.estimated.second
        return (self.both + self.first_only) / self.n, (self.both + self.second_only) / self.n

    @property
    def same_answer(self) -> float:
        """Share of the pictures for which both predict the same class, in [0, 1]."""
        return self.estimated.same if self.estimated else self.same / self.n


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
        first, second = pair.shares
        test = "p" if pair.estimated else "McNemar's p"
        more = f" of {pair.estimated.of}" if pair.estimated else ""
        return (
            f"A {100 * first:.2f} %, B {100 * second:.2f} %, difference "
            f"{100 * pair.difference:+.2f} points, 95 % interval [{low:+.2f}, {high:+.2f}], "
            f"{test} = {pair.p_value:.2g}, {pair.n}{more} pictures\n"
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

    If one of them is an estimate from a sample, the other can be on all pictures, or on the same
    sample.

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
    is_sample = [stores.provenance(run).design is not None for run in (ours, theirs)]
    if pictures == "same" and is_sample[0] == is_sample[1]:
        check_same_pictures(stores, [ours, theirs])
    rows = stores.rows_of(ours)
    right = label_set(labels, rows.keys, rows.right_classes) if isinstance(labels, str) else labels
    others = stores.rows_of(theirs)
    if is_sample == [False, True]:
        drawn = _labels_in(right, rows, others)
        both = _on_sample(stores, ours, theirs, drawn, right), first_guesses(stores, theirs, drawn)
        warnings = other_classes(drawn, others, rows)
    elif is_sample == [True, False]:
        is_stored = np.array_equal(right.classes, right.of(rows.right_classes))
        on_all = every_image(others.right_classes) if is_stored else None
        both = first_guesses(stores, ours, right), _on_sample(stores, theirs, ours, right, on_all)
        warnings = other_classes(right, rows, others)
    else:
        right_of_second = in_rows_of(right, rows, others)
        both = first_guesses(stores, ours, right), first_guesses(stores, theirs, right_of_second)
        warnings = other_classes(right, rows, others)
    (pair,) = every_pair(both)
    few = on_few_classes(stores, [ours, theirs])
    notes = (*right.notes, *few, *warnings)
    changes = () if pair.estimated else tuple(class_changes(*both, right))
    return Comparison(pair, changes, notes)


def first_guesses(store: Stores | Store, run: Run, right: LabelSet) -> FirstGuesses:
    """The first guesses of a run for the rows that count.

    They are among the classes that the image set declares, if these are few.

    Raises:
        BenchmarkError: the run is broken, has too few rows, or is of a sample of which the labels
            leave pictures out.
    """
    few = store.restricted_classes(run)
    predicted = store.classes(run) if few is None else few
    design = store.provenance(run).design
    if design:
        check_whole_sample(run, right, design)
        design = replace(design, strata=tuple(design.strata[row] for row in right.rows))
    guesses = right.of(predicted[:, 0]).copy()  # a view would keep all five guesses in memory
    return FirstGuesses(run, guesses, correct(predicted, right, k=1), design)


def _on_sample(
    stores: Stores, complete: Run, sample: Run, drawn: LabelSet, right: LabelSet | None
) -> FirstGuesses:
    """First guesses of a run on all pictures, for those of a sample, matched by name.

    Args:
        stores: the stores of both runs.
        complete: the run on all pictures.
        sample: the run on the sample.
        drawn: labels of the sample's rows.
        right: labels of all rows, if there are any.

    Raises:
        BenchmarkError: the sample was not drawn from as many pictures, or from others.
    """
    rows, design = stores.rows_of(complete), stores.provenance(sample).design
    if design and design.of != len(rows):
        raise BenchmarkError(
            f"{sample} is {design.in_words}, and {complete} has {len(rows):,} pictures; an "
            "estimate can be compared with a run on all of its pictures, or on the same sample."
        )
    found = first_guesses(stores, complete, in_rows_of(drawn, stores.rows_of(sample), rows))
    is_about_all = right is not None and len(right) == len(rows)
    on_all = first_guesses(stores, complete, right).share if right and is_about_all else None
    return replace(found, on_all=on_all)


def _labels_in(right: LabelSet, ours: ImageRows, sample: ImageRows) -> LabelSet:
    """The labels of all pictures of a sample, which are about the rows of a larger set.

    Raises:
        BenchmarkError: a picture of the sample has none.
    """
    places = {ours.keys[row]: place for place, row in enumerate(right.rows)}
    missing = [key for key in sample.keys if key not in places]
    if missing:
        raise BenchmarkError(
            f"{len(missing):,} of {len(sample.keys):,} pictures of the sample have no label, such "
            f"as {missing[0]!r}; an estimate needs labels of all."
        )
    classes = right.classes[[places[key] for key in sample.keys]]
    return LabelSet(np.arange(len(classes)), classes)


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
            f"do; {store.provenance(without).again}"
        )
    declared = {run: store.provenance(run).classes for run in runs}
    first, *others = runs
    other = next((run for run in others if declared[run] != declared[first]), None)
    if other is not None:
        raise BenchmarkError(
            f"{first} chooses among {len(declared[first])} classes, and {other} among "
            f"{len(declared[other])}: they are not the same. Compute one again with those of the "
            "other."
        )
    n = len(declared[first])
    return (f"note: answers are the best of the {n} classes of {runs[0].images}, not of all",)


def check_same_pictures(store: Stores | Store, runs: Sequence[Run]) -> None:
    """Check that runs can be compared picture by picture.

    Raises:
        BenchmarkError: they were made on pictures with different fingerprints, or are samples that
            were drawn in different ways.
    """
    made = {run: store.provenance(run) for run in runs}
    made_on = {run: one.fingerprint for run, one in made.items()}
    first, *others = runs
    for other in others:
        if made_on[other] == made_on[first] and made[other].design != made[first].design:
            raise BenchmarkError(
                f"the pictures of {first} and of {other} were drawn in different ways; compute one "
                "of them again as the other was."
            )
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
    stored = ours.right_classes[right.rows]
    if not np.array_equal(right.classes, stored):
        return ()
    there = theirs.right_classes[in_rows_of(right, ours, theirs).rows]
    if np.array_equal(there, stored):
        return ()
    n = sum(
        {*one, NO_CLASS} != {*other, NO_CLASS}
        for one, other in zip(stored.tolist(), there.tolist(), strict=True)
    )
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
        p_values: (pairs,) p-values of exact McNemar tests; for a sample, see `Pair`.
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
                _estimated(first, second),
            )


def every_pair(runs: Sequence[FirstGuesses]) -> Pairs:
    """Compare every pair of runs, in the given order; p-values are adjusted for all pairs."""
    only = only_right(np.stack([np.packbits(run.hits) for run in runs]))
    found = [_estimated(first, second) for first, second in combinations(runs, 2)]
    tests = [one.difference.p_value for one in found if one]
    p_values = np.array(tests) if tests else mcnemar_tests(only)
    return Pairs(runs, only, p_values, holm(p_values))


def _estimated(first: FirstGuesses, second: FirstGuesses) -> EstimatedPair | None:
    """What two runs on a sample tell about all pictures; None if no run is on a sample."""
    design = first.design or second.design
    if design is None:
        return None
    if first.on_all is not None:  # the known accuracy is that of the second in the formula
        mirrored = estimated_difference(second.hits, first.hits, design, first.on_all)
        difference = Estimate(0 - mirrored.value, -mirrored.high, -mirrored.low)
    else:
        difference = estimated_difference(first.hits, second.hits, design, second.on_all)
    a, b = first.hits, second.hits
    cells = (a & b, a & ~b, b & ~a, ~a & ~b)
    shares = [estimated_share(cell, design).value for cell in cells]
    return EstimatedPair(
        first.share if first.design or first.on_all is not None else shares[0] + shares[1],
        second.share if second.design or second.on_all is not None else shares[0] + shares[2],
        difference,
        cohen_kappa(*shares),
        estimated_share(first.classes == second.classes, design).value,
        design.of,
    )


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
