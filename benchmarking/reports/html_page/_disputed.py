"""The pictures on which models disagree most, as thumbnails with what the models predict."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarking.errors import BenchmarkError
from benchmarking.io.printable import printable
from benchmarking.labels.imagenet import class_names
from benchmarking.pictures.image_set import Picture
from benchmarking.pictures.thumbnail import thumbnail
from benchmarking.reports.figures import Subject

MOST = 24
"""Largest number of pictures of the page."""

_SIDE = 128  # pixels of a thumbnail
_GUESSES = 3  # predicted classes that are named


@dataclass(frozen=True)
class Disputed:
    """A picture on which models disagree.

    Attributes:
        name: its name.
        label: its right classes.
        right: how many models are right, in words.
        guesses: the most frequent predictions, each with its number of models.
        address: the data: address of its thumbnail.
    """

    name: str
    label: str
    right: str
    guesses: Sequence[str]
    address: str


def disputed(subject: Subject, pictures: Sequence[Picture]) -> list[Disputed]:
    """The pictures that closest to half of the models get right, matched by name.

    Args:
        subject: at least two runs.
        pictures: the pictures of a place; others are ignored.

    Raises:
        BenchmarkError: none of the pictures of the subject is there, or one cannot be decoded.
    """
    if len(subject.rows) < 2:
        return []
    places = {picture.key.rpartition("/")[2]: picture for picture in pictures}
    keys = subject.stores.rows(subject.table.images).keys
    found = [places.get(keys[row].rpartition("/")[2]) for row in subject.right.rows]
    if not any(found):
        raise BenchmarkError(
            f"none of the {len(pictures)} pictures has a name of those of {subject.table.images}, "
            f"such as {keys[0]!r}; give the folder of that image set."
        )
    guesses = subject.guesses()
    right = np.sum([one.hits for one in guesses], axis=0)
    divided = np.minimum(right, len(guesses) - right)
    order = [int(place) for place in np.argsort(-divided, kind="stable") if divided[place]]
    shown = []
    for place in order:
        picture = found[place]
        if picture is not None:
            counts = Counter(int(one.classes[place]) for one in guesses)
            shown.append(_disputed(picture, subject, place, int(right[place]), counts))
        if len(shown) == MOST:
            break
    return shown


def _disputed(
    picture: Picture, subject: Subject, place: int, right: int, guesses: Counter[int]
) -> Disputed:
    small = base64.b64encode(thumbnail(picture.read(), _SIDE)).decode()
    labels = [_named(label) for label in subject.right.classes[place].tolist() if label >= 0]
    return Disputed(
        printable(picture.key),
        " or ".join(labels),
        f"{right} of {guesses.total()} right",
        [f"{_named(label)}: {n}" for label, n in guesses.most_common(_GUESSES)],
        f"data:image/jpeg;base64,{small}",
    )


def _named(label: int) -> str:
    names = class_names()
    return names[label] if label < len(names) else f"class {label}"
