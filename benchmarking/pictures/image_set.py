"""Image sets: exact ordered lists of pictures with a name and a fingerprint."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Protocol, overload

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import PictureError
from benchmarking.io.files import open_regular
from benchmarking.io.names import UNKNOWN, check_name
from benchmarking.labels.class_values import padded
from benchmarking.labels.imagenet import validation_key, validation_number
from benchmarking.labels.label_set import NO_CLASS
from benchmarking.pictures.design import Design
from benchmarking.pictures.shards import Shard

MOST_BYTES = 64 * 2**20
"""Largest allowed size of a picture in bytes; far larger than any picture of ImageNet."""


class Place(Protocol):
    """Where a picture's bytes are: a file, a part of a file, or a row of some other store.

    A place can have an attribute `order`, by which places of its kind are sorted to be read fast.
    """

    def __str__(self) -> str:
        """Name of the place in messages, such as the path of the file."""

    def read(self) -> bytes:
        """Read the bytes; PictureError if they cannot be read."""


@dataclass(frozen=True, slots=True)
class FilePart:
    """A whole file, or a part of one, such as a member of a tar.

    Attributes:
        file: path of the file, as text, which needs a third of the memory of a Path.
        offset: position in the file where the picture begins, in bytes.
        size: size of the picture in bytes; None means up to the end of the file.
    """

    file: str
    offset: int = 0
    size: int | None = None

    def __str__(self) -> str:
        return self.file

    @property
    def path(self) -> Path:
        """Path of the file."""
        return Path(self.file)

    def read(self) -> bytes:
        """The picture's bytes.

        Raises:
            PictureError: the file cannot be read, is not a regular file, or ends too soon, or the
                picture has more than MOST_BYTES.
        """
        try:
            with open_regular(self.path) as file:
                size = self.size
                if size is None:
                    size = os.fstat(file.fileno()).st_size - self.offset
                if size > MOST_BYTES:
                    raise PictureError(
                        f"{self.file} has {size:,} bytes; a picture may have at most "
                        f"{MOST_BYTES:,}."
                    )
                file.seek(self.offset)
                data = file.read(size)
        except OSError as error:
            raise PictureError(f"{self.file} cannot be read: {error.strerror}.") from error
        if self.size is not None and len(data) != self.size:
            raise PictureError(
                f"{self.file} ends within the picture that begins at byte {self.offset}."
            )
        return data


@dataclass(frozen=True, slots=True)
class Picture:
    """One labelled picture.

    Attributes:
        key: name of the picture within an image set.
        label: index of its true class; the first one if several are right.
        place: where its bytes are stored.
        also: further classes that are right.
        border: number of pixels to cut off at each side before anything else.
    """

    key: str
    label: int
    place: Place
    also: tuple[int, ...] = ()
    border: int = 0

    def __post_init__(self) -> None:
        """Refuse a path or bytes in place of a Place.

        Raises:
            PictureError: the place has no method `read`.
        """
        if not hasattr(self.place, "read"):
            raise PictureError(
                f"picture {self.key!r} has {self.place!r:.60} as its place; expected a place such "
                "as FilePart(str(path))."
            )

    @property
    def right(self) -> tuple[int, ...]:
        """All classes that are right."""
        return (self.label, *self.also)

    def read(self) -> bytes:
        """The picture's bytes; PictureError if they cannot be read."""
        return self.place.read()


ALL_CLASSES = tuple(range(1000))
"""The classes of ImageNet 2012."""


@dataclass(frozen=True, repr=False)
class ImageSet:
    """Labelled pictures in the order in which predictions are stored.

    Attributes:
        name: name of the image set in tables.
        pictures: the pictures, ordered by class, then key.
        fingerprint: sha256 over the sorted lines "key sha256-of-bytes", in hex; or UNKNOWN.
        classes: the classes that its pictures may have: all 1,000, or fewer.
        picture_set: name of the published set that it is of, such as "imagenet-a"; "" for
            ImageNet's validation pictures and for others.
        design: how its pictures were drawn, if they are a sample that estimates an accuracy on
            all; else None.
        shard: which part of which image set it is, if it is a shard; else None.
        digests: of a shard, sha256 of each picture as in the fingerprint; else ().

    Raises:
        BenchmarkError: the name is not valid.
        PictureError: there are no pictures, or not as many as the design has; two have the same
            key, a key contains a line break, or a label is not among the classes.
    """

    name: str
    pictures: tuple[Picture, ...]
    fingerprint: str
    classes: tuple[int, ...] = field(default_factory=lambda: ALL_CLASSES, repr=False)
    picture_set: str = ""
    design: Design | None = field(default=None, repr=False)
    shard: Shard | None = field(default=None, repr=False)
    digests: tuple[str, ...] = field(default=(), repr=False)

    @property
    def restricted_to(self) -> tuple[int, ...]:
        """The classes that it declares if they are fewer than ImageNet's; () for all."""
        return self.classes if len(self.classes) < len(ALL_CLASSES) else ()

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.design and self.design.n != len(self.pictures):
            raise PictureError(
                f"image set {self.name!r} has {len(self.pictures)} pictures for a sample of "
                f"{self.design.n}."
            )
        if not self.pictures:
            raise PictureError(f"image set {self.name!r} has no pictures.")
        broken = next((key for key in self.keys if not {"\n", "\r"}.isdisjoint(key)), None)
        if broken is not None:
            raise PictureError(
                f"{ascii(broken)} has a line break in its name, but the fingerprint needs each "
                "name in one line; rename the picture."
            )
        repeated = [key for key, n in Counter(self.keys).items() if n > 1]
        if repeated:
            raise PictureError(f"{len(repeated)} picture names repeat, such as {repeated[0]!r}.")
        right = {label for picture in self.pictures for label in picture.right}
        unknown = right.difference(self.classes)
        if unknown:
            raise PictureError(
                f"image set {self.name!r} has pictures of class {min(unknown)}, which is not one "
                f"of its {len(self.classes)} classes."
            )

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the pictures, one per row."""
        return tuple(picture.key for picture in self.pictures)

    @property
    def labels(self) -> NDArray[np.int64]:
        """True class of each row, (n,); the first one if several are right."""
        return np.array([picture.label for picture in self.pictures], dtype=np.int64)

    @property
    def right_classes(self) -> NDArray[np.int64]:
        """All right classes of each row, (n, w), padded with NO_CLASS."""
        return padded(picture.right for picture in self.pictures)

    def __len__(self) -> int:
        return len(self.pictures)

    def __iter__(self) -> Iterator[Picture]:
        return iter(self.pictures)

    @overload
    def __getitem__(self, rows: int) -> Picture: ...
    @overload
    def __getitem__(self, rows: slice) -> tuple[Picture, ...]: ...
    def __getitem__(self, rows: int | slice) -> Picture | tuple[Picture, ...]:
        """A picture, or a tuple of pictures; a part of an image set is not an image set."""
        return self.pictures[rows]

    def __repr__(self) -> str:
        return f"<ImageSet {self.name}: {len(self)} pictures, fingerprint {self.fingerprint[:12]}>"


def without_pictures(name: str, keys: Sequence[str], labels: NDArray[np.integer]) -> ImageSet:
    """An image set of which only names and labels are known, without files or a fingerprint.

    Args:
        name: name of the image set.
        keys: names of its pictures.
        labels: (n,) true class of each, or (n, w) right classes, padded with NO_CLASS.
    """
    rows = zip(keys, labels.reshape(len(labels), -1).tolist(), strict=True)
    pictures = tuple(
        Picture(key, label, FilePart(""), tuple(one for one in also if one != NO_CLASS))
        for key, (label, *also) in rows
    )
    return ImageSet(name, pictures, UNKNOWN, _classes_of(labels))


def _classes_of(labels: NDArray[np.integer]) -> tuple[int, ...]:
    """ImageNet's classes, or more if the labels need more."""
    return tuple(range(max(len(ALL_CLASSES), int(labels.max(initial=0)) + 1)))


def in_order(pictures: Iterable[Picture], folders: Sequence[str]) -> tuple[Picture, ...]:
    """Sort pictures by class, then name.

    A picture's key is its file name. If any two have the same file name, every key becomes
    `folder/file`.

    Args:
        pictures: the pictures, with their file names as keys.
        folders: name of the folder of each class, by class index.
    """
    rows = list(pictures)
    if len({picture.key for picture in rows}) < len(rows):
        rows = [replace(row, key=f"{folders[row.label]}/{row.key}") for row in rows]
    return tuple(sorted(rows, key=lambda row: (row.label, row.key)))


def difference(expected: Sequence[Picture], found: Sequence[Picture]) -> str:
    """The first difference between two lists of pictures: names, classes or order; "" if none.

    Validation pictures are identified by their number, so that .jpg and .JPEG are the same.
    """
    ours, theirs = ({identity(p.key): p for p in rows} for rows in (expected, found))
    for kind, names in (("missing", ours.keys() - theirs), ("too many", theirs.keys() - ours)):
        if names:
            one = f"{len(names)} {kind}, such as {min(map(str, names))}"
            return f"{len(found)} pictures for {len(expected)} rows, {one}"
    if len(expected) != len(found):
        return f"{len(found)} pictures for {len(expected)} rows, some more than once"
    for name, picture in ours.items():
        if sorted(picture.right) != sorted(theirs[name].right):
            right, other = (" ".join(map(str, one.right)) for one in (picture, theirs[name]))
            return f"{name} is in class {other}, not {right}"
    for row, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        if one != other:
            return f"row {row} is {one}, but picture {row} is {other}"
    return ""


def identity(key: str) -> str:
    """A picture's name that is the same in all copies: validation pictures are told by number."""
    number = validation_number(PurePosixPath(key).name)
    return validation_key(number) if number else key


def fingerprint(keys: Sequence[str], digests: Sequence[str]) -> str:
    r"""Digest of a set of pictures, independent of their order and folder.

    Args:
        keys: names of the pictures.
        digests: sha256 of each picture's bytes, in hex; with " border N" if a border is cut off.

    >>> fingerprint(["b", "a"], ["22", "11"]) == hashlib.sha256(b"a 11\nb 22\n").hexdigest()
    True
    """
    return fingerprint_of_lines(digest_lines(keys, digests))


def digest_lines(keys: Sequence[str], digests: Sequence[str]) -> list[str]:
    r"""Sorted lines "key digest", each with its end, that a fingerprint is made of.

    The arguments are those of `fingerprint`.

    >>> digest_lines(["b", "a"], ["22", "11"])
    ['a 11\n', 'b 22\n']
    """
    return sorted(f"{key} {digest}\n" for key, digest in zip(keys, digests, strict=True))


def fingerprint_of_lines(lines: Iterable[str]) -> str:
    """The fingerprint that these sorted lines give."""
    whole = hashlib.sha256()
    for line in lines:
        whole.update(line.encode("utf-8", "surrogateescape"))  # names need not be UTF-8
    return whole.hexdigest()


def spread(pictures: Sequence[Picture], limit: int) -> tuple[Picture, ...]:
    """At most `limit` of the pictures, evenly spaced, so that a trial run has many classes.

    Raises:
        PictureError: the limit is below one.
    """
    if limit < 1:
        raise PictureError(f"cannot take {limit} pictures; a trial needs at least one.")
    n = len(pictures)
    taken = min(limit, n)
    return tuple(pictures[row * n // taken] for row in range(taken))
