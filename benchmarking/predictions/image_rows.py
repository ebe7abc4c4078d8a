"""The list of pictures of an image set in a store: images.csv, with key,class of each row.

If several classes are right for a picture, they are separated by spaces, the usual one first.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from benchmarking.labels.class_values import padded
from benchmarking.pictures import picture_list
from benchmarking.pictures.image_set import ImageSet
from benchmarking.predictions.digests import sha256

LARGEST_CLASS = int(np.iinfo(np.uint16).max)
"""Largest class that a run's file can hold."""


@dataclass(frozen=True, eq=False)
class ImageRows:
    """Names and labels of the pictures of a stored image set, one per row.

    Attributes:
        keys: names of the pictures.
        right_classes: (n, w) all classes that are right for each picture, padded with NO_CLASS.
    """

    keys: tuple[str, ...]
    right_classes: NDArray[np.int64]

    @property
    def labels(self) -> NDArray[np.int64]:
        """True class of each picture, (n,); the first one if several are right."""
        return self.right_classes[:, 0]

    def __len__(self) -> int:
        return len(self.keys)


@lru_cache(maxsize=2)  # an import reads the same list for each of its runs
def parsed(data: bytes) -> ImageRows:
    """Parse the contents of images.csv.

    Raises:
        ValueError: it is broken.
    """
    text = io.TextIOWrapper(io.BytesIO(data), "utf-8", "surrogateescape", newline="")
    lines = csv.reader(text)
    try:
        next(lines, None)
        keys, labels = [], []
        for key, label in lines:
            keys.append(key)
            labels.append(label)
        rows = ImageRows(tuple(keys), _classes_in(labels))
    except (csv.Error, OverflowError) as error:
        raise ValueError(str(error)) from error
    rows.right_classes.setflags(write=False)
    if rows.labels.min() < 0 or rows.right_classes.max() > LARGEST_CLASS:
        raise ValueError(f"there is a class below 0 or above {LARGEST_CLASS}")
    return rows


def _classes_in(cells: Sequence[str]) -> NDArray[np.int64]:
    """The classes in each cell, (n, w); ValueError if one is no whole number."""
    try:
        return np.array(cells, dtype=np.int64).reshape(-1, 1)
    except ValueError:  # several in a cell, or none
        return padded([int(number) for number in cell.split(" ")] for cell in cells)


def written(images: ImageSet) -> bytes:
    """The contents of images.csv for an image set."""
    return picture_list.written(images.pictures)


def digest(data: bytes) -> str:
    """The sha256 of images.csv, independent of its line endings, which git can change."""
    return sha256(data.replace(b"\r\n", b"\n"))
