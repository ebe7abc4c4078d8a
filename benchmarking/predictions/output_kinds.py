"""Are a model's outputs logits, probabilities or classes? And their conversion to predictions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.labels.agreement import DEVIATIONS
from benchmarking.models.spec import Probabilities
from benchmarking.predictions.output_files.outputs import Outputs
from benchmarking.predictions.top_k import TopK, best_first, join, most_probable, top_k_among

Kind = Literal["logits", "probabilities", "classes"]

KINDS: tuple[Kind, ...] = ("logits", "probabilities", "classes")
"""What outputs can be."""

_SOFTMAX = "note: these are logits; a softmax was applied"
_SUM = 1e-3
"""Largest distance from 1 of the sum of probabilities, of which some have half precision."""
_LIMIT = 1 + 1e-5
"""Largest probability; a softmax can exceed 1 by a rounding error."""
LEAST_OF_LOGITS = -1e-3
"""Logits of 1,000 classes have values below this one; a rounding error has not."""
_ROWS = 1000  # that are converted at once
_TOP = 5


@dataclass(frozen=True, eq=False)
class Scan:
    """What one pass over scores of all classes finds.

    Attributes:
        first: (m,) class with the largest score; ties go to the lower class.
        low: smallest score.
        high: largest score.
        least: smallest sum of a row.
        most: largest sum of a row.
        is_hot: whether each row has a single 1, and 0 otherwise.
    """

    first: NDArray[np.int64]
    low: float
    high: float
    least: float
    most: float
    is_hot: bool

    @property
    def sums_to_one(self) -> bool:
        """Whether the rows are probabilities, perhaps with rounding errors below 0."""
        are_ones = self.least >= 1 - _SUM and self.most <= 1 + _SUM
        return are_ones and self.low >= LEAST_OF_LOGITS

    @property
    def has_rounding_errors(self) -> bool:
        """Whether values are below 0, but by no more than a thousandth of the largest one."""
        return self.high * LEAST_OF_LOGITS <= self.low < 0


def scanned(scores: NDArray[Any]) -> Scan:
    """Look at scores of all classes, some rows at a time.

    Args:
        scores: (m, classes) logits or probabilities.

    Raises:
        BenchmarkError: a value is NaN or infinite, or a row has the same value for every class.
    """
    first, lows, highs, sums, hot = [], [], [], [], True
    for start, rows in _parts(scores):
        low, high = rows.min(axis=1), rows.max(axis=1)
        _refuse(~(np.isfinite(low) & np.isfinite(high)), start, "has NaN or infinity")
        _refuse(
            low == high,
            start,
            "has the same value for every class, so it was probably not computed",
        )
        first.append(rows.argmax(axis=1))
        lows.append(low.min())
        highs.append(high.max())
        sums.append(rows.sum(axis=1))
        hot = hot and bool((((rows == 0) | (rows == 1)).all(axis=1) & (sums[-1] == 1)).all())
    total = np.concatenate(sums)
    return Scan(
        np.concatenate(first),
        float(min(lows)),
        float(max(highs)),
        float(total.min()),
        float(total.max()),
        hot,
    )


def kind_of(scan: Scan, said: str | None) -> tuple[Kind, tuple[str, ...]]:
    """Whether scores are logits or probabilities, with notes for the user.

    Args:
        scan: what was found in them.
        said: "logits" or "probabilities", as the user says; None to find out.

    Raises:
        BenchmarkError: it cannot be told, or is not what the user says.
    """
    sums = f"rows sum to {scan.least:.4g} to {scan.most:.4g}"
    values = f"values from {scan.low:.4g} to {scan.high:.4g}"
    if scan.has_rounding_errors and said != "logits":
        otherwise = "" if scan.sums_to_one else ", or say --outputs logits"
        raise BenchmarkError(
            f"{values}, and {sums}: probabilities with rounding errors below 0, or something else; "
            f"set what is below 0 to 0{otherwise}"
        )
    if said == "probabilities":
        if scan.low < 0 or scan.high > _LIMIT:
            percent = "divide percentages by 100, or " if scan.low >= 0 else ""
            raise BenchmarkError(
                f"these are no probabilities: {values}; {percent}say --outputs logits"
            )
        off = () if scan.sums_to_one else (f"warning: {sums}, not to 1; stored as they are",)
        return "probabilities", off
    if said == "logits" and scan.sums_to_one:
        raise BenchmarkError(
            "each row sums to 1, so these are probabilities; a softmax would make them wrong"
        )
    if said == "logits":
        return "logits", (_SOFTMAX,)
    if scan.is_hot:
        raise BenchmarkError(
            "each row has a single 1, so these are classes; save np.argmax(array, axis=1), or say "
            "--outputs probabilities"
        )
    if scan.sums_to_one:
        return "probabilities", ()
    if scan.low >= 0 and scan.most - scan.least <= _SUM * scan.most:
        raise BenchmarkError(
            f"each row sums to {scan.most:.4g}; divide by it to get probabilities, or say "
            "--outputs logits"
        )
    if scan.low >= 0 and scan.high <= _LIMIT:
        raise BenchmarkError(
            f"{values}, but {sums}: sigmoid outputs, or something else; say --outputs logits or "
            "--outputs probabilities"
        )
    if scan.low >= 0:
        raise BenchmarkError(
            f"{values}, none of them negative, and {sums}: percentages, or something else; divide "
            "percentages by 100, or say --outputs logits"
        )
    return "logits", (_SOFTMAX,)


def predictions_of(
    scores: NDArray[Any], entries: NDArray[np.intp], kind: Kind, *, keep_all: bool
) -> tuple[TopK, Probabilities | None]:
    """The predictions of each picture from the scores of all classes.

    Classes are sorted by their scores, in full precision. Ties go to the lower class.

    Args:
        scores: (m, classes) logits or probabilities.
        entries: (n,) entry of each picture.
        kind: "logits", of which a softmax is taken in float64, or "probabilities".
        keep_all: whether to return the probabilities of all classes as well.

    Returns:
        The five most probable classes, and (n, classes) probabilities or None.
    """
    n = len(entries)
    everything = np.empty((n if keep_all else 0, scores.shape[1]), dtype=np.float32)
    classes = np.empty((n, _TOP), dtype=np.int64)
    sure = np.empty((n, _TOP), dtype=np.float32)
    for start in range(0, n, _ROWS):
        part = slice(start, start + _ROWS)
        rows = np.asarray(scores[entries[part]], dtype=np.float64)
        classes[part] = most_probable(rows, _TOP)
        probabilities = softmax(rows) if kind == "logits" else rows
        sure[part] = np.take_along_axis(probabilities, classes[part], axis=1)
        if keep_all:
            everything[part] = probabilities
    return TopK(classes, sure), everything if keep_all else None


def top_of_few(
    scores: NDArray[Any], entries: NDArray[np.intp], kind: Kind, classes: Sequence[int]
) -> TopK:
    """The most probable of a few classes of each picture, with their softmax among these alone.

    Args:
        scores: (m, all classes) logits or probabilities.
        entries: (n,) entry of each picture.
        kind: "logits" or "probabilities".
        classes: the classes to choose from.

    Raises:
        BenchmarkError: the order is unknown, because probabilities are 0.
    """
    parts = []
    for start in range(0, len(entries), _ROWS):
        rows = np.asarray(scores[entries[start : start + _ROWS]], dtype=np.float64)
        with np.errstate(divide="ignore"):
            logits = rows if kind == "logits" else np.log(rows)
        parts.append(top_k_among(logits, classes))
    return join(parts)


def first_guesses(read: Outputs) -> NDArray[np.int64]:
    """The most probable class of each entry of a file with classes, (m,).

    Raises:
        BenchmarkError: a column of several counts the pictures.
    """
    classes = _classes(read)
    _refuse_counts(classes)
    if read.probabilities is None:
        return classes[:, 0]
    best = read.probabilities.argmax(axis=1, keepdims=True)
    first: NDArray[np.int64] = np.take_along_axis(classes, best, axis=1)[:, 0]
    return first


def top_of_classes(
    read: Outputs, entries: NDArray[np.intp], labels: NDArray[np.integer]
) -> tuple[TopK, tuple[str, ...]]:
    """The predictions of each picture from the classes in a file, with notes for the user.

    Probabilities that the file does not have are zeros.

    Args:
        read: the contents of the file.
        entries: (n,) entry of each picture.
        labels: (n,) true class of each picture.

    Raises:
        BenchmarkError: the classes are not sorted, best first, or a row has a class twice.
    """
    classes = _classes(read)[entries]
    k = classes.shape[1]
    notes = []
    if k != _TOP:
        count = "one class" if k == 1 else f"{k} classes"
        what = f"the first {_TOP} are stored" if k > _TOP else "there is no Acc@5"
        notes.append(f"note: the file has {count} per picture; {what}")
    if read.probabilities is not None:
        most = float(read.probabilities.sum(axis=1).max())
        if most > 1 + _SUM:
            notes.append(f"warning: the probabilities of a picture sum to up to {most:.4g}")
        top = best_first(classes, read.probabilities[entries].astype(np.float32))
        return TopK(top.classes[:, :_TOP], top.probabilities[:, :_TOP]), tuple(notes)
    _refuse_other_order(classes, labels)
    notes.append("note: the file has no probabilities, so that there is no calibration error")
    none = np.zeros((len(classes), min(k, _TOP)), dtype=np.float32)
    return TopK(classes[:, :_TOP], none), tuple(notes)


def _classes(read: Outputs) -> NDArray[np.int64]:
    if read.classes is None:
        raise BenchmarkError("it has scores, no classes")
    return read.classes


def _refuse_counts(classes: NDArray[np.int64]) -> None:
    """Refuse one of several columns that counts the pictures, as it would be taken for classes."""
    n, k = classes.shape
    counts = (np.arange(n), np.arange(1, n + 1))
    for place, column in enumerate(np.sort(classes, axis=0).T if k > 1 and n > _TOP else ()):
        if any(np.array_equal(column, count) for count in counts):
            raise BenchmarkError(f"its column {place} counts the pictures; leave it out")


def _refuse_other_order(classes: NDArray[np.int64], labels: NDArray[np.integer]) -> None:
    """Refuse columns of classes of which a later one is right more often than the first."""
    hits = (classes == labels[:, None]).sum(axis=0).tolist()
    most = max(hits)
    if most - hits[0] > DEVIATIONS * sqrt(most + hits[0]):
        raise BenchmarkError(
            f"its column {hits.index(most)} is right for {most:,} of {len(labels):,} pictures, and "
            f"its column 0 for {hits[0]:,}: the classes must be sorted, best first, which "
            "np.argpartition does not do"
        )


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of each row of logits, (n, classes); large logits do not overflow.

    >>> softmax(np.array([[1000.0, 1000.0]]))
    array([[0.5, 0.5]])
    """
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return found


def _parts(scores: NDArray[Any]) -> Iterator[tuple[int, NDArray[np.float64]]]:
    for start in range(0, len(scores), _ROWS):
        yield start, np.asarray(scores[start : start + _ROWS], dtype=np.float64)


def _refuse(wrong: NDArray[np.bool_], start: int, what: str) -> None:
    if wrong.any():
        raise BenchmarkError(f"row {start + int(np.flatnonzero(wrong)[0])}, counted from 0, {what}")
