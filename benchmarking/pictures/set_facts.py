"""Published facts about picture sets: what they are, and how their authors score them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Archive:
    """A file that the authors of a set publish.

    Attributes:
        file: its name.
        n: number of pictures in it.
        size: its size in bytes; None if it is not known.
        sha256: sha256 in hex; "" if only the md5 is known, or neither.
        md5: md5 in hex; "" if it is not known.
        url: public address; "" if there is none that needs no account.
        name: name of the image set in it, if the set has several.
    """

    file: str
    n: int
    size: int | None = None
    sha256: str = ""
    md5: str = ""
    url: str = ""
    name: str = ""


@dataclass(frozen=True)
class SetFacts:
    """What is published about a picture set.

    Attributes:
        about: what its pictures are, in one line.
        archives: its files.
        classes: the classes that its pictures can have, sorted; empty if a file of the set lists
            them.
        scoring: how its authors score it.
        licence: licence or terms of the pictures.
        source: where the sizes, digests and definitions come from.
        note: something that its accuracies need to be read with; "" if nothing.
    """

    about: str
    archives: tuple[Archive, ...]
    classes: Collection[int]
    scoring: str
    licence: str
    source: str
    note: str = ""
