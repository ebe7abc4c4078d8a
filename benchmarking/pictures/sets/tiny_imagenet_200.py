"""Tiny ImageNet: 200 classes, with pictures of 64 by 64 pixels."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarking.errors import PictureError
from benchmarking.labels.imagenet import class_of_wnid, wnids
from benchmarking.pictures.findings import Finding
from benchmarking.pictures.image_set import FilePart, Picture, in_order
from benchmarking.pictures.set_facts import Archive, SetFacts
from benchmarking.pictures.sets import Contents, Match
from benchmarking.pictures.sets._class_folders import incomplete

NAME = "tiny-imagenet-200"
DESCRIPTION = "Tiny ImageNet, the folder tiny-imagenet-200"

FACTS = SetFacts(
    "10,000 pictures of 200 classes, of 64 by 64 pixels, from Stanford's course CS231n",
    (
        Archive(
            "tiny-imagenet-200.zip",
            10_000,
            248_100_043,
            md5="90528d7ca1a48142e341f4ef8d21d0de",
            url="http://cs231n.stanford.edu/tiny-imagenet-200.zip",
        ),
    ),
    (),
    "accuracy over its 200 classes",
    "research",
    "cs231n.stanford.edu; its wnids.txt lists the classes",
    "its pictures have 64 by 64 pixels, which recipes enlarge: accuracies are far below those of "
    "ImageNet",
)
_ANNOTATIONS = "val/val_annotations.txt"


def match(where: str) -> Match:
    """Match a folder that has its file of annotations."""
    return Match.LAYOUT if Path(where, _ANNOTATIONS).is_file() else Match.NONE


def open_pictures(where: str) -> Contents:
    """List the labelled validation pictures; its list wnids.txt tells its classes.

    Raises:
        PictureError: a file of the set is missing or broken, or has a class that is not of
            ImageNet 2012.
    """
    root = Path(where)
    classes = {_class(root / "wnids.txt", wnid) for (wnid,) in _lines(root / "wnids.txt", 1)}
    pictures = []
    for name, wnid in _lines(root / _ANNOTATIONS, 2):
        place = root / "val" / "images" / name
        if Path(name).name != name or not place.is_file():
            raise PictureError(f"{root / _ANNOTATIONS} lists {name!r}, but {place} is not a file.")
        label = _class(root / _ANNOTATIONS, wnid)
        if label not in classes:
            raise PictureError(f"{root / _ANNOTATIONS} has {wnid}, which wnids.txt does not list.")
        pictures.append(Picture(name, label, FilePart(str(place))))
    if not pictures:
        raise PictureError(f"{root / _ANNOTATIONS} lists no picture.")
    care = Finding("read-with-care", FACTS.note, len(pictures), (), "say so with every accuracy")
    findings = (*incomplete(NAME, 10_000, pictures), care)
    contents = Contents(in_order(pictures, wnids()), tuple(sorted(classes)), (), findings)
    return replace(contents, name=NAME, picture_set=NAME)


def _lines(path: Path, columns: int) -> Iterator[list[str]]:
    """The first columns of each line; the columns are separated by tabs."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise PictureError(f"{path} cannot be read, but {NAME} needs it: {error}.") from error
    for number, line in enumerate(csv.reader(lines, delimiter="\t"), 1):
        if len(line) < columns:
            raise PictureError(f"{path}, line {number}: {line} has fewer than {columns} columns.")
        yield line[:columns]


def _class(path: Path, wnid: str) -> int:
    known = class_of_wnid()
    if wnid not in known:
        raise PictureError(f"{path} has {wnid!r}, which is none of ImageNet's 1,000 classes.")
    return known[wnid]
