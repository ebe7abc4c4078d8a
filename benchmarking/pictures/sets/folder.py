"""ImageNet pictures on disk: a folder for each WordNet id, or validation files in one folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarking.errors import PictureError
from benchmarking.labels.imagenet import class_of_wnid, validation_labels, validation_number, wnids
from benchmarking.pictures.image_set import FilePart, Picture, in_order
from benchmarking.pictures.sets import Contents, Match

NAME = "folder"
DESCRIPTION = "wnid folders with pictures in them, or files named ILSVRC2012_val_XXXXXXXX.JPEG"

# Suffixes of files that are often stored with pictures; all other files count as pictures.
_NO_PICTURES = frozenset({".csv", ".db", ".html", ".ini", ".json", ".md", ".txt", ".xml"})
_EXPECTED = (
    "expected folders named by WordNet id (n01440764), or files named "
    "ILSVRC2012_val_00000001.JPEG to ILSVRC2012_val_00050000.JPEG"
)


def match(where: str) -> Match:
    """Match any folder, at the most general level."""
    return Match.FORM if Path(where).is_dir() else Match.NONE


def open_pictures(where: str) -> Contents:
    """Labelled pictures below a folder, without hidden files and notes; subsets are allowed.

    The class of a folder comes from its WordNet id, never from its position in a sorted list.

    Raises:
        PictureError: there are no pictures, or a class does not follow from the names.
    """
    folders, files = entries(Path(where))
    if folders and files:
        raise PictureError(
            f"{where} holds {len(folders)} folders and {len(files)} pictures beside them; "
            f"{_EXPECTED}."
        )
    pictures = _by_wnid(where, folders) if folders else _by_number(where, files)
    if not pictures:
        raise PictureError(f"{where} holds no pictures; {_EXPECTED}.")
    return Contents(pictures)


def _by_wnid(where: str, folders: Sequence[Path]) -> tuple[Picture, ...]:
    classes = class_of_wnid()
    _refuse(where, "folders", [f.name for f in folders if f.name not in classes], len(folders))
    found = []
    for folder in folders:
        deeper, pictures = entries(folder)
        if deeper:
            raise PictureError(f"{folder} holds folders, such as {deeper[0].name}; {_EXPECTED}.")
        found += [
            Picture(path.name, classes[folder.name], FilePart(str(path))) for path in pictures
        ]
    _refuse_contradictions(found)
    return in_order(found, wnids())


def _by_number(where: str, files: Sequence[Path]) -> tuple[Picture, ...]:
    numbered = [(path, validation_number(path.name)) for path in files]
    _refuse(where, "pictures", [path.name for path, number in numbered if not number], len(files))
    labels = validation_labels()
    found = (
        Picture(path.name, int(labels[number - 1]), FilePart(str(path)))
        for path, number in numbered
        if number
    )
    return in_order(found, wnids())


def entries(folder: Path) -> tuple[list[Path], list[Path]]:
    """Folders and pictures in a folder, without hidden files and notes.

    Raises:
        PictureError: it cannot be read.
    """
    folders, files = [], []
    try:
        for entry in sorted(folder.iterdir()):
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                folders.append(entry)
            elif entry.suffix.lower() not in _NO_PICTURES:
                files.append(entry)
    except OSError as error:
        raise PictureError(f"{folder} cannot be read: {error.strerror}.") from error
    return folders, files


def _refuse_contradictions(pictures: Sequence[Picture]) -> None:
    labels = validation_labels()
    for picture in pictures:
        number = validation_number(picture.key)
        if number and labels[number - 1] != picture.label:
            raise PictureError(
                f"{picture.place} is in the folder of another class than its own, "
                f"{wnids()[labels[number - 1]]}; were pictures moved, or folders mixed up?"
            )


def _refuse(where: str, kind: str, unknown: Sequence[str], n: int) -> None:
    if unknown:
        shown = ", ".join(repr(name) for name in unknown[:5]) + ", …" * (len(unknown) > 5)
        nested = next((name for name in ("val", "validation") if name in unknown), None)
        place = Path(where).resolve()
        meant = (
            place / nested if nested else place.parent if place.name in class_of_wnid() else None
        )
        hint = f" Did you mean {meant}?" if meant else ""
        raise PictureError(
            f"{where}: {len(unknown)} of {n} {kind} name no ImageNet class ({shown}); "
            f"{_EXPECTED}.{hint}"
        )
