"""Pictures in folders of any names, with a file that maps each folder to classes of ImageNet."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable
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
from benchmarking.pictures.sets.folder import listed_entries

NAME = "mapped-folder"
DESCRIPTION = "folders of any names with a file class_map.csv or class_map.json beside them"

FILES = ("class_map.csv", "class_map.json")
"""Names of the mapping in the folder that has the folders of pictures."""

_CLASSES = re.compile("class|label|wnid|synset|^ *$", re.IGNORECASE)
"""Headings of columns that have classes, or nothing."""


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
    pictures, others = [], [entry.name for entry in root.iterdir()]
    for name, right in classes.items():
        some, rest = _pictures(root, name, right)
        pictures += some
        others += rest
    parts = {str(one) for name in classes for one in (Path(name), *Path(name).parents)}
    left_out = sorted(
        one
        for one in others
        if one not in (*parts, mapping.name) and not is_system_name(Path(one).name)
    )
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
        folder = str(Path(name))  # "cats/" and "./cats" are the folder "cats"
        if folder in found:
            raise PictureError(f"{what} is in the mapping twice; keep one entry.")
        found[folder] = right
    if not found:
        raise PictureError(f"{mapping} is empty; expected folders and their classes.")
    return found


def _lines(mapping: Path) -> Iterable[tuple[str, Any]]:
    """The names and the classes in a mapping, as they are written."""
    try:
        text = decoded(read_regular(mapping))
        if mapping.suffix.lower() == ".json":
            document = json.loads(text, object_pairs_hook=tuple)  # a name may be there twice
            if not isinstance(document, tuple):
                raise PictureError(f"{mapping} is no object of folders and classes.")
            return document
        cells = cells_of(text)
    except OSError as error:
        raise PictureError(f"{mapping} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError, csv.Error) as error:
        raise PictureError(f"{mapping} cannot be read: {error}.") from error
    short = next((line for line in cells if len(line) < 2), None)
    if short is not None:
        raise PictureError(f"{mapping} has the line {short}; expected a folder and its classes.")
    has_headings = _has_headings(mapping, cells)
    others = [one for one in cells[0][2:] if not _CLASSES.search(one)] if has_headings else []
    if others:
        raise PictureError(
            f"{mapping} has the column {others[0]!r}; expected a folder and its classes, each in a "
            "column named class, label or wnid."
        )
    return [(line[0], " ".join(line[1:])) for line in cells[has_headings:]]


def _has_headings(mapping: Path, cells: list[list[str]]) -> bool:
    """Whether the first line is headings: it names no folder, and no class."""
    if not cells or (mapping.parent / cells[0][0]).is_dir():
        return False
    try:
        return not classes_in(" ".join(cells[0][1:]))
    except (KeyError, TypeError, ValueError, OverflowError):
        return True


def _pictures(root: Path, name: str, right: tuple[int, ...]) -> tuple[list[Picture], list[str]]:
    """The pictures in a folder of the mapping, and the paths of all else in it."""
    folder = root / name
    try:
        listed = listed_entries(str(folder))
    except PictureError as error:
        raise PictureError(
            f"{error} The mapping names it; correct the mapping, or add the folder."
        ) from error
    is_picture = {(one, kind): kind_of_file(one) == "picture" for one, kind in listed}
    files = [one for (one, kind), yes in is_picture.items() if yes and kind == "file"]
    odd = next((one for (one, kind), yes in is_picture.items() if yes and kind == "odd"), None)
    if odd is not None:
        raise PictureError(f"{folder / odd} is no file: a link to nothing, or a device.")
    if not files:
        raise PictureError(f"{folder} has no pictures, but the mapping gives it classes.")
    first, *also = right
    pictures = [
        Picture(f"{name}/{file}", first, FilePart(str(folder / file)), tuple(also))
        for file in files
    ]
    return pictures, [f"{name}/{one}" for one, _ in listed if one not in files]
