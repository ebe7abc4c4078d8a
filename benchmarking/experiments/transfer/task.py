"""What a head has to learn: classes, and the pictures of training and validation."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import PictureError
from benchmarking.io.names import check_name
from benchmarking.pictures.image_set import Picture


@dataclass(frozen=True, repr=False)
class Part:
    """The pictures of training or of validation, in the order of their rows.

    Attributes:
        pictures: the pictures; a label is the position of a class in the task's `classes`, and a
            key is unique within the part, as in "alien/12.jpg".
        digests: sha256 of the bytes of each picture, in hex.

    Raises:
        PictureError: there are no pictures, or not one digest for each.
    """

    pictures: tuple[Picture, ...]
    digests: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.pictures or len(self.pictures) != len(self.digests):
            raise PictureError(
                f"{len(self.digests)} digests for {len(self.pictures)} pictures; there must be one "
                "or more pictures, and one digest for each."
            )

    @property
    def labels(self) -> NDArray[np.int64]:
        """Class of each row, (n,)."""
        return np.array([picture.label for picture in self.pictures], dtype=np.int64)

    @property
    def fingerprint(self) -> str:
        """Digest of the bytes and classes of the pictures, in order, whatever their names."""
        lines = zip(self.digests, self.pictures, strict=True)
        text = "".join(f"{digest} {picture.label}\n" for digest, picture in lines)
        return hashlib.sha256(text.encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.pictures)


@dataclass(frozen=True)
class Shared:
    """Pictures with the same pixels, by their keys; their files may differ, as in their metadata.

    Attributes:
        train: keys in the training part.
        validation: keys in the validation part; () if the picture is repeated within training.
    """

    train: tuple[str, ...]
    validation: tuple[str, ...]


@dataclass(frozen=True, repr=False)
class Task:
    """What a head has to learn.

    Attributes:
        name: name of the task in tables and stored files.
        classes: names of the classes, sorted; a label is a position in this order.
        train: the pictures to learn from.
        validation: the pictures to score on, which training never uses.
        leaks: pictures that are in both parts.
        repeated: pictures that are several times within training.

    Raises:
        BenchmarkError: the name is not valid.
        PictureError: there are fewer than two classes, or a part has a label of no class.
    """

    name: str
    classes: tuple[str, ...]
    train: Part
    validation: Part
    leaks: tuple[Shared, ...] = ()
    repeated: tuple[Shared, ...] = ()

    def __post_init__(self) -> None:
        check_name(self.name)  # files are named after it
        if len(self.classes) < 2:
            raise PictureError(
                f"task {self.name!r} has {len(self.classes)} class, and a classifier needs two or "
                "more."
            )
        for part in (self.train, self.validation):
            if not set(part.labels.tolist()) <= set(range(len(self.classes))):
                raise PictureError(
                    f"task {self.name!r} has {len(self.classes)} classes, but a picture of class "
                    f"{int(part.labels.max())}."
                )
