"""Parse classes from files: numbers, WordNet ids, lists, and one-hot arrays."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.labels.imagenet import class_of_wnid
from benchmarking.labels.label_set import NO_CLASS

LARGEST_CLASS = 2**16 - 1
"""The largest class that a store can hold."""
MOST_CLASSES = 1000
"""Largest number of classes of one picture; the lines of all others are padded to the same width.
"""

NOTHING = frozenset(("", "none", "null", "nan", "na", "n/a"))
"""Texts that mean "no class", in lower case."""

_WNID = re.compile(r"n[0-9]{8}", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?(e[+-]?[0-9]+)?", re.IGNORECASE)
_BOX = 4  # numbers of a bounding box, which may follow each WordNet id in a cell
_BLOCK = 1000  # rows of an array that are checked at a time


def is_wnid(text: str) -> bool:
    """Whether text has the form of a WordNet id."""
    return _WNID.fullmatch(text.strip()) is not None


def classes_in(found: Any) -> list[int]:
    """Parse a number, a WordNet id, a cell of text, or a list of these; -1 gives no class.

    Raises:
        KeyError: a WordNet id is not one of ImageNet's 1,000.
        TypeError, ValueError, OverflowError: a value is not a class.
    """
    if isinstance(found, str):
        return classes_in_cell(found)
    several = found if isinstance(found, Sequence) else [found]
    classes = [_class(one) for one in several if one is not None and one != ""]
    return [one for one in classes if one != NO_CLASS]


def classes_in_cell(text: str) -> list[int]:
    """Parse a cell of a table; classes may be in brackets, or each followed by a bounding box.

    >>> classes_in_cell(" 65.0"), classes_in_cell("[3, 5]"), classes_in_cell("")
    ([65], [3, 5], [])
    >>> classes_in_cell("n01440764 1 2 30 40 n01440764 5 6 70 80")
    [0]

    Raises:
        KeyError: a WordNet id is not one of ImageNet's 1,000.
        ValueError: a word is not a class.
    """
    text = text.strip()
    if text.isascii() and text.isdigit():  # most cells; the general way takes ten times as long
        return [_class(text)]
    inner = re.fullmatch(r"[\[({](.*)[\])}]", text)
    words = re.split(r"[\s,;|]+", inner[1].strip()) if inner else re.split(r"[\s;|]+", text)
    words = [word.strip("\"'") for word in words]
    boxes = len(words) % (1 + _BOX) == 0 and all(is_wnid(w) for w in words[:: 1 + _BOX])
    if boxes and not any(is_wnid(w) for at, w in enumerate(words) if at % (1 + _BOX)):
        words = words[:: 1 + _BOX]
    classes = [_class(word) for word in words if word.lower() not in NOTHING]
    return list(dict.fromkeys(one for one in classes if one != NO_CLASS))


def padded(lists: Iterable[Sequence[int]]) -> NDArray[np.int64]:
    """Convert lists of classes to an array, (n, w), padded with NO_CLASS.

    Raises:
        ValueError: a list has more than MOST_CLASSES classes.
    """
    rows = list(lists)
    width = max(map(len, rows), default=0)
    if width > MOST_CLASSES:
        raise ValueError(f"{width} classes for one picture; at most {MOST_CLASSES}")
    if min(map(len, rows), default=0) == width > 0:
        return np.array(rows, dtype=np.int64)
    filled = np.full((len(rows), max(width, 1)), NO_CLASS, dtype=np.int64)
    for line, row in zip(filled, rows, strict=True):
        line[: len(row)] = row
    return filled


def classes_in_array(found: NDArray[Any]) -> NDArray[np.int64]:
    """Classes of each row of an array, (n, w), padded with NO_CLASS.

    A row contains one class, several classes, or a 0 or 1 for every class (one-hot). Floats must be
    whole numbers; NaN means no class.

    Raises:
        ValueError: the array contains something else.
    """
    if found.ndim not in (1, 2) or 0 in found.shape[1:]:
        raise ValueError(f"it holds {found.dtype} of shape {found.shape}")
    if found.dtype.kind in "US":
        texts = found.astype(np.str_)
        return padded(
            classes_in(row) for row in (texts if found.ndim == 2 else texts[:, None]).tolist()
        )
    if found.ndim == 2 and found.shape[1] > 1 and _is_zero_or_one(found):
        return padded(np.flatnonzero(row).tolist() for row in found)
    if found.dtype.kind == "b":
        raise ValueError("it holds one True or False for each picture, not classes")
    if found.ndim == 2 and found.shape[1] > MOST_CLASSES:
        raise ValueError(f"{found.shape[1]} classes for one picture; at most {MOST_CLASSES}")
    return _left_aligned(_whole(found if found.ndim == 2 else found[:, None]))


def _whole(found: NDArray[Any]) -> NDArray[np.int64]:
    if found.dtype.kind == "f":
        found = np.where(np.isnan(found), NO_CLASS, found)
        if not np.array_equal(found, np.floor(found)):
            wrong = found[found != np.floor(found)].flat[0]
            raise ValueError(
                f"{wrong} is not a class; if these are scores of all classes, save "
                "np.argmax(scores, axis=1) instead"
            )
    low, high = (int(found.min()), int(found.max())) if found.size else (0, 0)
    if low < NO_CLASS or high > LARGEST_CLASS:
        raise ValueError(f"{low if low < NO_CLASS else high} is not a class")
    return found.astype(np.int64)


def _left_aligned(classes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Move the padding of each row behind its classes."""
    if classes.shape[1] < 2 or (classes >= 0).all():
        return classes
    order = np.argsort(classes == NO_CLASS, axis=1, kind="stable")
    return np.take_along_axis(classes, order, axis=1)


def _is_zero_or_one(found: NDArray[Any]) -> bool:
    """Whether all values are 0 or 1; checked in blocks, as the array may exceed the memory."""
    if not len(found) or found.dtype.kind == "b":
        return bool(len(found))
    parts = (found[start : start + _BLOCK] for start in range(0, len(found), _BLOCK))
    return all(bool(((part == 0) | (part == 1)).all()) for part in parts)


def _class(one: Any) -> int:
    """Parse one class; NO_CLASS if the value means "no class"."""
    if isinstance(one, bool):  # a whole number to Python
        raise TypeError(f"{one} is not a class")
    if isinstance(one, str):
        text = one.strip()
        if text.lower().startswith("n") and text.lower() not in NOTHING:
            return class_of_wnid()[text.lower()]
        if not _NUMBER.fullmatch(text):
            raise ValueError(f"{one!r} is not a class")
        value: float = float(text) if re.search("[.eE]", text) else int(text)
    else:
        value = one
    if isinstance(value, float) and math.isnan(value):
        return NO_CLASS
    number = int(value)
    if number != float(value) or not NO_CLASS <= number <= LARGEST_CLASS:
        raise ValueError(f"{one!r} is not a class")
    return number
