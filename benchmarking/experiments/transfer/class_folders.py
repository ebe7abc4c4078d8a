"""The names in a folder of class folders: its classes and pictures, before any picture is read."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarking.errors import PictureError
from benchmarking.io.printable import printable
from benchmarking.pictures.image_set import FilePart, Picture
from benchmarking.pictures.names import is_system_name, kind_of_file
from benchmarking.pictures.sets.folder import listed_entries

FEWEST_CLASSES, MOST_CLASSES = 2, 1000
"""Allowed numbers of classes; one class leaves nothing to tell apart."""

_SHOWN = 5  # names in a message


@dataclass(frozen=True)
class ClassFolders:
    """The class folders in a folder.

    Attributes:
        root: the folder.
        classes: names of the class folders, sorted as plain text.
        pictures: the pictures, ordered by class, then file name; their keys are `class/file`.
        left_out: paths within the folder of files that are not pictures.
    """

    root: Path
    classes: tuple[str, ...]
    pictures: tuple[Picture, ...]
    left_out: tuple[str, ...]


def class_folders(root: Path) -> ClassFolders:
    """List a folder with a folder of pictures for each class; names can be any.

    Raises:
        PictureError: it is not a folder; it has fewer than FEWEST_CLASSES or more than
            MOST_CLASSES; a class has no pictures, or has them in folders of its own; or there are
            pictures outside of the class folders.
    """
    if not root.is_dir():
        raise PictureError(
            f"{printable(str(root))} is not a folder; expected a folder that has a folder of "
            "pictures for each class."
        )
    left_out: list[str] = []
    classes: list[str] = []
    outside: list[str] = []
    for name, kind in listed_entries(str(root)):
        if is_system_name(name):
            left_out.append(name + "/" * (kind == "folder"))
        elif kind == "folder":
            classes.append(name)
        else:
            (outside if kind_of_file(name) == "picture" else left_out).append(name)
    _check_classes(root, classes, outside)
    found = []
    for label, name in enumerate(classes):
        pictures, others = _of_one_class(root, name, label)
        found += pictures
        left_out += others
    _refuse_empty(root, classes, {picture.label for picture in found})
    return ClassFolders(root, tuple(classes), tuple(found), tuple(left_out))


def order_of(classes: Sequence[str]) -> str:
    """The order of the classes in one line; says so where numbers are not in numeric order.

    >>> order_of(["alien", "predator"])
    'classes in the order of their names: 0 alien, 1 predator'
    >>> order_of(["1", "10", "2"]).partition("; ")[2]
    "names are compared as text, so '10' comes before '2'"
    """
    shown = ", ".join(f"{label} {name}" for label, name in enumerate(classes[:_SHOWN]))
    more = f", … {len(classes) - 1} {classes[-1]}" if len(classes) > _SHOWN else ""
    line = f"classes in the order of their names: {shown}{more}"
    numbers = [name for name in classes if name.isascii() and name.isdecimal()]
    for one, other in zip(numbers, numbers[1:], strict=False):
        if int(one) > int(other):
            line += f"; names are compared as text, so {one!r} comes before {other!r}"
            break
    return printable(line)


def refuse_different_classes(train: ClassFolders, validation: ClassFolders) -> None:
    """Raise PictureError if two folders do not have the same classes."""
    only_train = sorted(set(train.classes) - set(validation.classes))
    only_validation = sorted(set(validation.classes) - set(train.classes))
    if not (only_train or only_validation):
        return
    parts = [
        f"{where.root} has {_named(names)}, which {other.root} lacks"
        for where, names, other in (
            (train, only_train, validation),
            (validation, only_validation, train),
        )
        if names
    ]
    alike = {_folded(name) for name in only_train} & {_folded(name) for name in only_validation}
    hint = " Some names differ only in case or in how accents are stored." if alike else ""
    raise PictureError(
        printable(
            f"the classes differ: {'; '.join(parts)}. Both folders must have the same class "
            f"folders: rename, add or remove some.{hint}"
        )
    )


def refuse_nested(train: Path, validation: Path) -> None:
    """Raise PictureError if two folders are the same, or one is inside of the other."""
    one, other = train.resolve(), validation.resolve()
    if one == other:
        raise PictureError(
            printable(
                f"{train} is given twice, as training and as validation pictures; accuracy on the "
                "training pictures says little. Give a folder of other pictures for validation."
            )
        )
    if one in other.parents or other in one.parents:
        inner, outer = (train, validation) if other in one.parents else (validation, train)
        raise PictureError(
            printable(
                f"{inner} is inside of {outer}; the training and the validation pictures must be "
                "in two folders, such as data/train and data/validation."
            )
        )


def _check_classes(root: Path, classes: Sequence[str], outside: Sequence[str]) -> None:
    expected = f"expected {FEWEST_CLASSES} to {MOST_CLASSES:,} folders, one for each class"
    where = printable(str(root))
    if not classes:
        raise PictureError(f"{where} has no class folders; {expected}.")
    if len(classes) < FEWEST_CLASSES:
        raise PictureError(
            f"{where} has one class, {_named(classes)}; {expected}. With one class there is "
            "nothing to tell apart: add the pictures of another class in a folder of its own."
        )
    if len(classes) > MOST_CLASSES:
        raise PictureError(f"{where} has {len(classes):,} classes; {expected}.")
    if outside:
        raise PictureError(
            f"{where} has {len(outside)} pictures outside of its class folders, such as "
            f"{outside[0]!r}; move each into the folder of its class, or remove it."
        )


def _of_one_class(root: Path, name: str, label: int) -> tuple[list[Picture], list[str]]:
    pictures, left_out = [], []
    for file, kind in listed_entries(str(root / name)):
        path = root / name / file
        if kind == "folder" and not is_system_name(file):
            _refuse_inner(root, name, path)
        if kind == "file" and kind_of_file(file) in ("picture", "no-suffix"):
            pictures.append(Picture(f"{name}/{file}", label, FilePart(str(path))))
        else:
            left_out.append(f"{name}/{file}" + "/" * (kind == "folder"))
    return pictures, left_out


def _refuse_inner(root: Path, name: str, inner: Path) -> None:
    """Raise PictureError if a folder inside of a class folder has pictures."""
    if any(kind_of_file(file) == "picture" for file, _ in listed_entries(str(inner))):
        raise PictureError(
            printable(
                f"{root / name} has pictures in a folder of its own, {inner.name!r}; expected "
                f"pictures. If these are the classes, give {root / name}; else move the pictures "
                f"into {root / name} itself."
            )
        )


def _refuse_empty(root: Path, classes: Sequence[str], labels: Iterable[int]) -> None:
    empty = [classes[label] for label in sorted(set(range(len(classes))).difference(labels))]
    if empty:
        raise PictureError(
            f"{printable(str(root))} has no pictures of {_named(empty)}; add some, or remove the "
            "folder there and in the other part."
        )


def _named(names: Sequence[str]) -> str:
    """Names of classes for a message, not too many."""
    shown = ", ".join(printable(repr(name)) for name in names[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
