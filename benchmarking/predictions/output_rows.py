"""To which pictures do a model's outputs belong? By the names of pictures, or by their order."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.io import files
from benchmarking.io.npy_files import read_array
from benchmarking.labels.agreement import FEW, Agreement, agreement, numbers_of
from benchmarking.labels.imagenet import validation_labels
from benchmarking.labels.label_tables import decoded, picture_column
from benchmarking.labels.picture_names import PictureNames, looks_like_a_picture
from benchmarking.labels.row_order import (
    NUMBERS,
    ROWS,
    UnknownOrder,
    better_shift,
    orders,
    placed,
)
from benchmarking.pictures.image_set import ImageSet
from benchmarking.predictions.output_files import about
from benchmarking.predictions.output_files.plain_arrays import texts

Order = Literal["rows", "files"]

ORDERS: dict[Order, str] = {"rows": ROWS, "files": NUMBERS}
"""Orders that a user can name: of the set's rows, or of the numbers of validation pictures."""

_SHOWN = 3
_MANY = 200
"""Number of pictures of which no model is expected to get all right."""


@dataclass(frozen=True, eq=False)
class Entries:
    """Which entry of a file belongs to each picture of an image set.

    Attributes:
        of_rows: (n,) entry of each row.
        how: how this was found out, in words.
        notes: lines for the user; each starts with "note: " or "warning: ".
    """

    of_rows: NDArray[np.intp]
    how: str
    notes: tuple[str, ...] = ()


def most_entries(images: ImageSet) -> int:
    """Largest number of outputs that a file for these pictures can have.

    Outputs for the whole validation set serve a part of it as well.
    """
    is_part = numbers_of(images.keys) is not None
    return max(len(images), len(validation_labels())) if is_part else len(images)


def by_names(names: Sequence[str], images: ImageSet) -> Entries:
    """The entries of pictures by their names; see `labels.picture_names`.

    Raises:
        BenchmarkError: a picture of the set is missing or is named twice, or a name is that of no
            picture of the set, or of several.
    """
    known = PictureNames(images.keys, images.labels)
    found = {entry: known.find(name) for entry, name in enumerate(names)}
    rows = {entry: row for entry, row in found.items() if row is not None}
    others = [names[entry] for entry, row in found.items() if row is None]
    foreign = [name for name in others if not known.is_outside(name)]
    counted = Counter(rows.values())
    problems = {
        "of no picture of the set": foreign,
        "more than once": [images.keys[r] for r, n in counted.items() if n > 1],
        "missing": [key for r, key in enumerate(images.keys) if r not in counted],
    }
    lines = [
        f"{what}: {len(found):,} ({_some(found)})" for what, found in problems.items() if found
    ]
    if lines:
        raise BenchmarkError(
            f"{len(names):,} names for the {len(images):,} pictures of {images.name}: "
            f"{'; '.join(lines)}. Each picture must be there exactly once"
        )
    of_rows = np.empty(len(images), dtype=np.intp)
    of_rows[list(rows.values())] = list(rows)
    elsewhere = (f"note: {len(others):,} validation pictures are not in this set",)
    return Entries(of_rows, "by the names of the pictures", elsewhere if others else ())


def by_labels(labels: NDArray[np.int64], images: ImageSet) -> Entries:
    """The entries of pictures of a file without names, by its labels.

    Args:
        labels: (m,) true class of each entry.
        images: the image set.

    Raises:
        BenchmarkError: there are too few entries, or too many.
    """
    ways = _ways(len(labels), images)
    agreed = {name: int((labels[way] == images.labels).sum()) for name, way in ways.items()}
    name = max(ways, key=lambda way: agreed[way])
    return Entries(ways[name], f"{name}, by the labels in the file")


def by_order(guesses: NDArray[np.integer], images: ImageSet, order: Order | None) -> Entries:
    """The entries of pictures by the order of a file without names.

    Args:
        guesses: (m,) first guess of each entry.
        images: the image set.
        order: as the user says; None to find it out by comparison with the set's labels.

    Raises:
        BenchmarkError: there are too few entries, or too many, or the order is unknown.
    """
    m, n = len(guesses), len(images)
    ways = _ways(m, images)
    if order is not None:
        if order == "files" and numbers_of(images.keys) is None:
            raise BenchmarkError(
                f"--order files is of ImageNet's validation pictures, and {images.name} has others"
            )
        of_rows = ways.get(ORDERS[order], ways[ROWS])
        return Entries(of_rows, f"{ORDERS[order]}, as the user says")
    try:
        found = placed(guesses[:, None].astype(np.int64), images.keys, images.labels, "it")
    except UnknownOrder as error:
        _refuse_counted_from_1(guesses, ways, images)
        advice = "or say --order rows or --order files"
        raise BenchmarkError(f"{str(error).rstrip('.')}, {advice}") from error
    in_rows = guesses[found.entries]
    if not np.array_equal(found.classes[:, 0], in_rows):
        raise BenchmarkError(
            "its classes are numbered otherwise than ImageNet's; expected 0 to 999, in the order "
            "of the WordNet ids"
        )
    agreed = agreement(in_rows[:, None], images.labels)
    if n > 1 and not agreed.fits:
        _refuse_counted_from_1(guesses, ways, images)
        raise BenchmarkError(
            f"its first guesses agree with the labels of {images.name} in {agreed} pictures, about "
            "as by chance, so the order of its rows is unknown; give --names FILE, or say "
            "--order rows if it is that of the set"
        )
    name = next(name for name, way in ways.items() if np.array_equal(way, found.entries))
    part = f"{n:,} of its {m:,} rows are of pictures of {images.name}; " if m > n else ""
    note = f"note: {part}rows are in {name}: the first guesses agree with the labels in {agreed}"
    notes = (note,) if part or name == NUMBERS else ()
    return Entries(found.entries, f"{name}, by agreement with the labels", notes)


def _ways(m: int, images: ImageSet) -> dict[str, NDArray[np.intp]]:
    """Every order that a file of m entries without names can have; see `labels.row_order`."""
    n = len(images)
    if m not in (n, most_entries(images)):
        raise BenchmarkError(
            f"it has {m:,} outputs for the {n:,} pictures of {images.name}, and no names; give "
            "those of its rows with --names FILE"
        )
    return orders(m, images.keys)


def checked_agreement(guesses: NDArray[np.integer], images: ImageSet) -> tuple[str, ...]:
    """A warning if first guesses agree with the labels as those of no model do.

    They agree by chance alone, or without exception, or more often if they are moved by some rows.

    Args:
        guesses: (n,) first guess of each picture.
        images: the image set.

    Raises:
        BenchmarkError: they agree when 1 is subtracted, so that the classes are counted from 1.
    """
    agreed = agreement(guesses[:, None], images.labels)
    if agreed.hits == agreed.n >= _MANY:
        return (
            f"warning: first guesses are the labels of all {agreed.n:,} pictures: labels, in place "
            "of predictions?",
        )
    if agreed.fits:
        return _shifted(guesses, images, agreed)
    if agreed.n < 2:
        return ()
    _refuse_counted_from_1(guesses, {ROWS: np.arange(len(images))}, images)
    return (
        f"warning: first guesses agree with the labels in {agreed} pictures, about as by chance: a "
        "weak model, or wrong names or order",
    )


def _shifted(guesses: NDArray[np.integer], images: ImageSet, agreed: Agreement) -> tuple[str, ...]:
    """A warning if first guesses agree more often with the labels of pictures some rows away."""
    by = better_shift(guesses, images.labels)
    if not by:
        return ()
    moved = agreement(np.roll(guesses, by)[:, None], images.labels)
    return (
        f"warning: first guesses agree with the labels in {agreed} pictures, but in {moved} if "
        f"they are moved by {by} rows: had the data loader started before?",
    )


def without_counts(names: Sequence[str], images: ImageSet) -> NDArray[np.intp] | None:
    """The order of entries that are numbered from 0 or 1 in place of names; None if they are not.

    Raises:
        BenchmarkError: the names are numbers, and none is that of a picture.
    """
    known = PictureNames(images.keys, images.labels)
    if not all(re.fullmatch("[0-9]{1,9}", name) for name in names):
        return None
    if any(_find(known, name) for name in names[:_SHOWN]):
        return None
    numbers = np.array([int(name) for name in names])
    order = np.argsort(numbers, kind="stable")
    first = int(numbers[order[0]])
    if first not in (0, 1) or not np.array_equal(
        numbers[order], np.arange(first, first + len(names))
    ):
        raise BenchmarkError(
            f"its pictures have numbers such as {names[0]!r} in place of names, which do not count "
            "them from 0 or 1; give --names FILE"
        )
    return order


def names_in(path: Path, images: ImageSet) -> tuple[str, ...]:
    """Names of pictures, one per row of an array, from a .npy, .json, .csv or .txt file.

    Raises:
        BenchmarkError: the file cannot be read, or has no names.
    """
    known = PictureNames(images.keys, images.labels)
    try:
        if path.suffix.lower() == ".npy":
            array = read_array(path, "USiufb")
            if array.dtype.kind not in "US":
                raise BenchmarkError(f"it holds {array.dtype}; expected names, as text")
            return texts(array)
        text = decoded(files.read_regular(path))
        if path.suffix.lower() == ".json":
            found: Any = json.loads(text)
            if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
                raise BenchmarkError("it is no list of names")
            return tuple(found)
        return tuple(
            picture_column(
                text,
                lambda cell: looks_like_a_picture(cell) or _find(known, cell),
                lambda cell: _find(known, cell),
            )
        )
    except OSError as error:
        raise BenchmarkError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (BenchmarkError, ValueError, RecursionError, csv.Error) as error:
        raise about(path, error) from error


def _find(known: PictureNames, name: str) -> bool:
    """Whether this is the name of a picture of the set, or of several."""
    try:
        return known.find(name) is not None
    except BenchmarkError:
        return True


def _refuse_counted_from_1(
    guesses: NDArray[np.integer], ways: Mapping[str, NDArray[np.intp]], images: ImageSet
) -> None:
    less = guesses.astype(np.int64)[:, None] - 1
    for of_rows in ways.values():
        found = agreement(less[of_rows], images.labels)
        if found.fits and found.n >= FEW:
            raise BenchmarkError(
                f"its classes agree with the labels of {images.name} when 1 is subtracted, in "
                f"{found} pictures: they are counted from 1. Subtract 1, or leave out the class "
                "'background'"
            )


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:_SHOWN])) + ", …" * (len(names) > _SHOWN)
