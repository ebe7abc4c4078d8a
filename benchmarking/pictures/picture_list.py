"""The list of an image set's pictures as text, as the file images.csv of a store has it."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence

from benchmarking.pictures.image_set import Picture


def written(pictures: Sequence[Picture]) -> bytes:
    """A heading, and a line "key,class" for each picture, in the order of the rows.

    If several classes are right for a picture, they are separated by spaces, the usual one first.
    """
    lines = "".join(["key,class\n", *(f"{one.key},{_cell(one)}\n" for one in pictures)])
    if lines.count(",") > len(pictures) + 1 or '"' in lines:  # a key has to be quoted
        text = io.StringIO()
        rows = [("key", "class"), *((one.key, _cell(one)) for one in pictures)]
        csv.writer(text, lineterminator="\n").writerows(rows)
        lines = text.getvalue()
    return lines.encode("utf-8", "surrogateescape")


def list_sha256(pictures: Sequence[Picture]) -> str:
    """The sha256 of the list, which tells sets apart by their pictures, classes and order."""
    return hashlib.sha256(written(pictures)).hexdigest()


def _cell(picture: Picture) -> str | int:
    return " ".join(map(str, picture.right)) if picture.also else picture.label
