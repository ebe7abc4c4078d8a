"""Published facts about picture sets: what they are, and how their authors score them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

_SEEN = "most of its pictures are of ImageNet's training set, so pretrained models have seen them"

CARE: Mapping[str, str] = {
    "imagenet-hard": "it has pictures of ImageNet's validation set and of its variants, so it is "
    "no new sample",
    "imagenet-o": "its folders are not the classes of its pictures, so that an accuracy on it "
    "means nothing",
    "imagenette": _SEEN,
    "imagewoof": _SEEN,
    "tiny-imagenet-200": "its pictures have 64 by 64 pixels, which recipes enlarge: accuracies are "
    "far below those of ImageNet",
}
"""What accuracies on a set need to be read with, by its name.

They are together, as tables show them without the code that reads pictures.
"""


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
