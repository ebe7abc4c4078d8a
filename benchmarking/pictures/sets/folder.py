"""ImageNet pictures on disk: a tree of class folders, or files whose names tell their classes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from benchmarking.errors import PictureError
from benchmarking.pictures.entries import Entry
from benchmarking.pictures.image_set import FilePart
from benchmarking.pictures.layout import Reading, read, usable
from benchmarking.pictures.names import (
    NO_CLASS,
    ClassFolders,
    class_of_folder,
    is_index,
    is_like_a_class,
    is_of_a_system,
    kind_of_file,
    told_by,
)
from benchmarking.pictures.sets import Contents, Match

NAME = "folder"
DESCRIPTION = "folders of classes, such as n01440764, or files named ILSVRC2012_val_XXXXXXXX.JPEG"
CLASS_FOLDERS: tuple[ClassFolders, ...] = ("wnid", "index")

# How far a folder is looked into that may be no picture's: levels, and things in all.
_DEPTH, _MOST_LOOKED_AT = 5, 200_000
# How much of each folder is looked at in search of the right one, and how many.
_FIRST, _MOST_FOLDERS = 200, 500


def match(where: str) -> Match:
    """Match any folder, at the most general level."""
    return Match.FORM if Path(where).is_dir() else Match.NONE


def open_pictures(where: str, class_folders: ClassFolders = "wnid") -> Contents:
    """Labelled pictures below a folder, without files that are not pictures.

    Subsets are allowed. The class of a folder comes from its name, never from its position in a
    sorted list.

    Raises:
        PictureError: there are no pictures, or a class does not follow from the names.
    """
    found = reading(where, class_folders)
    if not found.pictures and not found.refusals and (meant := _meant(Path(where))):
        raise PictureError(f"{where} holds no pictures; {meant}.")
    return Contents(usable(where, found), left_out=found.left_out, findings=found.findings)


def reading(where: str, class_folders: ClassFolders) -> Reading:
    """What the things in a folder mean.

    Raises:
        PictureError: it cannot be read.
    """
    root = Path(where)
    found = read(_entries(root), class_folders)
    kinds = {"unknown-folder", "unknown-name"}
    if found.refusals and found.refusals[0].kind in kinds and (meant := _meant(root)):
        first = replace(found.refusals[0], advice=meant)
        return replace(found, refusals=(first, *found.refusals[1:]))
    return found


def _entries(root: Path) -> Iterator[Entry]:
    """What a folder holds; of the folders in it, the files of those that may be of a class."""
    for name, kind in _listed(str(root)):
        path = str(root / name)
        if kind != "folder":
            yield Entry("", name, kind, FilePart(path))
        elif is_of_a_system(name) or not is_like_a_class(name):
            yield Entry("", name, "bare" if is_of_a_system(name) else _looked_into(path))
        else:
            yield from _of_a_class(path, name)


def _of_a_class(folder: str, name: str) -> Iterator[Entry]:
    try:
        listed = _listed(folder)
    except PictureError:
        yield Entry("", name, "closed")
        return
    yield Entry("", name, "folder")
    for inner, kind in listed:
        path = os.path.join(folder, inner)  # noqa: PTH118 - for each of 50,000 pictures
        if kind != "folder":
            yield Entry(name, inner, kind, FilePart(path))
        else:
            yield Entry(name, inner, "bare" if is_of_a_system(inner) else _looked_into(path))


def _listed(folder: str) -> list[tuple[str, Literal["file", "odd", "folder"]]]:
    """Names in a folder, sorted, with what each is; links are followed.

    Raises:
        PictureError: it cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted((entry.name, _kind(entry)) for entry in entries)
    except OSError as error:
        raise PictureError(f"{folder} cannot be read: {error.strerror}.") from error


def _kind(entry: os.DirEntry[str]) -> Literal["file", "odd", "folder"]:
    try:
        return "folder" if entry.is_dir() else "file" if entry.is_file() else "odd"
    except OSError:  # such as of links that lead to each other
        return "odd"


def _looked_into(folder: str) -> Literal["full", "bare", "closed"]:
    """Whether there is a picture in a folder, however deep, that is named after no class."""
    waiting, left = [(folder, 0)], _MOST_LOOKED_AT
    while waiting:
        each, depth = waiting.pop(0)
        try:
            listed = _listed(each)
        except PictureError:
            if each == folder:
                return "closed"
            continue
        left -= len(listed)
        if left < 0 or any(k != "folder" and kind_of_file(n) == "picture" for n, k in listed):
            return "full"
        if depth < _DEPTH:
            deeper = (Path(each, name) for name, kind in listed if kind == "folder")
            waiting += [(str(path), depth + 1) for path in deeper if not path.is_symlink()]
    return "bare"


def _meant(root: Path) -> str:
    """Advice on the folder or tar that may be meant instead; "" if nothing tells.

    A root such as Kaggle's has the pictures some levels down, and a class folder is one of many.
    """
    inside, tars = _candidates(root)
    best = [path for path in inside if path.name in ("val", "validation")] or inside
    if len(best) == 1:
        return f"give the folder in it: {best[0]}"
    if best:
        more = ", …" * (len(best) > 3)
        return f"give one of the folders in it: {', '.join(map(str, best[:3]))}{more}"
    if class_of_folder(root.resolve().name, "wnid") is not None:
        return f"give the folder above this one: {root.resolve().parent}"
    official = [path for path in tars if "val" in path.name] or tars
    return f"give the tar in it: {official[0]}" if len(official) == 1 else ""


def _candidates(root: Path) -> tuple[list[Path], list[Path]]:
    """Folders some levels down that hold class folders or pictures whose names tell, and tars."""
    inside, tars, waiting = [], [], [(root, 0)]
    for _ in range(_MOST_FOLDERS):
        if not waiting:
            break
        folder, depth = waiting.pop(0)
        folders, files = _first(folder)
        tars += [folder / name for name in files if name.lower().endswith(".tar")]
        if _holds_pictures(folders, files):
            if folder == root:  # the right one, with something else beside
                return [], []
            inside.append(folder)
        elif depth < _DEPTH:
            waiting += [(folder / name, depth + 1) for name in folders]
    return inside, tars


def _first(folder: Path) -> tuple[list[str], list[str]]:
    """Some of the folders and files in a folder, without what systems keep; none if closed."""
    folders, files = [], []
    try:
        with os.scandir(folder) as entries:
            for _, entry in zip(range(_FIRST), entries, strict=False):
                if not is_of_a_system(entry.name):
                    kind = _kind(entry)
                    folders += [entry.name] if kind == "folder" else []
                    files += [entry.name] if kind == "file" else []
    except OSError:
        return [], []
    return sorted(folders), sorted(files)


def _holds_pictures(folders: list[str], files: list[str]) -> bool:
    pictures = (name for name in files if kind_of_file(name) == "picture")
    return (
        any(class_of_folder(name, "wnid") is not None for name in folders)
        or sum(map(is_index, folders)) > 1
        or any(told_by(name).label != NO_CLASS for name in pictures)
    )
