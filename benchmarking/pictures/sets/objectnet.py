"""ObjectNet: objects in unusual poses; several classes of ImageNet are right for some."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarking.errors import PictureError
from benchmarking.io.files import read_regular
from benchmarking.io.printable import printable
from benchmarking.labels.imagenet import wnids
from benchmarking.pictures.image_set import FilePart, Picture, in_order
from benchmarking.pictures.names import is_system_name, kind_of_file
from benchmarking.pictures.set_facts import Archive, SetFacts
from benchmarking.pictures.sets import Contents, Match
from benchmarking.pictures.sets._class_folders import incomplete

NAME = "objectnet"
DESCRIPTION = "ObjectNet, its folder objectnet-1.0 with images and mappings"

FACTS = SetFacts(
    "18,574 pictures of objects in 113 of ObjectNet's folders, after A. Barbu et al. (2019)",
    (Archive("objectnet-1.0.zip", 18_574),),
    (),
    "accuracy over the classes of ImageNet in its mapping; each class of a folder is right",
    "CC BY 4.0; not for training or tuning; the red border stays if a picture is published",
    "objectnet.dev; its zip needs the password that is given there",
)
BORDER = 1
"""Pixels of the red border that marks each picture as one of a test set."""

_IMAGES, _MAPPINGS = "images", "mappings"
_LABELS = "folder_to_objectnet_label.json"
_CLASSES = "objectnet_to_imagenet_1k.json"
_NUMBERS = "pytorch_to_imagenet_2012_id.json"
_NAMES = "imagenet_to_label_2012_v2"


def match(where: str) -> Match:
    """Match a folder that has its mapping, or its zip by name."""
    path = Path(where)
    is_zip = path.name == FACTS.archives[0].file and path.is_file()
    is_own = is_zip or path.joinpath(_MAPPINGS, _CLASSES).is_file()
    return Match.LAYOUT if is_own else Match.NONE


def open_pictures(where: str) -> Contents:
    """List the pictures of all folders that its mapping gives classes of ImageNet.

    The red border of one pixel is cut off before the recipe is applied.

    Raises:
        PictureError: the mapping is missing or broken, or a folder of it has no pictures.
    """
    root = Path(where)
    if root.is_file():
        raise PictureError(
            f"{where} is encrypted; unpack it with the password that objectnet.dev gives with its "
            "terms, and give the folder objectnet-1.0."
        )
    classes = _classes_of_folders(root / _MAPPINGS)
    pictures = [one for name, right in classes.items() for one in _pictures(root, name, right)]
    found = {entry.name for entry in (root / _IMAGES).iterdir()}
    left_out = sorted(f"{_IMAGES}/{name}/" for name in found.difference(classes))
    known = sorted({one for right in classes.values() for one in right})
    findings = incomplete(NAME, FACTS.archives[0].n, pictures)
    ordered = in_order(pictures, wnids())
    return Contents(ordered, tuple(known), tuple(left_out), tuple(findings), NAME, NAME)


def _pictures(root: Path, name: str, right: tuple[int, ...]) -> list[Picture]:
    folder = root / _IMAGES / name
    try:
        files = sorted(path.name for path in folder.iterdir() if not is_system_name(path.name))
    except OSError as error:
        raise PictureError(
            f"{folder} cannot be read: {error.strerror}. The mapping has this folder; unpack "
            f"{FACTS.archives[0].file} again."
        ) from error
    first, *also = right
    return [
        Picture(f"{name}/{file}", first, FilePart(str(folder / file)), tuple(also), BORDER)
        for file in files
        if kind_of_file(file) == "picture"
    ]


def _classes_of_folders(mappings: Path) -> dict[str, tuple[int, ...]]:
    """The classes of ImageNet that are right for each folder, sorted.

    Raises:
        PictureError: a file is missing or broken, or they contradict each other.
    """
    folders = {str(label): name for name, label in _document(mappings / _LABELS).items()}
    index = _classes_by_name(mappings)
    found: dict[str, tuple[int, ...]] = {}
    for label, names in _document(mappings / _CLASSES).items():
        listed = str(names).split("; ")
        unknown = [name for name in listed if name not in index]
        if label not in folders or unknown:
            what = printable(label if label not in folders else unknown[0])
            raise PictureError(f"{mappings / _CLASSES} has {what!r}, which no other mapping has.")
        shared = [name for name in listed if len(index[name]) > 1]
        if shared:
            raise PictureError(
                f"{mappings / _CLASSES} has {printable(shared[0])!r}, which is the name of "
                f"{len(index[shared[0]])} classes."
            )
        found[folders[label]] = tuple(sorted({index[name][0] for name in listed}))
    return dict(sorted(found.items()))


def _classes_by_name(mappings: Path) -> dict[str, list[int]]:
    """The classes of each name; two classes of ImageNet, a bird and a machine, are a "crane".

    Raises:
        PictureError: a file is missing or broken, or they do not name each of ImageNet's classes.
    """
    names = [line.strip() for line in _read(mappings / _NAMES).splitlines()]
    found: dict[str, list[int]] = defaultdict(list)
    for index, line in _document(mappings / _NUMBERS).items():
        is_line = isinstance(line, int) and 0 <= line < len(names)
        if not (is_line and index.isascii() and index.isdigit()):
            raise PictureError(
                f"{mappings / _NUMBERS} maps {printable(index)!r} to {printable(str(line))!r}; "
                f"expected a class and its line among the {len(names):,} of {_NAMES}."
            )
        found[names[line]].append(int(index))
    classes = sorted(one for same in found.values() for one in same)
    if classes != list(range(len(wnids()))):
        raise PictureError(
            f"{mappings} names {len(set(classes))} classes; expected ImageNet's {len(wnids()):,}. "
            f"Unpack {FACTS.archives[0].file} again."
        )
    return dict(found)


def _document(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(_read(path))
    except (ValueError, RecursionError) as error:
        raise PictureError(f"{path} is no JSON: {error}.") from error
    if not isinstance(found, dict):
        raise PictureError(f"{path} is no mapping of names.")
    return found


def _read(path: Path) -> str:
    try:
        return read_regular(path).decode()
    except OSError as error:
        raise PictureError(
            f"{path} cannot be read: {error.strerror}. {NAME} needs this file of its mappings."
        ) from error
    except ValueError as error:
        raise PictureError(f"{path} is no text: {error}.") from error
