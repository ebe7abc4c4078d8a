"""Image sets: one exact ordered list of pictures with a name and a fingerprint."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import PictureError
from benchmarking.imagenet import validation_key, validation_number
from benchmarking.provenance import UNKNOWN
from benchmarking.specs import check_name


@dataclass(frozen=True, slots=True)
class Picture:
    """One labelled picture on disk.

    Attributes:
        key: its name within an image set.
        label: index of its true class.
        file: path of the file that holds its bytes, as text, which takes a third of the memory.
        offset: where in the file they begin.
        size: how many there are; None means up to the end.
    """

    key: str
    label: int
    file: str
    offset: int = 0
    size: int | None = None

    @property
    def path(self) -> Path:
        """Of the file that holds its bytes."""
        return Path(self.file)

    def read(self) -> bytes:
        """The picture's bytes.

        Raises:
            PictureError: the file cannot be read, or ends too soon.
        """
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                data = file.read(-1 if self.size is None else self.size)
        except OSError as error:
            raise PictureError(f"{self.file} cannot be read: {error.strerror}.") from error
        if self.size is not None and len(data) != self.size:
            raise PictureError(f"{self.file} ends within {self.key}.")
        return data


@dataclass(frozen=True)
class ImageSet:
    """Labelled pictures in the order in which predictions are stored.

    Attributes:
        name: what tables call it.
        pictures: ordered by class, then key.
        fingerprint: sha256 over the sorted lines "key sha256-of-bytes", in hex; or UNKNOWN.

    Raises:
        BenchmarkError: the name is unusable.
        PictureError: there are no pictures, two share a key, or one has a line break in it.
    """

    name: str
    pictures: tuple[Picture, ...]
    fingerprint: str

    def __post_init__(self) -> None:
        check_name(self.name)
        if not self.pictures:
            raise PictureError(f"image set {self.name!r} has no pictures.")
        broken = next((key for key in self.keys if not {"\n", "\r"}.isdisjoint(key)), None)
        if broken is not None:
            raise PictureError(
                f"{ascii(broken)} has a line break in its name, and a fingerprint a line for each "
                "name; rename the picture."
            )
        repeated = [key for key, n in Counter(self.keys).items() if n > 1]
        if repeated:
            raise PictureError(f"{len(repeated)} picture names repeat, such as {repeated[0]!r}.")

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the pictures, one per row."""
        return tuple(picture.key for picture in self.pictures)

    @property
    def labels(self) -> NDArray[np.int64]:
        """True class of each row, (n,)."""
        return np.array([picture.label for picture in self.pictures], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.pictures)


def without_pictures(name: str, keys: Sequence[str], labels: NDArray[np.integer]) -> ImageSet:
    """An image set of which only the rows are known: there is nothing to read or to fingerprint."""
    rows = zip(keys, labels.tolist(), strict=True)
    return ImageSet(name, tuple(Picture(key, label, "") for key, label in rows), UNKNOWN)


def in_order(pictures: Iterable[Picture], folders: Sequence[str]) -> tuple[Picture, ...]:
    """Pictures by class, then name, from any order.

    A picture's key is its file name; where any two share one, every key is `folder/file`.

    Args:
        pictures: with their file names as keys.
        folders: name of the folder of each class, by class index.
    """
    rows = list(pictures)
    if len({picture.key for picture in rows}) < len(rows):
        rows = [replace(row, key=f"{folders[row.label]}/{row.key}") for row in rows]
    return tuple(sorted(rows, key=lambda row: (row.label, row.key)))


def difference(expected: Sequence[Picture], found: Sequence[Picture]) -> str:
    """The first thing in which two lists of pictures differ: names, classes or order; "" if none.

    Validation pictures are told by their number, so that .jpg and .JPEG are the same.
    """
    ours, theirs = ({_identity(p.key): p for p in rows} for rows in (expected, found))
    for kind, names in (("missing", ours.keys() - theirs), ("too many", theirs.keys() - ours)):
        if names:
            one = min(map(str, names))
            return f"{len(found)} pictures for {len(expected)} rows, {len(names)} {kind}, as {one}"
    if len(expected) != len(found):
        return f"{len(found)} pictures for {len(expected)} rows, some more than once"
    for name, picture in ours.items():
        if picture.label != theirs[name].label:
            return f"{name} is in class {theirs[name].label}, not {picture.label}"
    for row, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        if one != other:
            return f"row {row} is {one}, but picture {row} is {other}"
    return ""


def _identity(key: str) -> str:
    number = validation_number(PurePosixPath(key).name)
    return validation_key(number) if number else key


def fingerprint(keys: Sequence[str], digests: Sequence[str]) -> str:
    r"""Digest of a set of pictures, whatever their order or folder.

    Args:
        keys: names of the pictures.
        digests: sha256 of each picture's bytes, in hex.

    >>> fingerprint(["b", "a"], ["22", "11"]) == hashlib.sha256(b"a 11\nb 22\n").hexdigest()
    True
    """
    whole = hashlib.sha256()
    for line in sorted(f"{key} {digest}\n" for key, digest in zip(keys, digests, strict=True)):
        whole.update(line.encode("utf-8", "surrogateescape"))  # names need not be UTF-8
    return whole.hexdigest()


def spread(pictures: Sequence[Picture], limit: int) -> tuple[Picture, ...]:
    """At most `limit` of the pictures, evenly spaced, so that a trial sees many classes.

    Raises:
        PictureError: the limit is below one.
    """
    if limit < 1:
        raise PictureError(f"cannot take {limit} pictures; a trial needs at least one.")
    n = len(pictures)
    taken = min(limit, n)
    return tuple(pictures[row * n // taken] for row in range(taken))
