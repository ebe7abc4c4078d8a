"""Aggregation of stored predictions to an accuracy table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import StoreError
from benchmarking.io.names import UNKNOWN
from benchmarking.labels.imagenet import is_validation_set, wnids
from benchmarking.labels.label_set import LabelSet, every_image
from benchmarking.models.sources import published_of
from benchmarking.pictures.set_facts import CARE
from benchmarking.predictions.provenance import Provenance
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store
from benchmarking.predictions.stores import Stores
from benchmarking.predictions.top_k import Classes
from benchmarking.scoring.estimates import Estimate, check_whole_sample, estimated_share
from benchmarking.scoring.metrics import (
    PROPORTIONS,
    Correct,
    TooFewGuesses,
    brier_score,
    expected_calibration_error,
    negative_log_likelihood,
)
from benchmarking.scoring.table import AccuracyTable, Counts, Row, tabulate

CHANCE = 0.01
"""Acc@1 below which a table warns if its interval ends below MOST_CHANCE; chance is 0.001."""
MOST_CHANCE = 0.3
"""Acc@1 that trained models exceed on pictures of many classes; of 9 pictures, one is right."""
FEW_CLASSES = 5
"""Of fewer classes, a trained model may know none, so that the interval must end below CHANCE."""


class StoredRuns(Protocol):
    """A collection of runs: a store, several stores, or folders of arrays."""

    def runs(self, images: str) -> list[Run]:
        """Every run on an image set."""

    def right_classes(self, images: str) -> NDArray[np.int64]:
        """All right classes of each of its rows, (n, w), padded with NO_CLASS."""

    def classes_and_provenance(self, run: Run) -> tuple[Classes, Provenance]:
        """The five most probable classes of every row, best first, and how the run was made."""

    def restricted_classes(self, run: Run) -> Classes | None:
        """The most probable of the classes that the image set declares; None if not kept."""


@dataclass(frozen=True)
class _Column:
    """How a column of shares is counted.

    Attributes:
        correct: tells which pictures are right.
        labels: the pictures that count, and their classes.
        few: the classes that the guesses are among; () for all.
    """

    correct: Correct
    labels: LabelSet
    few: tuple[int, ...] = ()


def aggregate(
    stored: StoredRuns,
    images: str,
    *,
    labels: Mapping[str, LabelSet] | None = None,
    proportions: Mapping[str, Correct] = PROPORTIONS,
    by: str | None = None,
    runs: Sequence[Run] | None = None,
    measure: Callable[[Run, LabelSet], Mapping[str, float]] | None = None,
    pictures: Literal["same", "any"] = "same",
) -> AccuracyTable:
    """Score every stored run on an image set; runs that cannot be scored are left out and listed.

    Args:
        stored: the collection of runs.
        images: name of the image set.
        labels: label sets by the prefix of their columns' names; None uses the classes that are
            stored with the set.
        proportions: the table's columns.
        by: the column that sorts the table and defines its tiers; None uses the first one.
        runs: the runs to score; None scores all.
        measure: computes other numbers of a run, on the first label set.
        pictures: "same" leaves out runs whose pictures differ from those of most runs.

    Raises:
        BenchmarkError: there are no runs, none can be read, or labels and rows do not match.
    """
    right = stored.right_classes(images)
    label_sets = labels or {"": every_image(right)}
    chosen = stored.runs(images) if runs is None else runs
    declared = _declared(stored, chosen, right)
    columns = _columns(label_sets, proportions, declared)
    sorted_by = by or next(iter(columns))
    first = next(iter(label_sets.values()))
    counts, left_out = [], []
    for run in chosen:
        if run.images != images:
            raise StoreError(f"{run} is no run on {images}; its rows are other pictures.")
        try:
            found = _count(stored, run, right, columns, sorted_by)
            counts.append(replace(found, measures=measure(run, first)) if measure else found)
        except StoreError as error:
            left_out.append(str(error))
    if not counts:
        raise StoreError("\n".join([f"no run on {images} can be scored.", *left_out]))
    if pictures == "same":
        expected = _fingerprint(counts)
        left_out += list(_on_other_pictures(counts, expected))
        counts = [run for run in counts if run.provenance.fingerprint == expected]
    counts, otherwise = _drawn_alike(counts)
    left_out += otherwise
    # Published figures are for all validation pictures with their original labels.
    altered = any(run.provenance.picture_set for run in counts)
    if is_validation_set(right[:, 0]) and not altered and _is_plain(label_sets.get(""), right):
        counts = [_compared(run) for run in counts]
    fingerprints = {run.provenance.fingerprint for run in counts}
    fingerprint = fingerprints.pop() if len(fingerprints) == 1 else UNKNOWN
    rows = tabulate(counts, sorted_by)
    notes = [note for labels in label_sets.values() for note in labels.notes]
    meant = _on_few_classes(images, declared, counts)
    return AccuracyTable(
        images,
        len(right),
        fingerprint,
        tuple(columns),
        rows,
        tuple(left_out),
        notes=tuple(
            dict.fromkeys(
                [
                    *(*notes, *meant, *_of_shards(counts), *_with_care(images, counts)),
                    *(*_caveats(rows), *_near_chance(rows, columns)),
                ]
            )
        ),
        label_sets=tuple(_name(*found, right) for found in label_sets.items()),
    )


def calibration(store: Stores | Store, run: Run, right: LabelSet) -> dict[str, float]:
    """Calibration of a run: ECE; NLL and Brier score if all probabilities were kept.

    An imported run that has classes alone has no calibration, nor has an estimate.
    NLL and Brier score also need one right class per picture, which the model must know.

    Raises:
        StoreError: the run is broken.
    """
    made = store.provenance(run)
    if not made.has_probabilities or made.design:
        return {}
    found = {"ECE": expected_calibration_error(store.read(run), right)}
    if right.classes.shape[1] > 1 or not store.keeps_all_probabilities(run):
        return found
    probabilities = store.read_probabilities(run)
    if right.classes.max() < probabilities.shape[1]:
        found["NLL"] = negative_log_likelihood(probabilities, right)
        found["Brier"] = brier_score(probabilities, right)
    return found


def _columns(
    labels: Mapping[str, LabelSet], proportions: Mapping[str, Correct], few: tuple[int, ...]
) -> dict[str, _Column]:
    """The columns by name; first those about the declared classes, if these are few."""
    found = {
        prefix + name: _Column(correct, right)
        for name, correct in proportions.items()
        for prefix, right in labels.items()
    }
    among = {f"{len(few)}-class {name}": replace(one, few=few) for name, one in found.items()}
    return {**(among if few else {}), **found}


def _count(
    stored: StoredRuns,
    run: Run,
    right: NDArray[np.int64],
    columns: Mapping[str, _Column],
    sorted_by: str,
) -> Counts:
    predicted, provenance = stored.classes_and_provenance(run)
    if len(predicted) != len(right):
        raise StoreError(f"{run} has {len(predicted)} rows for {len(right)} pictures.")
    declared = next((column.few for column in columns.values() if column.few), ())
    few = stored.restricted_classes(run) if declared else None
    if few is not None and provenance.classes != declared:
        raise StoreError(
            f"{run} chooses among {len(provenance.classes)} classes, and other runs among "
            f"{len(declared)}: they are not the same. Compute it again with 'imagenet-benchmark "
            "predict --again'."
        )
    if declared and few is None:
        raise StoreError(
            f"{run} keeps no predictions among the few classes of its image set; {provenance.again}"
        )
    hits = {}
    for name, column in columns.items():
        guesses = few if few is not None and column.few else predicted
        with suppress(TooFewGuesses):
            hits[name] = column.correct(guesses, column.labels)
    if sorted_by not in hits:
        raise StoreError(f"{run} has too few guesses per picture for {sorted_by}.")
    counted = {name: (int(np.count_nonzero(found)), len(found)) for name, found in hits.items()}
    return Counts(
        run,
        provenance,
        counted,
        np.packbits(hits[sorted_by]),
        estimates=_estimates(run, provenance, hits, columns),
    )


def _estimates(
    run: Run,
    provenance: Provenance,
    hits: Mapping[str, NDArray[np.bool_]],
    columns: Mapping[str, _Column],
) -> dict[str, Estimate]:
    """Estimates of the shares of all pictures, if a run's pictures are a sample; else none."""
    design = provenance.design
    if design is None:
        return {}
    found = {}
    for name, right in hits.items():
        in_rows = np.empty(design.n, dtype=np.bool_)
        check_whole_sample(run, columns[name].labels, design)
        in_rows[columns[name].labels.rows] = right
        found[name] = estimated_share(in_rows, design)
    return found


def _declared(stored: StoredRuns, runs: Sequence[Run], right: NDArray[np.int64]) -> tuple[int, ...]:
    """The few classes among which these runs have predictions too; () if none has."""
    if np.count_nonzero(np.bincount(right[:, 0])) == len(
        wnids()
    ):  # np.unique would import numpy.ma
        return ()
    for run in runs:
        with suppress(StoreError):
            _, provenance = stored.classes_and_provenance(run)
            if provenance.classes and stored.restricted_classes(run) is not None:
                return provenance.classes
    return ()


def _of_shards(counts: Sequence[Counts]) -> Iterator[str]:
    """How runs on shards become runs on the whole set."""
    for name in sorted({run.provenance.shard.whole for run in counts if run.provenance.shard}):
        yield (
            f"note: shards of {name} are image sets of their own here; 'imagenet-benchmark merge' "
            f"puts their runs together as runs on {name}"
        )


def _with_care(images: str, counts: Sequence[Counts]) -> Iterator[str]:
    """What accuracies on a published set need to be read with."""
    names = {run.provenance.picture_set for run in counts}
    yield from (f"note: {images}: {CARE[name]}" for name in sorted(names & CARE.keys()))


def _on_few_classes(
    images: str, declared: Collection[int], counts: Sequence[Counts]
) -> Iterator[str]:
    """What the columns of a set with few classes mean."""
    kept = max((len(run.provenance.classes) for run in counts), default=0)
    if kept and not declared:
        yield (
            f"note: {images}: its runs keep no predictions among its {kept} classes, as those that "
            f"were exported and imported; Acc counts the best of all {len(wnids()):,}"
        )
    if declared:
        n = len(declared)
        yield (
            f"note: {images}: {n}-class Acc counts the best of its {n} classes, as the authors of "
            f"such sets do; Acc counts the best of all {len(wnids()):,}"
        )


def _is_plain(labels: LabelSet | None, right: NDArray[np.int64]) -> bool:
    """Whether a label set has all rows with their stored classes."""
    return (
        labels is not None
        and np.array_equal(labels.rows, np.arange(len(right)))
        and np.array_equal(labels.classes, right)
    )


def _name(prefix: str, labels: LabelSet, right: NDArray[np.int64]) -> str:
    """Name of a label set in a table; see `AccuracyTable.label_sets`."""
    if prefix.strip():
        return prefix.strip()
    return "original" if np.array_equal(labels.classes, right[labels.rows]) else "given"


def _compared(run: Counts) -> Counts:
    """Add the published accuracy of the same weights; random weights have none."""
    known = published_of(run.run.source, run.run.model, run.run.recipe)
    return run if run.provenance.is_random else replace(run, published=known)


def _caveats(rows: Sequence[Row]) -> Iterator[str]:
    """What is not known about the published accuracies."""
    for row in rows:
        if row.published and row.published.caveat:
            yield f"{row.published.caveat} (published accuracies of {row.run.source})"


def _near_chance(rows: Sequence[Row], columns: Mapping[str, _Column]) -> Iterator[str]:
    """Warnings of models with trained weights that are right about as often as by chance."""
    for name in rows[0].scores if rows else ():
        scored = [row for row in rows if name in row.scores and name.endswith("Acc@1")]
        few = np.count_nonzero(np.bincount(columns[name].labels.classes[:, 0])) < FEW_CLASSES
        most = CHANCE if few else MOST_CHANCE
        low = [
            row
            for row in scored
            if row.scores[name].share < CHANCE and row.scores[name].high < most
        ]
        low = [row for row in low if not row.provenance.is_random]
        if low:
            first = low[0]
            yield (
                f"warning: {name} of {len(low)} of {len(rows)} runs on {first.run.images} is near "
                f"chance ({first.run.source}/{first.run.model}: "
                f"{100 * first.scores[name].share:.2f} %): labels and predictions are probably in "
                "different orders of pictures or classes"
            )


def _drawn_alike(counts: Sequence[Counts]) -> tuple[list[Counts], list[str]]:
    """The runs whose pictures were drawn as those of most, and why the others are left out."""
    designs = [run.provenance.design for run in counts]
    ((expected, _),) = Counter(designs).most_common(1)
    same = [run for run, design in zip(counts, designs, strict=True) if design == expected]
    return same, [
        f"the pictures of {run.run} were drawn in another way than those of most runs; compute it "
        "again, or move it to another store."
        for run, design in zip(counts, designs, strict=True)
        if design != expected
    ]


def _fingerprint(counts: Sequence[Counts]) -> str:
    """Fingerprint of the pictures of most runs; runs on other pictures cannot be ranked."""
    ((found, _),) = Counter(run.provenance.fingerprint for run in counts).most_common(1)
    return found


def _on_other_pictures(counts: Sequence[Counts], expected: str) -> Iterator[str]:
    for run in counts:
        found = run.provenance.fingerprint
        if found != expected:
            yield (
                f"{run.run} was made on other pictures (fingerprint {found}) than most "
                f"({expected}); move it to another store."
            )
