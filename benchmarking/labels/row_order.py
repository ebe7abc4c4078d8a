"""To which pictures do the entries of a list without names belong?

A list of labels, or of a model's outputs, for ImageNet's validation pictures can be in the order of
the rows, by class and then by file, or in the order of the files' numbers. It is compared with
classes that are known in both orders; only the right one agrees with them.
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
    agreement,
    numbering,
    numbers_of,
    understood,
)
from benchmarking.labels.imagenet import validation_labels, validation_rows

ROWS, NUMBERS = "the order of rows", "the order of file numbers"


class UnknownOrder(BenchmarkError):
    """A list agrees with what is known in none of its orders, or in several."""


@dataclass(frozen=True, eq=False)
class Order:
    """A way in which the entries of a list can belong to the rows of an image set.

    Attributes:
        name: in words.
        entries: (n,) place in the list of the entry of each row.
        agreement: with what is known of the rows.
    """

    name: str
    entries: NDArray[np.intp]
    agreement: Agreement


@dataclass(frozen=True, eq=False)
class Placed:
    """A list whose entries were brought into the order of the rows of an image set.

    Attributes:
        classes: (n, w) classes of each row, filled up with NO_CLASS.
        entries: (n,) place in the list of the entry of each row, to bring all else into order.
        notes: what was found out, a line each, which starts with "note: " or "warning: ".
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
    """Bring a list without names into the order of the rows of an image set.

    Serves labels, and a model's first guesses, (length, 1), alike. Validation pictures are tried in
    the order of rows and in that of file numbers, and in another numbering of the classes if need
    be. A list for other pictures is in the order of rows.

    Args:
        classes: (length, w) classes of each entry of the list, filled up with NO_CLASS.
        keys: names of the pictures, one per row.
        known: (n,) class of each row.
        what: name of the list, for the notes.
        known_as: what the known classes are, for the notes.

    Raises:
        UnknownOrder: the list agrees with the known classes in none of its orders, or in both.
        BenchmarkError: it has too few entries, or too many.
    """
    try:
        order = best_order(classes, keys, known)
    except UnknownOrder:
        ways = orders(len(classes), keys).items()
        fit = [(name, entries) for name, entries in ways if numbering(classes[entries], known)]
        if len(fit) != 1:
            raise
        ((name, entries),) = fit
        order = Order(name, entries, agreement(classes[entries], known))
    renumbered, notes = understood(classes[order.entries], keys, known, what, known_as)
    if order.name == NUMBERS:
        share = agreement(renumbered, known)
        notes = (
            f"note: {what} is in {NUMBERS}, not of rows: so used, it agrees with {known_as} in "
            f"{share} pictures",
            *notes,
        )
    if len(classes) != len(order.entries):
        part = f"{len(order.entries):,} of its {len(classes):,} entries"
        notes = (*notes, f"note: {what}: {part} are of this set")
    return Placed(renumbered, order.entries, notes)


def orders(length: int, keys: Sequence[str]) -> dict[str, NDArray[np.intp]]:
    """Every order in which a list can be of some pictures: the entry of each row, by its name.

    A list for all validation pictures serves a part of them as well.

    Args:
        length: of the list.
        keys: names of the pictures, one per row.

    Raises:
        BenchmarkError: there is none.
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
    """The order in which a list belongs to some pictures, by what is known of their classes.

    Serves labels, and a model's first guesses, (n, 1), alike. Where there is only one order, it is
    returned whether it agrees or not.

    Args:
        classes: (length, w) classes of each entry of the list, filled up with NO_CLASS.
        keys: names of the pictures, one per row.
        known: (n,) class of each row.

    Raises:
        UnknownOrder: the list agrees in none of its orders, or in both, and they differ.
        BenchmarkError: it has too few entries, or too many.
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
        f"it has no names, and agrees with the known classes {shares} entries; {fit} can be "
        "right. Write a .csv with the name of each picture"
    )


def _is_clear(
    classes: NDArray[np.integer],
    known: NDArray[np.integer],
    best: NDArray[np.intp],
    other: NDArray[np.intp],
) -> bool:
    """Whether one order agrees much more often than another, by the entries that tell them apart.

    Source: McNemar's test, with its normal approximation.
    """
    ours, theirs = ((classes[entries] == known[:, None]).any(axis=1) for entries in (best, other))
    more, less = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    return more > 0 and (less == 0 or more - less > DEVIATIONS * sqrt(more + less))
