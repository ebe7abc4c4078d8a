"""Pictures in folders of any names, with a file that maps each folder to classes of ImageNet."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarking.errors import PictureError
from benchmarking.io.files import read_regular
from benchmarking.io.printable import printable
from benchmarking.labels.class_values import classes_in
from benchmarking.labels.imagenet import wnids
from benchmarking.labels.label_tables import cells_of, decoded
from benchmarking.pictures.image_set import FilePart, Picture, in_order
from benchmarking.pictures.names import is_system_name, kind_of_file
from benchmarking.pictures.sets import Contents, Match

NAME = "mapped-folder"
DESCRIPTION = "folders of any names with a file class_map.csv or class_map.json beside them"

FILES = ("class_map.csv", "class_map.json")
"""Names of the mapping in the folder that has the folders of pictures."""


def match(where: str) -> Match:
    """Match a folder with a mapping, and the mapping itself."""
    path = Path(where)
    if path.is_file():
        return Match.LAYOUT if path.name in FILES else Match.NONE
    return Match.LAYOUT if any((path / name).is_file() for name in FILES) else Match.NONE


def open_pictures(where: str) -> Contents:
    """List the pictures in the folders of a mapping.

    A mapping has a line for each folder: its name, and one or several classes as WordNet ids or
    as numbers from 0 to 999. In JSON it is an object of folders and classes. Folders are relative
    to that of the mapping. The image set declares the classes of the mapping.

    Args:
        where: the folder with the mapping in it, or a mapping of any name (mapped-folder:FILE).

    Raises:
        PictureError: the mapping is missing or broken, a folder is missing or empty, or a folder
            has two lines.
    """
    mapping = _mapping(Path(where))
    classes = _classes_of_folders(mapping)
    root = mapping.parent
    pictures = [one for name, right in classes.items() for one in _pictures(root, name, right)]
    others = {entry.name for entry in root.iterdir() if not is_system_name(entry.name)}
    tops = {Path(name).parts[0] for name in classes}
    left_out = sorted(others.difference(tops, {mapping.name}))
    known = sorted({one for right in classes.values() for one in right})
    return Contents(in_order(pictures, wnids()), tuple(known), tuple(left_out), name=_name(root))


def _mapping(path: Path) -> Path:
    if path.is_file():
        return path
    found = [path / name for name in FILES if (path / name).is_file()]
    if len(found) != 1:
        raise PictureError(
            f"{path} has {' and '.join(one.name for one in found) or 'no mapping'}; expected one "
            f"of {' and '.join(FILES)}, with a line for each folder: its name and its classes."
        )
    return found[0]


def _name(root: Path) -> str:
    """The default name of the image set, if the mapping is given instead of its folder."""
    return root.resolve().name if root.resolve().name.isidentifier() else ""


def _classes_of_folders(mapping: Path) -> dict[str, tuple[int, ...]]:
    """The right classes of each folder."""
    found: dict[str, tuple[int, ...]] = {}
    for number, (name, value) in enumerate(_lines(mapping), 1):
        what = f"{mapping}, entry {number} ({printable(name)!r})"
        try:
            right = tuple(dict.fromkeys(classes_in(value)))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise PictureError(
                f"{what} has {printable(str(value))!r} as its classes: {error}. Expected WordNet "
                "ids such as n02123045, or numbers from 0 to 999."
            ) from error
        if not right or not all(0 <= one < len(wnids()) for one in right):
            raise PictureError(
                f"{what} has {'no class' if not right else max(right)}; expected WordNet ids, or "
                f"numbers from 0 to {len(wnids()) - 1}."
            )
        if Path(name).is_absolute() or ".." in Path(name).parts or name in ("", "."):
            raise PictureError(f"{what}: expected the name of a folder beside the mapping.")
        if name in found:
            raise PictureError(f"{what} is in the mapping twice; keep one entry.")
        found[name] = right
    if not found:
        raise PictureError(f"{mapping} is empty; expected folders and their classes.")
    return found


def _lines(mapping: Path) -> Iterable[tuple[str, Any]]:
    """The names and the classes in a mapping, as they are written."""
    try:
        text = decoded(read_regular(mapping))
        if mapping.suffix.lower() == ".json":
            document = json.loads(text)
            if not isinstance(document, Mapping):
                raise PictureError(f"{mapping} is no object of folders and classes.")
            return [(str(name), value) for name, value in document.items()]
        cells = cells_of(text)
    except OSError as error:
        raise PictureError(f"{mapping} cannot be read: {error.strerror}.") from error
    except (ValueError, csv.Error) as error:
        raise PictureError(f"{mapping} cannot be read: {error}.") from error
    short = next((line for line in cells if len(line) < 2), None)
    if short is not None:
        raise PictureError(f"{mapping} has the line {short}; expected a folder and its classes.")
    return [(line[0], " ".join(line[1:])) for line in cells[_has_headings(mapping, cells) :]]


def _has_headings(mapping: Path, cells: list[list[str]]) -> bool:
    """Whether the first line is headings: it names no folder, and no class."""
    if not cells or (mapping.parent / cells[0][0]).is_dir():
        return False
    try:
        return not classes_in(" ".join(cells[0][1:]))
    except (KeyError, TypeError, ValueError, OverflowError):
        return True


def _pictures(root: Path, name: str, right: tuple[int, ...]) -> list[Picture]:
    folder = root / name
    try:
        with os.scandir(folder) as entries:
            files = [entry.name for entry in entries if entry.is_file()]
    except OSError as error:
        raise PictureError(
            f"{folder} cannot be read: {error.strerror}. The mapping names it; correct the "
            "mapping, or add the folder."
        ) from error
    pictures = sorted(one for one in files if kind_of_file(one) == "picture")
    if not pictures:
        raise PictureError(f"{folder} has no pictures, but the mapping gives it classes.")
    first, *also = right
    return [
        Picture(f"{name}/{file}", first, FilePart(str(folder / file)), tuple(also))
        for file in pictures
    ]
