"""Training and validation pictures in class folders, with leaks between them found by content.

Classes are ordered by the names of their folders, as plain text: "10" comes before "2". Both
folders must have the same classes, so that a class has the same index in both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarking.errors import PictureError
from benchmarking.experiments.transfer.class_folders import (
    class_folders,
    order_of,
    refuse_different_classes,
    refuse_nested,
)
from benchmarking.experiments.transfer.duplicates import (
    Content,
    contradictions,
    distinct,
    read_contents,
    repeated,
    shared,
)
from benchmarking.experiments.transfer.task import Part, Shared, Task
from benchmarking.io.printable import printable
from benchmarking.io.user_folders import expanded
from benchmarking.pictures.findings import Finding, finding
from benchmarking.pictures.layout import note
from benchmarking.pictures.sets import default_name


@dataclass(frozen=True)
class Folders:
    """What was found in two folders of class folders.

    Attributes:
        task: the classes, and the pictures of both parts; their keys are `class/file`.
        per_class: number of training pictures that were drawn of each class; None for all.
        findings: problems of the pictures; they can be used nevertheless.
        left_out: paths of files that are not pictures.
    """

    task: Task
    per_class: int | None = None
    findings: tuple[Finding, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """Messages for the user: order of the classes, what was left out, and findings."""
        notes = [f"note: {order_of(self.task.classes)}"]
        notes += [f"note: {note(self.left_out)}"] if self.left_out else []
        return (*notes, *(f"warning: {one}; {one.advice}" for one in self.findings))


def open_folders(
    train: str | Path,
    validation: str | Path,
    *,
    per_class: int | None = None,
    seed: int = 0,
    name: str | None = None,
    workers: int = 2,
) -> Folders:
    """Open two folders that have a folder for each class; every picture is decoded once.

    Args:
        train: the folder of the training pictures.
        validation: the folder of the validation pictures.
        per_class: number of different training pictures to draw of each class; None takes all.
            A larger draw contains the smaller ones of the same seed.
        seed: seed of the draw, which depends on the pictures' content and not on their names.
        name: name of the data set; by default that of the folder that has both folders.
        workers: number of threads that read pictures.

    Raises:
        PictureError: see `class_folders`; or the two folders have different classes, are the same
            or hold the same pictures; a picture cannot be read; or a class has fewer different
            pictures than `per_class`.
    """
    roots = expanded(train), expanded(validation)
    refuse_nested(*roots)
    listed = [class_folders(root) for root in roots]
    refuse_different_classes(*listed)
    classes = listed[0].classes
    every = read_contents([*listed[0].pictures, *listed[1].pictures], workers)
    in_train, in_validation = every[: len(listed[0].pictures)], every[len(listed[0].pictures) :]
    _refuse_the_same_pictures(roots, in_train, in_validation)
    if per_class is not None:
        in_train = _drawn(in_train, classes, per_class, seed)
    return Folders(
        Task(
            name or _name(*roots),
            classes,
            _part(in_train),
            _part(in_validation),
            tuple(Shared((own,), (other,)) for other, own in shared(in_train, in_validation)),
            tuple(Shared(keys, ()) for keys in repeated(in_train)),
        ),
        per_class,
        tuple(_findings(in_train, in_validation)),
        tuple(f"{one.root.name}/{path}" for one in listed for path in one.left_out),
    )


def _name(train: Path, validation: Path) -> str:
    """The name of the folder that has both folders, else of the training folder."""
    one, other = train.resolve(), validation.resolve()
    return default_name(str(one.parent if one.parent == other.parent else one), ())


def _part(contents: Sequence[Content]) -> Part:
    pictures = tuple(one.picture for one in contents)
    return Part(pictures, tuple(one.sha256 for one in contents))


def _drawn(
    contents: Sequence[Content], classes: Sequence[str], per_class: int, seed: int
) -> list[Content]:
    """Some different pictures of each class, in their old order.

    The order of the draw is that of a digest of seed and content, which no library can change.

    Raises:
        PictureError: a class has too few different pictures.
    """
    if per_class < 1:
        raise PictureError(f"{per_class} pictures per class are too few; expected 1 or more.")
    taken: set[str] = set()
    for label, name in enumerate(classes):
        own = distinct([one for one in contents if one.picture.label == label])
        if len(own) < per_class:
            raise PictureError(
                f"class {printable(repr(name))} has {len(own)} different training pictures, fewer "
                f"than the {per_class} to draw of each class; draw fewer, or add some."
            )
        own.sort(key=lambda one: hashlib.sha256(f"{seed} {one.pixels}".encode()).digest())
        taken.update(one.picture.key for one in own[:per_class])
    return [one for one in contents if one.picture.key in taken]


def _refuse_the_same_pictures(
    roots: tuple[Path, Path], train: Sequence[Content], validation: Sequence[Content]
) -> None:
    """Raise PictureError if every validation picture is a training picture, as in a copy."""
    if len(shared(train, validation)) == len(validation):
        raise PictureError(
            printable(
                f"all {len(validation)} pictures of {roots[1]} are also in {roots[0]}; accuracy on "
                "the training pictures says little. Give other pictures for validation."
            )
        )


def _findings(train: Sequence[Content], validation: Sequence[Content]) -> Iterator[Finding]:
    both = shared(train, validation)
    yield from finding(
        "shared-picture",
        "validation pictures that are also training pictures: {n}",
        [f"validation/{one} = train/{other}" for one, other in both],
        "accuracy on them says little, so remove them from the training pictures",
    )
    for part, contents in (("train", train), ("validation", validation)):
        yield from finding(
            "repeated-picture",
            f"groups of {part} pictures with the same content, which count each time: {{n}}",
            [f"{part}/" + " = ".join(keys) for keys in repeated(contents)],
            "keep one of each",
        )
    yield from finding(
        "contradiction",
        "pictures in several classes: {n}",
        [" = ".join(keys) for keys in contradictions([*train, *validation])],
        "keep each picture in its own class only",
    )
