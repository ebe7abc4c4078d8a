"""The 1,000 classes of ImageNet 2012 and the labels of its 50,000 validation pictures.

Classes are numbered in the order of their WordNet ids. Names are each synset's first WordNet
lemma and are for reading only: "crane" and "maillot" each name two classes.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from benchmarking.io.files import shipped_rows
from benchmarking.labels.picture_suffixes import PICTURE_SUFFIXES

# image-net.org has names without the class; Hugging Face adds the class after the number.
_VALIDATION_NAME = re.compile(
    rf"ILSVRC2012_val_(\d{{8}})(?:_(n\d{{8}}))?(?:{'|'.join(map(re.escape, PICTURE_SUFFIXES))})",
    re.IGNORECASE,
)


@cache
def wnids() -> tuple[str, ...]:
    """WordNet id of each class, such as "n01440764", by class index."""
    return tuple(row["wnid"] for row in shipped_rows("imagenet_classes.csv"))


@cache
def class_names() -> tuple[str, ...]:
    """English name of each class, by class index; not unique."""
    return tuple(row["name"] for row in shipped_rows("imagenet_classes.csv"))


@cache
def class_of_wnid() -> dict[str, int]:
    """Class index of each WordNet id."""
    return {wnid: index for index, wnid in enumerate(wnids())}


@cache
def validation_labels() -> NDArray[np.uint16]:
    """True class of validation picture 1, 2, … 50,000, in that order."""
    data = files("benchmarking").joinpath("data/imagenet_val_labels.npy").read_bytes()
    labels: NDArray[np.uint16] = np.load(BytesIO(data), allow_pickle=False)
    labels.setflags(write=False)
    return labels


@cache
def validation_rows() -> NDArray[np.intp]:
    """Validation pictures, counted from 0, in the order of stored runs: by class, then number.

    >>> validation_labels()[validation_rows()][[0, 49, 50, 49_999]]
    array([  0,   0,   1, 999], dtype=uint16)
    """
    rows = np.argsort(validation_labels(), kind="stable")
    rows.setflags(write=False)
    return rows


@cache
def _labels_in_rows() -> NDArray[np.uint16]:
    return validation_labels()[validation_rows()]


def validation_key(number: int) -> str:
    """File name of the validation picture with this number."""
    return f"ILSVRC2012_val_{number:08d}.JPEG"


def is_validation_set(labels: NDArray[np.integer]) -> bool:
    """Whether these labels, in stored order, are those of the whole validation set."""
    return np.array_equal(labels, _labels_in_rows())


def validation_number(name: str) -> int | None:
    """Number of the validation picture with this file name; None if it is not one.

    The suffix may be any of PICTURE_SUFFIXES. A name that contains a WordNet id other than that of
    the picture is not accepted.

    >>> validation_number("ILSVRC2012_val_00000293.JPEG"), validation_number("tench.jpg")
    (293, None)
    >>> validation_number("ILSVRC2012_val_00000293_n01440764.JPEG")
    293
    >>> validation_number("ILSVRC2012_val_00000293_n01443537.JPEG")
    """
    match = _VALIDATION_NAME.fullmatch(name)
    if match is None:
        return None
    number, wnid = int(match[1]), match[2]
    if not 1 <= number <= len(validation_labels()):
        return None
    if wnid and wnid.lower() != wnids()[validation_labels()[number - 1]]:
        return None
    return number
