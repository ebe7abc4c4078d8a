"""Label sets by name or from files, and subsets of pictures."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError, StoreError
from benchmarking.io import files
from benchmarking.io.downloads import cache_folder
from benchmarking.io.npy_files import read_array, read_integers
from benchmarking.labels.imagenet import class_of_wnid, validation_number
from benchmarking.labels.label_set import NO_CLASS, LabelSet, every_image

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
        name: "original", "real", "corrected", or the path of a .csv, .json or .npy file.
        keys: name of each picture of the image set.
        original: (n,) class of each picture, as stored with the set.
        consensus: number of votes, of five, that decide a corrected label.

    Raises:
        BenchmarkError: the labels are missing, or belong to other pictures.
    """
    if name == "original":
        return every_image(original)
    if name == "real":
        return real_labels(_fetched("real-labels", "real.json"), keys)
    if name == "corrected":
        votes = _fetched("label-errors", "imagenet_mturk.json")
        return corrected_labels(votes, keys, original, consensus)
    path = Path(name)
    if not path.is_file():
        raise BenchmarkError(
            f"labels {name!r} are neither {', '.join(NAMES)} nor a file; give a .csv, .json or "
            ".npy file of pictures and their classes."
        )
    return labels_from(path, keys)


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
                classes[row] = _class(entry.our_guessed_label) if proposed else NO_CLASS
        rows = np.flatnonzero(classes != NO_CLASS)
        return LabelSet(rows, classes[rows, None])


def labels_from(path: Path, keys: Sequence[str]) -> LabelSet:
    """Read labels from a file; pictures that it does not name are left out.

    A .csv has a picture's name and its class or classes on each line. A .json has an object of
    names and classes, or a list with the classes of each row. An .npy has one class for each row,
    or several, padded with -1. Classes are numbers or WordNet ids. Names are those of the image
    set; leading folders are ignored.

    Raises:
        BenchmarkError: the file is broken, or names pictures or classes that do not exist.
    """
    try:
        found = _READERS[path.suffix.lower()](path)
        if not isinstance(found, Mapping):
            if not isinstance(found, list):
                raise TypeError("neither an object nor a list")
            if len(found) != len(keys):
                raise ValueError(f"{len(found)} labels for {len(keys)} pictures")
            return _of_lists(dict(enumerate(found)))
        rows = _rows_of(found, keys)
        if len(set(rows)) < len(rows):
            raise ValueError(f"{len(rows) - len(set(rows))} pictures are there more than once")
        return _of_lists(dict(zip(rows, found.values(), strict=True)))
    except KeyError as error:
        raise BenchmarkError(
            f"{path}: {error.args[0]!r} is unknown; expected {_EXPECTED}."
        ) from error
    except StoreError:
        raise  # it names the file
    except (*_BROKEN, OSError, csv.Error, BenchmarkError) as error:
        raise BenchmarkError(f"{path}: {error}; expected {_EXPECTED}.") from error


def rows_of(
    names: Sequence[str], keys: Sequence[str], original: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Rows that are selected by WordNet ids, or by files of picture names or row numbers.

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


_EXPECTED = "a .csv, .json or .npy file of pictures and their classes"
# Errors from converting unexpected data to a LabelSet; JSON numbers may be infinite.
_BROKEN = (TypeError, ValueError, OverflowError)
_LARGEST_CLASS = 2**16 - 1  # that a store can hold
_MOST_CLASSES = 1000  # of one picture; the rows of all others are padded to the same width


def _rows(name: str, keys: Sequence[str], original: NDArray[np.int64]) -> NDArray[np.int64]:
    if name in class_of_wnid():
        return np.flatnonzero(original == class_of_wnid()[name])
    path = Path(name)
    if not path.is_file():
        raise BenchmarkError(
            f"{name!r} is neither a WordNet id such as n01440764 nor a file; give a .npy file of "
            "row numbers, or a .txt, .csv or .json file of pictures' names."
        )
    try:
        if path.suffix.lower() == ".npy":
            rows = read_integers(path)
            if rows.size and not 0 <= rows.min() <= rows.max() < len(keys):
                raise ValueError(f"a row is not among the {len(keys)} rows")
            return rows
        if path.suffix.lower() == ".json":
            found = list(_json(path))
        else:
            found = [line[0] for line in _lines_of(path) if line]
        return np.array(_rows_of(found, keys), dtype=np.int64)
    except (*_BROKEN, OSError, csv.Error) as error:
        raise BenchmarkError(f"{path}: {error}.") from error


@contextmanager
def _made_of(path: Path, name: str) -> Iterator[None]:
    """Turn errors from unexpected content of a published file into one that names the file."""
    try:
        yield
    except (*_BROKEN, LookupError) as error:
        raise BenchmarkError(f"{path} is not {name}: {error!r}.") from error
    except BenchmarkError as error:
        raise BenchmarkError(f"{path}: {error}") from error


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
        return json.loads(files.read_regular(path).decode(), object_pairs_hook=_each_once)
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
    numbers = [validation_number(PurePosixPath(key).name) for key in keys]
    for key, number in zip(keys, numbers, strict=True):
        if number is None:
            raise BenchmarkError(
                f"{what} are of ImageNet's validation pictures, and {key!r} is none; choose "
                "another image set with --images, or other labels."
            )
    return [number for number in numbers if number]


def _of_lists(classes: Mapping[int, Any]) -> LabelSet:
    """A label set from the class or list of classes of each row; rows without any are left out."""
    lists = {row: _classes(found) for row, found in classes.items()}
    rows = sorted(row for row, found in lists.items() if found)
    width = max((len(lists[row]) for row in rows), default=1)
    if width > _MOST_CLASSES:
        raise ValueError(f"{width} classes for one picture; at most {_MOST_CLASSES}")
    filled = np.full((len(rows), width), NO_CLASS, dtype=np.int64)
    for line, row in zip(filled, rows, strict=True):
        line[: len(lists[row])] = lists[row]
    return LabelSet(np.array(rows, dtype=np.int64), filled)


def _classes(found: Any) -> list[int]:
    """Classes from a number, a WordNet id, or a list of them; -1 stands for none."""
    several = found if isinstance(found, Sequence) and not isinstance(found, str) else [found]
    classes = [_class(one) for one in several if one is not None and one != ""]
    return [one for one in classes if one != NO_CLASS]


def _class(one: Any) -> int:
    if isinstance(one, str) and one.startswith("n"):
        return class_of_wnid()[one]
    number = int(one)
    if number != float(one) or not NO_CLASS <= number <= _LARGEST_CLASS:
        raise ValueError(f"{one!r} is no class")
    return number


def _rows_of(names: Iterable[str], keys: Sequence[str]) -> list[int]:
    """Row of each picture by its name; leading folders are ignored."""
    rows = {key: row for row, key in enumerate(keys)}
    rows |= {PurePosixPath(key).name: row for row, key in enumerate(keys)}
    wanted = [name if name in rows else PurePosixPath(str(name)).name for name in names]
    unknown = [name for name in wanted if name not in rows]
    if unknown:
        raise ValueError(
            f"{len(unknown)} of {len(wanted)} names are no pictures of the set, as {unknown[0]!r}"
        )
    return [rows[name] for name in wanted]


def _lines_of(path: Path) -> Iterator[list[str]]:
    """Cells of each line of comma-separated values."""
    return csv.reader(io.StringIO(files.read_regular(path).decode(), newline=""))


def _from_csv(path: Path) -> Mapping[str, Sequence[str]]:
    lines = [line for line in _lines_of(path) if line]
    if lines and not any(cell.lstrip("n-").isdigit() for cell in lines[0][1:]):
        del lines[0]  # headings
    found = {line[0]: line[1:] for line in lines}
    if len(found) < len(lines):
        raise ValueError(f"{len(lines) - len(found)} names are there more than once")
    return found


def _from_npy(path: Path) -> Sequence[Any]:
    found = read_array(path, "iu")
    if found.ndim not in (1, 2):
        raise ValueError(f"it holds {found.dtype} of shape {found.shape}")
    rows: Sequence[Any] = found.tolist()
    return rows


_READERS = {".csv": _from_csv, ".json": _json, ".npy": _from_npy}
