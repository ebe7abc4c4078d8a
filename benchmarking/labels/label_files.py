"""Label sets by name or from files, and subsets of pictures."""

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
from benchmarking.labels.agreement import agreement, chance_warning, numbers_of, understood
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
from benchmarking.labels.picture_names import PictureNames, looks_like_a_picture, rows_named
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
        original: (n,) class of each picture, as stored with the set.
        consensus: number of votes, of five, that decide a corrected label.

    Raises:
        BenchmarkError: the labels are missing, or belong to other pictures.
    """
    if name == "original":
        return every_image(original)
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

    Source: L. Beyer et al. (2020), Are we done with ImageNet? real.json has a list of classes for
    validation picture 1, 2 and so on.

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

    A table (.csv, .tsv, .txt) has the name of a picture and its class or classes on each line; with
    headings, in the columns that are called so. A .json has an object of names and classes. Lists
    have no names: a class, or several, for each picture, as in a .json or .txt, or an .npy array,
    which can also have a 0 or 1 for every class. Classes are numbers or WordNet ids.

    Names are those of the image set; see `picture_names`. The order of a list for validation
    pictures is found by comparison; see `row_order`.

    Args:
        path: of the file.
        keys: name of each picture of the image set.
        original: (n,) class of each, to compare the labels with; by default ImageNet's own, where
            all are validation pictures.

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
        if labels.classes.max() >= limit:
            raise BenchmarkError(f"{labels.classes.max()} is no class; expected 0 to {limit - 1}")
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
    """Classes of each entry of a list without names, (length, w), filled up with NO_CLASS.

    Raises:
        BenchmarkError: the file is broken, or is no such list.
    """
    try:
        return classes_in_array(read_array(path, _KINDS))
    except _BROKEN as error:
        raise BenchmarkError(f"{path}: {error}.") from error
    except KeyError as error:
        raise BenchmarkError(f"{path}: {error.args[0]!r} is no class.") from error


def single_classes(classes: NDArray[np.int64], path: Path) -> NDArray[np.int64]:
    """The only class of each entry of a list, (n,), as an image set's own labels have to be.

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

    Raises:
        BenchmarkError: a name is neither, or a file names a picture or row that does not exist.
    """
    return np.unique(np.concatenate([_rows(name, keys, original) for name in names]))


@dataclass(frozen=True)
class _Votes:
    given: int
    guessed: int


@dataclass(frozen=True)
class _Judged:
    """An entry of imagenet_mturk.json: a picture whose label people have judged."""

    id: int
    our_guessed_label: int
    mturk: _Votes


_EXPECTED = "a .csv, .txt, .json or .npy file of pictures and their classes"
# Errors from converting unexpected data to a LabelSet; JSON numbers may be infinite.
_BROKEN = (TypeError, ValueError, OverflowError)
_KINDS = "iufbUS"  # of arrays: numbers, 0 and 1, and text such as WordNet ids
_TEXTS = (".csv", ".tsv", ".txt")


def _rows(name: str, keys: Sequence[str], original: NDArray[np.int64]) -> NDArray[np.int64]:
    if name.lower() in class_of_wnid():
        return np.flatnonzero(original == class_of_wnid()[name.lower()])
    path, known = expanded(name), PictureNames(keys, original)
    if not path.is_file() and not looks_like_a_picture(name):
        raise BenchmarkError(
            f"{name!r} is neither a WordNet id such as n01440764 nor a picture of the set nor a "
            "file; give a .npy file of row numbers, or a .txt, .csv or .json file of pictures' "
            "names."
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
    """Turn errors from unexpected content of a published file into one that names the file."""
    try:
        yield
    except (*_BROKEN, LookupError) as error:
        raise BenchmarkError(f"{path} is not {name}: {error!r}.") from error
    except BenchmarkError as error:
        raise BenchmarkError(f"{path}: {error}") from error


def _compared(labels: LabelSet, original: NDArray[np.int64], what: str) -> LabelSet:
    """The same labels, with a warning if they agree with the set's own by chance alone."""
    found = agreement(labels.classes, original[labels.rows])
    return replace(labels, notes=chance_warning(found, what))


def _fetched(collection: str, file: str) -> Path:
    path = cache_folder(collection) / file
    if not path.is_file():
        raise BenchmarkError(
            f"{path} is not there; run 'imagenet-benchmark fetch {collection}' once."
        )
    return path


def _published(path: Path, kind: type[T], name: str) -> T:
    """Decode a published JSON file.

    Raises:
        BenchmarkError: it cannot be read, or its content is of another type.
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
    """A JSON object with unique names; the default is to keep the last of several values."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"{len(pairs) - len(found)} names are there more than once")
    return found


def _numbers(keys: Sequence[str], what: str) -> list[int]:
    """Number of each validation picture."""
    numbers = numbers_of(keys)
    if numbers is None:
        stranger = next(key for key in keys if numbers_of([key]) is None)
        raise BenchmarkError(
            f"{what} are of ImageNet's validation pictures, and {stranger!r} is none; choose "
            "another image set with --images, or other labels."
        )
    return [int(number) for number in numbers]


def _of_lists(classes: Mapping[int, Any]) -> LabelSet:
    """A label set from the class or list of classes of each row; rows without any are left out."""
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
    """A label set from what a file has: entries with names, or a list."""
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
    rows, elsewhere = rows_named(found.names, PictureNames(keys, known))
    if len(set(rows.values())) < len(rows):
        raise ValueError(f"{len(rows) - len(set(rows.values()))} pictures are there more than once")
    kept = [at for at, name in enumerate(found.names) if name in rows]
    numbers = np.array([rows[found.names[at]] for at in kept], dtype=np.int64)
    order = np.argsort(numbers)
    numbers, classes = numbers[order], found.classes[kept][order]
    notes = found.notes
    if elsewhere:
        notes += (f"note: {what}: {elsewhere:,} validation pictures are not in this set",)
    if known is not None:
        classes, more = understood(classes, [keys[row] for row in numbers], known[numbers], what)
        notes += more
    return _without_empty(numbers, classes, notes)


def _refuse_counted(classes: NDArray[np.int64], numbers: NDArray[np.intp] | None) -> None:
    """Refuse a list with a column that numbers its pictures: it would be taken for classes."""
    n = len(classes)
    counts = [np.arange(n), np.arange(1, n + 1), *([] if numbers is None else [np.sort(numbers)])]
    for at, column in enumerate(np.sort(classes, axis=0).T if 1 < classes.shape[1] < n else ()):
        if any(np.array_equal(column, count) for count in counts):
            raise BenchmarkError(
                f"its column {at} has the number of each picture, which is no class; leave the "
                "column of classes"
            )


@dataclass(frozen=True, eq=False)
class _Entries:
    """What a file of labels has: (m, w) classes, of so many names or of a list without."""

    names: tuple[str, ...] | None
    classes: NDArray[np.int64]
    notes: tuple[str, ...] = ()


def _entries(path: Path, table: LabelTable, known: PictureNames) -> _Entries:
    """What a table has; numbers in place of names, 0, 1, 2 and so on, are those of a list."""
    classes, names = padded(table.classes), table.names
    notes: tuple[str, ...] = ()
    if table.unused:
        unused = ", ".join(map(repr, table.unused))
        notes = (f"note: {path}: columns that were not read: {unused}",)
    if names is not None and len(set(names)) < len(names):
        raise ValueError(f"{len(names) - len(set(names))} names are there more than once")
    are_numbers = all(re.fullmatch("[0-9]{1,9}", name) for name in names or ())
    if names and are_numbers and not any(map(_is_known(known), names)):
        numbers = np.array([int(name) for name in names])
        order = np.argsort(numbers, kind="stable")
        first = int(numbers[order[0]])
        if first in (0, 1) and np.array_equal(numbers[order], np.arange(first, first + len(names))):
            return _Entries(None, classes[order], notes)
    return _Entries(names, classes, notes)


def _is_known(known: PictureNames) -> Callable[[str], bool]:
    """Whether a cell is the name of a picture of the set, or of several."""

    def is_known(cell: str) -> bool:
        try:
            return known.find(cell) is not None
        except BenchmarkError:
            return True

    return is_known


def _is_picture(known: PictureNames) -> Callable[[str], bool]:
    """Whether a cell is the name of a picture, of the set or not; a number alone is a class."""
    is_known = _is_known(known)

    def is_picture(cell: str) -> bool:
        if re.fullmatch(r"[+-]?[0-9.]*", cell) or is_wnid(cell):
            return known.has(cell)
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
    """Whether each entry has a 0 or 1 for every class."""
    lengths = {len(one) if isinstance(one, list) else 0 for one in found}
    if len(lengths) != 1 or not 1 < next(iter(lengths)) <= MOST_CLASSES:
        return False
    return all(isinstance(n, int | float) and n in (0, 1) for one in found for n in one)


def _from_npy(path: Path, known: PictureNames) -> _Entries:
    return _Entries(None, classes_in_array(read_array(path, _KINDS)))


_READERS = {**dict.fromkeys(_TEXTS, _from_text), ".json": _from_json, ".npy": _from_npy}
