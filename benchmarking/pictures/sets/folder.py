"""Pictures in a folder on disk: in class folders, or in files whose names contain their classes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from benchmarking.errors import PictureError
from benchmarking.pictures.entries import Entry, folder_and_name
from benchmarking.pictures.image_set import FilePart
from benchmarking.pictures.layout import ARCHIVES, Reading, read, usable
from benchmarking.pictures.names import (
    NO_CLASS,
    ClassFolders,
    class_of_folder,
    info_from_name,
    is_index,
    is_system_name,
    kind_of_file,
    may_be_class_folder,
)
from benchmarking.pictures.sets import Contents, Match
from benchmarking.pictures.sets._forms import compressed

NAME = "folder"
DESCRIPTION = "folders of classes, such as n01440764, or files named ILSVRC2012_val_XXXXXXXX.JPEG"
CLASS_FOLDERS: tuple[ClassFolders, ...] = ("wnid", "index")

# Limits of the search for pictures in a folder that is not a class folder: levels, and entries.
_DEPTH, _MOST_ENTRIES = 5, 200_000
# Limits of the search for the folder that the user probably means: entries of a folder, folders,
# and class folders of one folder.
_FIRST, _MOST_FOLDERS, _CLASSES = 200, 500, 5


def match(where: str) -> Match:
    """Match any folder, with the most general match."""
    return Match.FORM if Path(where).is_dir() else Match.NONE


def open_pictures(where: str, class_folders: ClassFolders = "wnid") -> Contents:
    """List the labelled pictures in a folder; files that are not pictures are left out.

    A part of the validation set is allowed. The class of a folder is identified by its name, never
    by its position in a sorted list.

    Raises:
        PictureError: there are no pictures, or the names do not identify the classes.
    """
    found = reading(where, class_folders)
    if not found.pictures and not found.refusals and (meant := _meant(Path(where))):
        raise PictureError(f"{where} holds no pictures; {meant}.")
    return Contents(usable(where, found), left_out=found.left_out, findings=found.findings)


def reading(where: str, class_folders: ClassFolders) -> Reading:
    """Interpret the entries of a folder.

    Raises:
        PictureError: the folder cannot be read.
    """
    root = Path(where)
    found = read(_entries(root), class_folders)
    kinds = {"unknown-folder", "unknown-name"}
    if found.refusals and found.refusals[0].kind in kinds and (meant := _meant(root)):
        first = replace(found.refusals[0], advice=meant)
        return replace(found, refusals=(first, *found.refusals[1:]))
    return found


def _entries(root: Path) -> Iterator[Entry]:
    """The entries of a folder, and the entries of the class folders in it."""
    for name, kind in listed_entries(str(root)):
        path = str(root / name)
        if kind != "folder":
            # A zip from Windows that was unpacked elsewhere may leave folder\file as one name.
            within, own = folder_and_name(name) if "\\" in name else ("", name)
            yield Entry(within, own, kind, FilePart(path))
        elif is_system_name(name) or not may_be_class_folder(name):
            yield Entry("", name, _kind_of_folder(path, name))
        else:
            yield from _of_a_class(path, name)


def _of_a_class(folder: str, name: str) -> Iterator[Entry]:
    try:
        listed = listed_entries(folder)
    except PictureError:
        yield Entry("", name, "unreadable")
        return
    yield Entry("", name, "folder")
    for inner, kind in listed:
        path = os.path.join(folder, inner)  # noqa: PTH118 - faster, for 50,000 pictures
        if kind != "folder":
            yield Entry(name, inner, kind, FilePart(path))
        else:
            yield Entry(name, inner, _kind_of_folder(path, inner))


def listed_entries(folder: str) -> list[tuple[str, Literal["file", "odd", "folder"]]]:
    """Names in a folder, sorted, with the kind of each; links are followed.

    Raises:
        PictureError: the folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted((entry.name, _kind(entry)) for entry in entries)
    except OSError as error:
        raise PictureError(f"{folder} cannot be read: {error.strerror}.") from error


def _kind(entry: os.DirEntry[str]) -> Literal["file", "odd", "folder"]:
    try:
        return "folder" if entry.is_dir() else "file" if entry.is_file() else "odd"
    except OSError:  # for example, two links that point to each other
        return "odd"


def _kind_of_folder(
    folder: str, name: str
) -> Literal["with-pictures", "without-pictures", "unreadable"]:
    """Kind of a folder that is not a class folder: with or without pictures at any level.

    A folder with more than _MOST_ENTRIES entries counts as a folder with pictures.
    """
    if is_system_name(name):
        return "without-pictures"
    waiting, left = [(folder, 0)], _MOST_ENTRIES
    while waiting:
        each, depth = waiting.pop(0)
        try:
            listed = listed_entries(each)
        except PictureError:
            if each == folder:
                return "unreadable"
            continue
        left -= len(listed)
        if left < 0 or any(k != "folder" and kind_of_file(n) == "picture" for n, k in listed):
            return "with-pictures"
        if depth < _DEPTH:
            deeper = (Path(each, inner) for inner, kind in listed if kind == "folder")
            waiting += [(str(path), depth + 1) for path in deeper if not path.is_symlink()]
    return "without-pictures"


def _meant(root: Path) -> str:
    """Advice that names the folder or tar that the user probably means; "" if none is found.

    In Kaggle's archive, for example, the pictures are several levels below the root. If the folder
    is a class folder, the user means its parent.
    """
    inside, archives = _candidates(root)
    best = [path for path in inside if path.name in ("val", "validation")] or inside
    if len(best) == 1:
        return f"give the folder in it: {best[0]}"
    if best and all(len(_classes_in(path)) == 1 for path in best):
        return (
            "the names of the pictures tell their classes, one in each of these folders: rename "
            "each folder to the WordNet id of its class, or move all pictures into one folder"
        )
    if best:
        more = ", …" * (len(best) > 3)
        return f"give one of the folders in it: {', '.join(map(str, best[:3]))}{more}"
    if class_of_folder(root.resolve().name, "wnid") is not None:
        return f"give the folder above this one: {root.resolve().parent}"
    official = [path for path in archives if "val" in path.name] or archives
    return _unpacking(official[0]) if len(official) == 1 else ""


def _unpacking(archive: Path) -> str:
    """Advice on the only archive in a folder."""
    if archive.name.lower().endswith((".tar", ".zip")):
        return f"give the {archive.suffix[1:].lower()} in it: {archive}"
    explained = compressed(archive).rstrip(".")
    return explained and f"in it, {explained}"


def _candidates(root: Path) -> tuple[list[Path], list[Path]]:
    """Folders below the root with class folders, known pictures or tables; and all archives."""
    inside, archives, waiting, seen = [], [], [root], set()
    for _ in range(_MOST_FOLDERS):
        if not waiting:
            break
        folder = waiting.pop(0)
        real = folder.resolve()
        if real in seen:  # a link to a folder that was searched before
            continue
        seen.add(real)
        folders, files = _first(folder)
        archives += [folder / name for name in files if name.lower().endswith(ARCHIVES)]
        if _holds_pictures(folder, folders, files):
            if folder == root:  # the folder itself is right, but contains something else too
                return [], []
            inside.append(folder)
        elif folder != root and any(name.lower().endswith(".parquet") for name in files):
            inside.append(folder)
        else:
            waiting += [folder / name for name in folders]
    return inside, archives


def _first(folder: Path) -> tuple[list[str], list[str]]:
    """The first folders and files in a folder; none if it cannot be read."""
    folders, files = [], []
    try:
        with os.scandir(folder) as entries:
            for _, entry in zip(range(_FIRST), entries, strict=False):
                if not is_system_name(entry.name):
                    kind = _kind(entry)
                    folders += [entry.name] if kind == "folder" else []
                    files += [entry.name] if kind == "file" else []
    except OSError:
        return [], []
    return sorted(folders), sorted(files)


def _holds_pictures(folder: Path, folders: list[str], files: list[str]) -> bool:
    """Whether a folder has class folders that are not empty, or pictures of known classes."""
    classes = [name for name in folders if class_of_folder(name, "wnid") is not None]
    indices = [name for name in folders if is_index(name)]
    classes += indices if len(indices) > 1 else []
    return any(_has_a_picture(folder / name) for name in classes[:_CLASSES]) or any(
        info_from_name(name).label != NO_CLASS for name in files if _may_be_picture(name)
    )


def _classes_in(folder: Path) -> set[int]:
    """The classes that the first files of a folder have in their names, and NO_CLASS for others."""
    return {info_from_name(name).label for name in _first(folder)[1] if _may_be_picture(name)}


def _has_a_picture(folder: Path) -> bool:
    return any(map(_may_be_picture, _first(folder)[1]))


def _may_be_picture(name: str) -> bool:
    return kind_of_file(name) in ("picture", "no-suffix")
