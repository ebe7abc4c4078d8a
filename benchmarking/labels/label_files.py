"""Label sets by name or from files, and selections of pictures."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError, StoreError
from benchmarking.io import files
from benchmarking.io.downloads import cache_folder
from benchmarking.io.npy_files import read_array, read_integers
from benchmarking.io.user_folders import expanded
from benchmarking.labels.agreement import (
    Numbering,
    agreement,
    chance_warning,
    doubts,
    numbering,
    numbers_of,
    understood,
)
from benchmarking.labels.class_values import (
    LARGEST_CLASS,
    MOST_CLASSES,
    classes_in,
    classes_in_array,
    is_wnid,
    padded,
)
from benchmarking.labels.imagenet import class_of_wnid, validation_labels, wnids
from benchmarking.labels.label_set import NO_CLASS, LabelSet, every_image
from benchmarking.labels.label_tables import (
    LabelTable,
    decoded,
    label_table,
    picture_column,
    record_table,
)
from benchmarking.labels.picture_names import (
    PictureNames,
    looks_like_a_picture,
    number_of,
    rows_named,
)
from benchmarking.labels.row_order import placed

T = TypeVar("T")

NAMES = ("original", "real", "corrected")
"""Label sets that need no file from the user."""

CONSENSUS = (3, 4, 5)
"""Allowed thresholds for a corrected label: agreeing votes, of five."""


def label_set(
    name: str, keys: Sequence[str], original: NDArray[np.int64], consensus: int = 3
) -> LabelSet:
    """A label set by its name, or from a file.

    Args:
        name: "original", "real", "corrected", or the path of a .csv, .txt, .json or .npy file.
        keys: name of each picture of the image set.
        original: (n,) class of each picture, as stored with the set, or (n, w) if several can be
            right.
        consensus: number of votes, of five, that decide a corrected label.

    Raises:
        BenchmarkError: the labels are missing, or belong to other pictures.
    """
    if name == "original":
        return every_image(original)
    original = original if original.ndim == 1 else original[:, 0]
    if name == "real":
        found = real_labels(_fetched("real-labels", "real.json"), keys)
        return _compared(found, original, "ReaL labels")
    if name == "corrected":
        votes = _fetched("label-errors", "imagenet_mturk.json")
        found = corrected_labels(votes, keys, original, consensus)
        return _compared(found, original, "corrected labels")
    path = expanded(name)
    if not path.is_file():
        raise BenchmarkError(
            f"labels {name!r} are neither {', '.join(NAMES)} nor a file; give a .csv, .txt, .json "
            "or .npy file of pictures and their classes."
        )
    return labels_from(path, keys, original)


def prefix_of(name: str) -> str:
    """Prefix of the column names for scores with a label set.

    >>> prefix_of("original"), prefix_of("real"), prefix_of("mine/new.csv")
    ('', 'ReaL ', 'new ')
    """
    return {"original": "", "real": "ReaL "}.get(name, f"{Path(name).stem} ")


def real_labels(path: Path, keys: Sequence[str]) -> LabelSet:
    """ReaL labels: all classes that people saw in a picture; pictures without any are left out.

    Source: L. Beyer et al. (2020), Are we done with ImageNet? real.json contains a list of classes
    for each validation picture, in the order of the file numbers.

    Raises:
        BenchmarkError: the file is broken, or a picture is not in the validation set.
    """
    lists = _published(path, list[list[int]], "real.json")
    numbers = _numbers(keys, "ReaL labels")
    with _made_of(path, "real.json"):
        return _of_lists({row: lists[number - 1] for row, number in enumerate(numbers)})


def corrected_labels(
    path: Path, keys: Sequence[str], original: NDArray[np.int64], consensus: int = 3
) -> LabelSet:
    """ImageNet's labels, corrected by five people who judged each of 5,440 suspicious ones.

    They chose between the given label, another one that a model proposed, both and neither. If at
    least `consensus` people chose the given label, it stays. If as many chose the proposed one, it
    replaces the given label. Pictures with any other outcome are left out. Pictures that were not
    judged keep their label. Source: C. G. Northcutt, A. Athalye and J. Mueller (2021), Pervasive
    label errors in test sets destabilize machine learning benchmarks.

    Raises:
        BenchmarkError: the file is broken, or a picture is not in the validation set.
    """
    entries = _published(path, list[_Judged], "imagenet_mturk.json")
    numbers = _numbers(keys, "corrected labels")
    classes = np.array(original, dtype=np.int64)
    with _made_of(path, "imagenet_mturk.json"):
        judged = {entry.id: entry for entry in entries}
        for row, number in enumerate(numbers):
            entry = judged.get(number)
            if entry and entry.mturk.given < consensus:
                proposed = entry.mturk.guessed >= consensus
                chosen = classes_in(entry.our_guessed_label) if proposed else []
                classes[row] = chosen[0] if chosen else NO_CLASS
        rows = np.flatnonzero(classes != NO_CLASS)
        return LabelSet(rows, classes[rows, None])


def labels_from(
    path: Path, keys: Sequence[str], original: NDArray[np.integer] | None = None
) -> LabelSet:
    """Read labels from a file; pictures that it does not name are left out.

    Each line of a table (.csv, .tsv, .txt) contains the name of a picture and its classes. If the
    table has headings, they identify the columns. A .json file contains an object with a name and
    its classes for each picture. A list (.json, .txt or .npy) has no names, only the class or the
    classes of each picture; an .npy array may also be one-hot. Classes are numbers or WordNet ids.

    `picture_names` describes how names are compared with those of the image set. `row_order`
    describes how the order of a list is found.

    Args:
        path: path of the file.
        keys: name of each picture of the image set.
        original: (n,) class of each picture, to compare the labels with. The default is ImageNet's
            labels, if all pictures are validation pictures.

    Raises:
        BenchmarkError: the file is broken, names pictures or classes that do not exist, or is a
            list in an unknown order.
    """
    numbers = numbers_of(keys)
    known = original
    if known is None and numbers is not None:
        known = validation_labels()[numbers - 1].astype(np.int64)
    limit = len(wnids()) if numbers is not None else LARGEST_CLASS + 1
    try:
        found = _READERS[path.suffix.lower()](path, PictureNames(keys, original))
        labels = _of_table(found, str(path), keys, known)
        if known is not None:
            more = doubts(labels.classes, known[labels.rows], str(path))
            labels = replace(labels, notes=(*labels.notes, *more))
        if labels.classes.max() >= limit:
            raise BenchmarkError(
                f"{labels.classes.max()} is not a class; expected 0 to {limit - 1}"
            )
        return labels
    except KeyError as error:
        raise BenchmarkError(
            f"{path}: {error.args[0]!r} is unknown; expected {_EXPECTED}."
        ) from error
    except StoreError:
        raise  # it names the file
    except BenchmarkError as error:
        raise BenchmarkError(f"{path}: {str(error).rstrip('.')}.") from error
    except (*_BROKEN, OSError, csv.Error) as error:
        raise BenchmarkError(f"{path}: {error}; expected {_EXPECTED}.") from error


def list_from(path: Path) -> NDArray[np.int64]:
    """Read the classes of a list without names, (length, w), padded with NO_CLASS.

    Raises:
        BenchmarkError: the file is broken, or does not contain such a list.
    """
    try:
        return classes_in_array(read_array(path, _KINDS))
    except _BROKEN as error:
        raise BenchmarkError(f"{path}: {error}.") from error
    except KeyError as error:
        raise BenchmarkError(f"{path}: {error.args[0]!r} is not a class.") from error


def single_classes(classes: NDArray[np.int64], path: Path) -> NDArray[np.int64]:
    """The class of each entry of a list, (n,), for labels that allow only one class each.

    Raises:
        BenchmarkError: an entry has several classes.
    """
    if classes.shape[1] > 1 and (classes[:, 1] != NO_CLASS).any():
        raise BenchmarkError(f"{path}: a picture has several classes; expected one for each.")
    return classes[:, 0]


def rows_of(
    names: Sequence[str], keys: Sequence[str], original: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Rows that are selected by WordNet ids, names of pictures, or files of names or row numbers.

    A WordNet id selects the pictures for which its class is any of the right ones.

    Args:
        names: what selects rows.
        keys: names of the pictures.
        original: (n,) class of each picture, or (n, w) right classes, padded with NO_CLASS.

    Raises:
        BenchmarkError: an argument is none of these, or a picture or row does not exist.
    """
    right = original.reshape(len(keys), -1)
    return np.unique(np.concatenate([_rows(name, keys, right) for name in names]))


@dataclass(frozen=True)
class _Votes:
    given: int
    guessed: int


@dataclass(frozen=True)
class _Judged:
    """An entry of imagenet_mturk.json: the votes of people on the label of a picture."""

    id: int
    our_guessed_label: int
    mturk: _Votes


_EXPECTED = "a .csv, .txt, .json or .npy file of pictures and their classes"
# Errors from converting unexpected data to a LabelSet; JSON numbers may be infinite.
_BROKEN = (TypeError, ValueError, OverflowError)
_KINDS = "iufbUS"  # kinds of NumPy arrays: numbers, True and False, and text such as WordNet ids
_TEXTS = (".csv", ".tsv", ".txt")


def _rows(name: str, keys: Sequence[str], right: NDArray[np.int64]) -> NDArray[np.int64]:
    if name.lower() in class_of_wnid():
        return np.flatnonzero((right == class_of_wnid()[name.lower()]).any(axis=1))
    path, known = expanded(name), PictureNames(keys, right[:, 0])
    if not path.is_file() and not looks_like_a_picture(name):
        raise BenchmarkError(
            f"{name!r} is neither a WordNet id such as n01440764, nor a picture of the set, nor a "
            "file; give a .npy file of row numbers, or a .txt, .csv or .json file of names of "
            "pictures."
        )
    try:
        if looks_like_a_picture(name):
            return np.array(list(rows_named([name], known)[0].values()), dtype=np.int64)
        if path.suffix.lower() == ".npy":
            rows = read_integers(path)
            if rows.size and not 0 <= rows.min() <= rows.max() < len(keys):
                raise ValueError(f"a row is not among the {len(keys)} rows")
            return rows
        if path.suffix.lower() == ".json":
            found = list(map(str, _json(path)))
        else:
            text = decoded(files.read_regular(path))
            found = picture_column(text, _is_picture(known), _is_known(known))
        rows_by_name, _ = rows_named(found, known)
        return np.array(list(rows_by_name.values()), dtype=np.int64)
    except StoreError:
        raise  # it names the file
    except (*_BROKEN, OSError, csv.Error, BenchmarkError) as error:
        raise BenchmarkError(f"{name}: {str(error).rstrip('.')}.") from error


@contextmanager
def _made_of(path: Path, name: str) -> Iterator[None]:
    """Replace errors about the content of a published file by one that names the file."""
    try:
        yield
    except (*_BROKEN, LookupError) as error:
        raise BenchmarkError(f"{path} is not {name}: {error!r}.") from error
    except BenchmarkError as error:
        raise BenchmarkError(f"{path}: {error}") from error


def _compared(labels: LabelSet, original: NDArray[np.int64], what: str) -> LabelSet:
    """The same labels, with a warning if they agree with the set's own only by chance."""
    known = original[labels.rows]
    chance = chance_warning(agreement(labels.classes, known), what)
    return replace(labels, notes=(*chance, *doubts(labels.classes, known, what)))


def _fetched(collection: str, file: str) -> Path:
    path = cache_folder(collection) / file
    if not path.is_file():
        raise BenchmarkError(
            f"{path} is missing; run 'imagenet-benchmark fetch {collection}' once."
        )
    return path


def _published(path: Path, kind: type[T], name: str) -> T:
    """Decode a published JSON file.

    Raises:
        BenchmarkError: the file cannot be read, or its content has another type.
    """
    import msgspec

    try:
        return msgspec.json.decode(files.read_regular(path), type=kind)
    except OSError as error:
        raise BenchmarkError(f"{path} cannot be read: {error.strerror}.") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise BenchmarkError(f"{path} is not {name}: {error}.") from error


def _json(path: Path) -> Any:
    try:
        return json.loads(decoded(files.read_regular(path)), object_pairs_hook=_each_once)
    except (OSError, ValueError, RecursionError) as error:
        raise BenchmarkError(f"{path} is no whole .json file: {error}.") from error


def _each_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a JSON object with repeated names; `json` would keep only the last value of each."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"{len(pairs) - len(found)} names occur more than once")
    return found


def _numbers(keys: Sequence[str], what: str) -> list[int]:
    """Number of each validation picture."""
    numbers = numbers_of(keys)
    if numbers is None:
        stranger = next(key for key in keys if numbers_of([key]) is None)
        raise BenchmarkError(
            f"{what} exist only for ImageNet's validation pictures, and {stranger!r} is not one; "
            "choose another image set with --images, or other labels."
        )
    return [int(number) for number in numbers]


def _of_lists(classes: Mapping[int, Any]) -> LabelSet:
    """A label set from the class or classes of each row; rows without a class are left out."""
    rows = sorted(classes)
    return _without_empty(
        np.array(rows, dtype=np.int64), padded(classes_in(classes[r]) for r in rows)
    )


def _without_empty(
    rows: NDArray[np.int64], classes: NDArray[np.int64], notes: tuple[str, ...] = ()
) -> LabelSet:
    filled = classes[:, 0] != NO_CLASS
    return LabelSet(rows[filled], classes[filled], notes)


def _of_table(
    found: _Entries, what: str, keys: Sequence[str], known: NDArray[np.integer] | None
) -> LabelSet:
    """A label set from the entries of a file, with or without names."""
    if found.names is None:
        _refuse_counted(found.classes, numbers_of(keys))
        if known is None:
            if len(found.classes) != len(keys):
                raise ValueError(f"{len(found.classes)} labels for {len(keys)} pictures")
            return _without_empty(np.arange(len(keys)), found.classes, found.notes)
        in_order = placed(found.classes, keys, known, what)
        return _without_empty(
            np.arange(len(keys)), in_order.classes, (*found.notes, *in_order.notes)
        )
    rows, outside = rows_named(found.names, PictureNames(keys, known))
    if len(set(rows.values())) < len(rows):
        raise ValueError(f"{len(rows) - len(set(rows.values()))} pictures occur more than once")
    kept = [at for at, name in enumerate(found.names) if name in rows]
    numbers = np.array([rows[found.names[at]] for at in kept], dtype=np.int64)
    order = np.argsort(numbers)
    numbers, classes = numbers[order], found.classes[kept][order]
    notes = found.notes
    if outside:
        notes += (f"note: {what}: {outside:,} validation pictures are not in this set",)
    if known is not None:
        mine, own = [keys[row] for row in numbers], known[numbers]
        is_strange = outside and not agreement(classes, own).fits
        other = _numbering_of_all(found) if is_strange else None
        classes, more = understood(classes, mine, own, what, other=other)
        notes += more
    return _without_empty(numbers, classes, notes)


def _numbering_of_all(found: _Entries) -> Numbering | None:
    """Another numbering of the classes of a file, from all validation pictures that it names.

    The pictures of the set may be too few of each class to find it.
    """
    numbers = [number_of(name) or 0 for name in found.names or ()]
    filled = np.flatnonzero(numbers)
    known = validation_labels()[np.array(numbers, dtype=np.intp)[filled] - 1].astype(np.int64)
    return numbering(found.classes[filled], known)


def _refuse_counted(classes: NDArray[np.int64], numbers: NDArray[np.intp] | None) -> None:
    """Refuse a list with a column of picture numbers, which would be read as classes."""
    n = len(classes)
    counts = [np.arange(n), np.arange(1, n + 1), *([] if numbers is None else [np.sort(numbers)])]
    for at, column in enumerate(np.sort(classes, axis=0).T if 1 < classes.shape[1] < n else ()):
        if any(np.array_equal(column, count) for count in counts):
            raise BenchmarkError(
                f"its column {at} has the number of each picture, not a class; keep only the "
                "column of classes"
            )


@dataclass(frozen=True, eq=False)
class _Entries:
    """The entries of a label file: (m, w) classes, and m names or None for a list."""

    names: tuple[str, ...] | None
    classes: NDArray[np.int64]
    notes: tuple[str, ...] = ()


def _entries(path: Path, table: LabelTable, known: PictureNames) -> _Entries:
    """The entries of a table; names that only number the lines make it a list without names."""
    classes, names = padded(table.classes), table.names
    notes: tuple[str, ...] = ()
    if table.unused:
        unused = ", ".join(map(repr, table.unused))
        notes = (f"note: {path}: columns that were not read: {unused}",)
    if table.joined:
        notes += (
            f"note: {path}: it has no headings, so the classes of all {table.joined} columns "
            "beside the names count as right",
        )
    if names is not None and len(set(names)) < len(names):
        raise ValueError(f"{len(names) - len(set(names))} names occur more than once")
    are_numbers = all(re.fullmatch("[0-9]{1,9}", name) for name in names or ())
    if names and are_numbers and not any(map(_is_known(known), names)):
        numbers = np.array([int(name) for name in names])
        order = np.argsort(numbers, kind="stable")
        first = int(numbers[order[0]])
        if first in (0, 1) and np.array_equal(numbers[order], np.arange(first, first + len(names))):
            return _Entries(None, classes[order], notes)
    return _Entries(names, classes, notes)


def _is_known(known: PictureNames) -> Callable[[str], bool]:
    """A function that tells whether a cell is the name of one or more pictures of the set."""

    def is_known(cell: str) -> bool:
        try:
            return known.find(cell) is not None
        except BenchmarkError:
            return True

    return is_known


def _is_picture(known: PictureNames) -> Callable[[str], bool]:
    """A function that tells whether a cell is the name of any picture; plain numbers are not."""
    is_known = _is_known(known)

    def is_picture(cell: str) -> bool:
        if known.has(cell):
            return True
        if re.fullmatch(r"[+-]?[0-9.]*", cell) or is_wnid(cell):
            return False
        return looks_like_a_picture(cell) or is_known(cell)

    return is_picture


def _from_text(path: Path, known: PictureNames) -> _Entries:
    text = decoded(files.read_regular(path))
    return _entries(path, label_table(text, _is_picture(known)), known)


def _from_json(path: Path, known: PictureNames) -> _Entries:
    found = _json(path)
    if isinstance(found, Mapping):
        classes = tuple(tuple(classes_in(one)) for one in found.values())
        return _entries(path, LabelTable(tuple(found), classes), known)
    if not isinstance(found, list):
        raise TypeError("neither an object nor a list")
    if found and all(isinstance(one, Mapping) for one in found):
        return _entries(path, record_table(found, _is_picture(known)), known)
    if _is_one_hot(found):
        return _Entries(None, classes_in_array(np.array(found, dtype=np.int64)))
    return _Entries(None, padded(map(classes_in, found)))


def _is_one_hot(found: Sequence[Any]) -> bool:
    """Whether each entry is a list with a 0 or 1 for every class."""
    lengths = {len(one) if isinstance(one, list) else 0 for one in found}
    if len(lengths) != 1 or not 1 < next(iter(lengths)) <= MOST_CLASSES:
        return False
    return all(isinstance(n, int | float) and n in (0, 1) for one in found for n in one)


def _from_npy(path: Path, known: PictureNames) -> _Entries:
    return _Entries(None, classes_in_array(read_array(path, _KINDS)))


_READERS = {**dict.fromkeys(_TEXTS, _from_text), ".json": _from_json, ".npy": _from_npy}
