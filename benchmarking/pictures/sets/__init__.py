"""Picture sets, one module each: whether PICTURES means it, and the labelled pictures then.

A module has NAME, DESCRIPTION, `recognises(where) -> bool` and `open_pictures(where) -> pictures`.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarking.ahead import made_ahead
from benchmarking.errors import PictureError
from benchmarking.image_sets import ImageSet, Picture, fingerprint
from benchmarking.imagenet import validation_labels, validation_number
from benchmarking.images import check
from benchmarking.plugins import discover

CONTRACT = ("NAME", "DESCRIPTION", "recognises", "open_pictures")


def open_pictures(where: str) -> tuple[Picture, ...]:
    """Labelled pictures from the first set that recognises the place or name.

    Raises:
        PictureError: none does, or the one that does cannot use what it finds.
    """
    modules = discover(sys.modules[__name__]).values()
    for module in modules:
        if module.recognises(where):
            pictures: tuple[Picture, ...] = module.open_pictures(where)
            return pictures
    known = "; ".join(f"{module.NAME}: {module.DESCRIPTION}" for module in modules)
    raise PictureError(f"{where!r} is neither a folder nor a known picture set ({known}).")


def default_name(where: str, pictures: Sequence[Picture]) -> str:
    """What to call an image set that the user has not named: after its place, or imagenet-val."""
    if _is_validation_set(pictures):
        return "imagenet-val"
    return (
        re.sub(r"[^A-Za-z0-9_-]+", "-", Path(where).resolve().name.removesuffix(".tar")).strip("-_")
        or "pictures"
    )


@dataclass(frozen=True, slots=True)
class Seen:
    """What reading a picture to its end has shown.

    Attributes:
        sha256: of its bytes, in hex; "" if they cannot be read.
        problem: why it cannot be used; "" if it can.
    """

    sha256: str
    problem: str


def inspected(pictures: Sequence[Picture], workers: int) -> Iterator[Seen]:
    """What each picture's bytes are, and whether they can be decoded, in order, by threads."""
    with made_ahead(_look, pictures, workers) as seen:
        yield from seen


def _look(picture: Picture) -> Seen:
    try:
        data = picture.read()
    except PictureError as error:
        return Seen("", str(error))
    digest = hashlib.sha256(data).hexdigest()
    try:
        check(data)
    except PictureError as error:
        return Seen(digest, str(error))
    return Seen(digest, "")


def image_set(name: str, pictures: Sequence[Picture], digests: Iterable[str]) -> ImageSet:
    """Pictures with a name and the fingerprint that follows from their digests."""
    keys = [picture.key for picture in pictures]
    return ImageSet(name, tuple(pictures), fingerprint(keys, list(digests)))


def _is_validation_set(pictures: Sequence[Picture]) -> bool:
    labels = validation_labels()
    return len(pictures) == len(labels) and all(
        (number := validation_number(picture.key)) is not None
        and labels[number - 1] == picture.label
        for picture in pictures
    )
