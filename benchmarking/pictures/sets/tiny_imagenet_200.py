"""Tiny ImageNet: 200 classes, with pictures of 64 by 64 pixels."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from benchmarking.errors import PictureError
from benchmarking.labels.imagenet import class_of_wnid, wnids
from benchmarking.pictures.findings import Finding
from benchmarking.pictures.image_set import FilePart, Picture, Place, in_order
from benchmarking.pictures.set_facts import CARE, Archive, SetFacts
from benchmarking.pictures.sets import Contents, Match, zip_file
from benchmarking.pictures.sets._class_folders import incomplete

NAME = "tiny-imagenet-200"
DESCRIPTION = "Tiny ImageNet, the folder or zip tiny-imagenet-200"

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
    CARE[NAME],
)
_IMAGES = "val/images"
_ANNOTATIONS = "val/val_annotations.txt"


def match(where: str) -> Match:
    """Match a folder that has its file of annotations, and its zip by name."""
    is_zip = Path(where).name == FACTS.archives[0].file and Path(where).is_file()
    return Match.LAYOUT if is_zip or Path(where, _ANNOTATIONS).is_file() else Match.NONE


def open_pictures(where: str) -> Contents:
    """List the labelled validation pictures; its list wnids.txt tells its classes.

    Raises:
        PictureError: a file of the set is missing or broken, or has a class that is not of
            ImageNet 2012.
    """
    held, annotations = _files(where), Path(where, _ANNOTATIONS)
    listed = _lines(where, held, "wnids.txt", 1)
    classes = {_class(Path(where, "wnids.txt"), wnid) for (wnid,) in listed}
    pictures = []
    for name, wnid in _lines(where, held, _ANNOTATIONS, 2):
        place = held.get(f"{_IMAGES}/{name}")
        if place is None:
            raise PictureError(f"{annotations} lists {name!r}, which is not a file in {_IMAGES}.")
        label = _class(annotations, wnid)
        if label not in classes:
            raise PictureError(f"{annotations} has {wnid}, which wnids.txt does not list.")
        pictures.append(Picture(name, label, place))
    if not pictures:
        raise PictureError(f"{annotations} lists no picture.")
    care = Finding("read-with-care", FACTS.note, len(pictures), (), "say so with every accuracy")
    findings = (*incomplete(NAME, 10_000, pictures), care)
    contents = Contents(in_order(pictures, wnids()), tuple(sorted(classes)), (), findings)
    return replace(contents, name=NAME, picture_set=NAME)


def _files(where: str) -> Mapping[str, Place]:
    """The files of the set, by their paths in its folder or zip."""
    root = Path(where)
    if root.is_file():
        members = zip_file.members_of(root)
        paths = (member.filename.removeprefix(f"{NAME}/") for member in members)
        return {
            path: zip_file.part_of(where, one) for path, one in zip(paths, members, strict=True)
        }
    names = ["wnids.txt", _ANNOTATIONS]
    with suppress(OSError):  # without pictures, the first one that is listed is missing
        names += [f"{_IMAGES}/{path.name}" for path in (root / _IMAGES).iterdir() if path.is_file()]
    return {name: FilePart(str(root / name)) for name in names}


def _lines(where: str, held: Mapping[str, Place], name: str, columns: int) -> Iterator[list[str]]:
    """The first columns of each line of a file; the columns are separated by tabs."""
    path = Path(where, name)
    if name not in held:
        raise PictureError(f"{where} has no {name}, but {NAME} needs it.")
    try:
        text = held[name].read().decode("utf-8").splitlines()
        lines = list(csv.reader(text, delimiter="\t"))
    except (ValueError, csv.Error) as error:
        raise PictureError(f"{path} is no text, or no table: {error}.") from error
    for number, line in enumerate(lines, 1):
        if len(line) < columns:
            raise PictureError(f"{path}, line {number}: {line} has fewer than {columns} columns.")
        yield line[:columns]


def _class(path: Path, wnid: str) -> int:
    known = class_of_wnid()
    if wnid not in known:
        raise PictureError(f"{path} has {wnid!r}, which is none of ImageNet's 1,000 classes.")
    return known[wnid]
