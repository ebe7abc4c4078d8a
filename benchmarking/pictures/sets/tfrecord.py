"""TFRecord files of TensorFlow Datasets, and of Google's TPU and Inception scripts.

Both name the split and the number of each file. TensorFlow Datasets counts classes from 0 and has
the features image, label and file_name. The scripts count them from 1, as 0 is "background", and
have image/encoded, image/class/label, image/class/synset and image/filename. Sources: TensorFlow
Datasets 4.9, imagenet2012; github.com/tensorflow/tpu, tools/datasets/imagenet_to_gcs.py.
"""

from __future__ import annotations

import os
import re
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from benchmarking.errors import PictureError
from benchmarking.io.printable import printable
from benchmarking.io.progress import bar
from benchmarking.labels.imagenet import class_of_wnid, validation_key, wnids
from benchmarking.pictures.image_set import FilePart, Picture, in_order
from benchmarking.pictures.names import NO_CLASS, info_from_name
from benchmarking.pictures.sets import Contents, Match
from benchmarking.pictures.sets._numbered_files import of_one_split
from benchmarking.pictures.sets._tfrecord_listing import Record, listed

NAME = "tfrecord"
DESCRIPTION = "TFRecord files of TensorFlow Datasets or of the TPU scripts"

_PART = re.compile(
    r"(?:.+-)?(?P<split>[a-z]+)(?:\.tfrecords?)?-(?P<number>\d+)-of-(?P<count>\d+)(?:\.tfrecords?)?",
    re.IGNORECASE,
)
_MOST_ENTRIES = 5000  # entries of a folder among which files are looked for


class Confirmed(NamedTuple):
    """A picture, and whether its synset or name confirms its class."""

    picture: Picture
    is_confirmed: bool


def match(where: str) -> Match:
    """Match a file whose name has the number of its part, and a folder with such files."""
    path = Path(where)
    files = [path] if path.is_file() and _PART.fullmatch(path.name) else _files_in(path)
    return Match.LAYOUT if files else Match.NONE


def open_pictures(where: str) -> Contents:
    """List the labelled pictures of a file, or of the files of a split in a folder.

    Every file is read once, with a bar, as it has no list of its records. Later, each picture is
    read from its place in the file, without TensorFlow.

    Raises:
        PictureError: a file is missing, damaged or empty, a feature is missing, or classes
            contradict the names of pictures.
        MissingDependency: TensorFlow is not installed.
    """
    path = Path(where)
    files = [path] if path.is_file() else of_one_split(path, _files_in(path), _PART)
    with bar(listed(files), title="listing", total=len(files), unit=" files") as shown:
        found = [
            confirmed(file, number, record)
            for file, records in zip(files, shown, strict=True)
            for number, record in enumerate(records)
        ]
    if not found:
        raise PictureError(f"{where} holds no TFRecord files, such as NAME-00000-of-00064.")
    if not any(one.is_confirmed for one in found):
        raise PictureError(
            f"{where} has neither synsets nor names of pictures with a class, so its labels may be "
            "counted from 0 or from 1, in any order."
        )
    pictures = [one.picture for one in found]
    others = [] if path.is_file() else [one.name for one in _files_in(path) if one not in files]
    return Contents(in_order(pictures, wnids()), left_out=tuple(others))


def _files_in(folder: Path) -> list[Path]:
    """The files in a folder that are named as parts, sorted."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        some = [entry.name for entry in islice(entries, _MOST_ENTRIES)]
    names = [name for name in some if _PART.fullmatch(name) and not name.endswith(".parquet")]
    return [folder / name for name in sorted(names)]


def confirmed(file: Path, number: int, record: Record) -> Confirmed:
    """The picture of a record, and whether its synset or name confirms its class.

    Raises:
        PictureError: it has no picture or no label, or its label contradicts its synset or name.
    """
    what = f"{file}, record {number}"
    if record.offset < 0:
        there = ", ".join(record.features) or "none"
        raise PictureError(
            f"{what} has no picture in its feature "
            f"{'image/encoded' if record.of_scripts else 'image'!r}; its features are "
            f"{printable(there)}. Expected image and label, or image/encoded and image/class/label."
        )
    label = _label(what, record)
    name = PurePosixPath(record.name).name
    info = info_from_name(name)
    evidence = (
        (class_of_wnid().get(record.synset, NO_CLASS), f"synset {record.synset}"),
        (info.label, f"name {printable(name)!r}"),
    )
    for said, source in evidence:
        if said not in (NO_CLASS, label):
            raise PictureError(
                f"{what} has class {label}, counted from 0, but its {source} is that of class "
                f"{said}. Are its labels counted from {0 if record.of_scripts else 1}, or in "
                "another order?"
            )
    key = validation_key(info.number) if info.number else info.key
    place = FilePart(str(file), record.offset, record.size)
    picture = Picture(key or f"{file.name}-{number:06d}", label, place)
    return Confirmed(picture, any(said == label for said, _ in evidence))


def _label(what: str, record: Record) -> int:
    """The class of a record, counted from 0."""
    first = 1 if record.of_scripts else 0
    last = first + len(wnids()) - 1
    if record.label is None or not first <= record.label <= last:
        said = "no single number" if record.label is None else record.label
        raise PictureError(f"{what} has {said} as its label; expected {first} to {last}.")
    return record.label - first
