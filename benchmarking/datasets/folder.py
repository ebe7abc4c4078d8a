"""ImageNet pictures on disk: a tree of wnid folders, or validation files side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarking.errors import PictureError
from benchmarking.image_sets import Picture, in_order
from benchmarking.imagenet import class_of_wnid, validation_labels, validation_number, wnids

NAME = "folder"
DESCRIPTION = "wnid folders with pictures in them, or files named ILSVRC2012_val_XXXXXXXX.JPEG"

_SUFFIXES = frozenset({".jpeg", ".jpg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
_EXPECTED = (
    "expected folders named by WordNet id (n01440764), or files named "
    "ILSVRC2012_val_00000001.JPEG to ILSVRC2012_val_00050000.JPEG"
)


def recognises(where: str) -> bool:
    """Whether this is a folder."""
    return Path(where).is_dir()


def open_pictures(where: str) -> tuple[Picture, ...]:
    """Labelled pictures below a folder; subsets are fine, files of other kinds are left out.

    Folders stand for classes by their wnid, never by their place in a sorted list.

    Raises:
        PictureError: there are no pictures, or names do not tell their classes.
    """
    visible = sorted(entry for entry in Path(where).iterdir() if not entry.name.startswith("."))
    folders = [entry for entry in visible if entry.is_dir()]
    files = list(_pictures(visible))
    if folders and files:
        raise PictureError(
            f"{where} holds {len(folders)} folders and {len(files)} pictures beside them; "
            f"{_EXPECTED}."
        )
    pictures = _by_wnid(where, folders) if folders else _by_number(where, files)
    if not pictures:
        raise PictureError(f"{where} holds no pictures; {_EXPECTED}.")
    return pictures


def _by_wnid(where: str, folders: Sequence[Path]) -> tuple[Picture, ...]:
    classes = class_of_wnid()
    _refuse(where, "folders", [f.name for f in folders if f.name not in classes], len(folders))
    return in_order(
        (path, classes[folder.name], folder.name)
        for folder in folders
        for path in _pictures(folder.iterdir())
    )


def _by_number(where: str, files: Sequence[Path]) -> tuple[Picture, ...]:
    numbered = [(path, validation_number(path.name)) for path in files]
    _refuse(where, "pictures", [path.name for path, number in numbered if not number], len(files))
    labels = validation_labels()
    labelled = [(path, int(labels[number - 1])) for path, number in numbered if number]
    return in_order((path, label, wnids()[label]) for path, label in labelled)


def _pictures(entries: Iterable[Path]) -> Iterable[Path]:
    for path in entries:
        if path.suffix.lower() in _SUFFIXES and not path.name.startswith(".") and path.is_file():
            yield path


def _refuse(where: str, kind: str, unknown: Sequence[str], n: int) -> None:
    if unknown:
        shown = ", ".join(repr(name) for name in unknown[:5]) + ", …" * (len(unknown) > 5)
        nested = next((name for name in ("val", "validation") if name in unknown), None)
        hint = f" Did you mean {Path(where) / nested}?" if nested else ""
        raise PictureError(
            f"{where}: {len(unknown)} of {n} {kind} name no ImageNet class ({shown}); "
            f"{_EXPECTED}.{hint}"
        )
