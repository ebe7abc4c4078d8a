"""The row order of a list without names, found by comparison with known classes.

A list of labels or of a model's outputs for validation pictures can be in row order (by class, then
by file name) or in the order of the file numbers. Both orders are compared with the known classes
of the pictures. Only the right order agrees with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.labels.agreement import (
    DEVIATIONS,
    OWN,
    Agreement,
    Numbering,
    agreement,
    numbering,
    numbers_of,
    understood,
)
from benchmarking.labels.imagenet import validation_labels, validation_rows

_FARTHEST = 1024
"""Largest number of rows by which a list is moved to find a better agreement; a large batch."""

ROWS, NUMBERS = "the order of rows", "the order of file numbers"


class UnknownOrder(BenchmarkError):
    """A list agrees with the known classes in neither order, or in both."""


@dataclass(frozen=True, eq=False)
class Order:
    """A possible order of a list: which entry belongs to which row of an image set.

    Attributes:
        name: name of the order, for messages.
        entries: (n,) index in the list of the entry of each row.
        agreement: agreement of the list in this order with the known classes.
    """

    name: str
    entries: NDArray[np.intp]
    agreement: Agreement


@dataclass(frozen=True, eq=False)
class Placed:
    """A list in the row order of an image set.

    Attributes:
        classes: (n, w) classes of each row, padded with NO_CLASS.
        entries: (n,) index in the list of the entry of each row. Other arrays in the order of the
            list can be sorted with it.
        notes: messages for the user; each starts with "note: " or "warning: ".
    """

    classes: NDArray[np.int64]
    entries: NDArray[np.intp]
    notes: tuple[str, ...]


def placed(
    classes: NDArray[np.int64],
    keys: Sequence[str],
    known: NDArray[np.integer],
    what: str,
    known_as: str = OWN,
) -> Placed:
    """Sort a list without names into the row order of an image set.

    The list may contain labels, or the most probable classes of a model, (length, 1). A list for
    validation pictures is compared in row order and in the order of the file numbers. If neither
    agrees, another numbering of the classes is tried. A list for other pictures is assumed to be in
    row order.

    Args:
        classes: (length, w) classes of each entry of the list, padded with NO_CLASS.
        keys: names of the pictures, one per row.
        known: (n,) known class of each row.
        what: name of the list, for the notes.
        known_as: name of the known classes, for the notes.

    Raises:
        UnknownOrder: the list agrees with the known classes in neither order, or in both.
        BenchmarkError: the list has too few or too many entries.
    """
    other = None
    try:
        order = best_order(classes, keys, known)
    except UnknownOrder:
        ways = orders(len(classes), keys).items()
        found = {name: _numbering(classes, name, entries, known) for name, entries in ways}
        fit = {name: one for name, one in found.items() if one is not None}
        if len(fit) != 1:
            raise
        ((name, other),) = fit.items()
        entries = dict(ways)[name]
        order = Order(name, entries, agreement(classes[entries], known))
    renumbered, notes = understood(classes[order.entries], keys, known, what, known_as, other=other)
    if order.name == NUMBERS:
        share = agreement(renumbered, known)
        notes = (
            f"note: {what} is in {NUMBERS}, not of rows; in this order, it agrees with {known_as} "
            f"in {share} pictures",
            *notes,
        )
    if len(classes) != len(order.entries):
        part = f"{len(order.entries):,} of its {len(classes):,} entries"
        notes = (*notes, f"note: {what}: {part} belong to this set")
    return Placed(renumbered, order.entries, notes)


def _numbering(
    classes: NDArray[np.int64], order: str, entries: NDArray[np.intp], known: NDArray[np.integer]
) -> Numbering | None:
    """Another numbering of the classes of a list in this order; None if it has none.

    If the list is for the whole validation set, all its entries are compared, since a part of the
    set may have too few pictures of each class.
    """
    if len(classes) != len(entries):
        known = validation_labels().astype(np.int64)
        entries = np.arange(len(known)) if order == NUMBERS else np.argsort(validation_rows())
    return numbering(classes[entries], known)


def orders(length: int, keys: Sequence[str]) -> dict[str, NDArray[np.intp]]:
    """Every possible order of a list: its name, and the index of the entry of each row.

    A list for the whole validation set can also be used for a part of it.

    Args:
        length: number of entries of the list.
        keys: names of the pictures, one per row.

    Raises:
        BenchmarkError: the list has too few or too many entries.
    """
    numbers = numbers_of(keys)
    found: dict[str, NDArray[np.intp]] = {}
    if length == len(keys):
        found[ROWS] = np.arange(length)
        if numbers is not None:
            found[NUMBERS] = np.argsort(np.argsort(numbers, kind="stable"), kind="stable")
    elif numbers is not None and length == len(validation_labels()):
        found[ROWS] = np.argsort(validation_rows())[numbers - 1]
        found[NUMBERS] = numbers - 1
    else:
        raise BenchmarkError(f"{length} labels for {len(keys)} pictures")
    if NUMBERS in found and np.array_equal(found[ROWS], found[NUMBERS]):
        del found[NUMBERS]
    return found


def best_order(
    classes: NDArray[np.integer], keys: Sequence[str], known: NDArray[np.integer]
) -> Order:
    """The order in which a list agrees with the known classes of some pictures.

    The list may contain labels, or the most probable classes of a model, (length, 1). If only one
    order is possible, it is returned without a comparison.

    Args:
        classes: (length, w) classes of each entry of the list, padded with NO_CLASS.
        keys: names of the pictures, one per row.
        known: (n,) known class of each row.

    Raises:
        UnknownOrder: the list agrees with the known classes in neither order, or in both, and the
            two orders give different classes.
        BenchmarkError: the list has too few or too many entries.
    """
    found = [
        Order(name, entries, agreement(classes[entries], known))
        for name, entries in orders(len(classes), keys).items()
    ]
    first, *others = found
    if all(np.array_equal(classes[first.entries], classes[one.entries]) for one in others):
        return first
    best, other = sorted(found, key=lambda one: -one.agreement.hits)
    if best.agreement.fits and (
        not other.agreement.fits or _is_clear(classes, known, best.entries, other.entries)
    ):
        return best
    shares = " and ".join(f"in {one.name} for {one.agreement}" for one in found)
    fit = "both" if other.agreement.fits else "neither"
    raise UnknownOrder(
        "it has no names, so its order is found by comparison with the known classes. It agrees "
        f"{shares} entries; {fit} can be right. Write a .csv with the name of each picture"
    )


def better_shift(classes: NDArray[np.integer], known: NDArray[np.integer]) -> int:
    """By how many rows a list has to be moved to agree significantly more often; 0 if by none.

    Rows that are sorted by class mostly have the class of their neighbours, so a list that is moved
    by a few rows still agrees in most. A data loader that has started before moves it so.

    Args:
        classes: (n,) class of each row.
        known: (n,) known class of each row.
    """
    farthest = min(_FARTHEST, len(known) - 1)
    shifts = [0, *(sign * by for by in range(1, farthest + 1) for sign in (1, -1))]
    hits = [int((np.roll(classes, by) == known).sum()) for by in shifts]
    best = shifts[int(np.argmax(hits))]
    more, less = _discordant(np.roll(classes, best) == known, classes == known)
    return best if more - less > DEVIATIONS * sqrt(more + less) else 0


def _is_clear(
    classes: NDArray[np.integer],
    known: NDArray[np.integer],
    best: NDArray[np.intp],
    other: NDArray[np.intp],
) -> bool:
    """Whether one order agrees significantly more often than another.

    Only rows on which exactly one of the orders agrees count. Source: McNemar's test, with its
    normal approximation.
    """
    ours, theirs = ((classes[entries] == known[:, None]).any(axis=1) for entries in (best, other))
    more, less = _discordant(ours, theirs)
    return more > 0 and (less == 0 or more - less > DEVIATIONS * sqrt(more + less))


def _discordant(ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> tuple[int, int]:
    """Number of rows in which only the first order agrees, and only the second."""
    return int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
