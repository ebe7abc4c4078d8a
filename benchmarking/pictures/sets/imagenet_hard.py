"""ImageNet-Hard: pictures of other sets that no zoom makes easy, some with several classes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from benchmarking.errors import PictureError
from benchmarking.labels.imagenet import wnids
from benchmarking.pictures.image_set import ALL_CLASSES, Picture, in_order
from benchmarking.pictures.set_facts import CARE, Archive, SetFacts
from benchmarking.pictures.sets import Contents, Match
from benchmarking.pictures.sets._class_folders import incomplete
from benchmarking.pictures.sets.parquet import files_of, rows_of, schema_of

NAME = "imagenet-hard"
DESCRIPTION = "ImageNet-Hard, the parquet files of Hugging Face"

FACTS = SetFacts(
    "10,980 pictures of other sets that no zoom makes easy, after M. R. Taesiri et al. (2023)",
    (Archive("validation-*.parquet", 10_980),),
    ALL_CLASSES,
    "accuracy over 1,000 classes; each class in a picture's list is right",
    "MIT; the pictures are those of the other sets",
    "Hugging Face, taesiri/imagenet-hard",
    CARE[NAME],
)
_COLUMNS = {"image", "label", "origin", "english_label"}


def match(where: str) -> Match:
    """Match parquet files with its columns, better than the set of all parquet files does."""
    schema = schema_of(where)
    return Match.NAME if schema is not None and set(schema.names) >= _COLUMNS else Match.NONE


def open_pictures(where: str) -> Contents:
    """List the pictures with all of their classes; the first one in the list is the usual label.

    Raises:
        PictureError: a file is missing, damaged or lacks a column, or a picture has no class.
        MissingDependency: pyarrow is not installed.
    """
    files, left_out = files_of(where)
    pictures = [picture for file in files for picture in _pictures(file)]
    findings = incomplete(NAME, FACTS.archives[0].n, pictures)
    ordered = in_order(pictures, wnids())
    return Contents(ordered, ALL_CLASSES, left_out, tuple(findings), NAME, NAME)


def _pictures(file: Path) -> Iterator[Picture]:
    for number, (place, path, labels) in enumerate(rows_of(file, "several")):
        right = tuple(dict.fromkeys(labels)) if isinstance(labels, list) else ()
        wrong = [one for one in right if one is None or not 0 <= one < len(ALL_CLASSES)]
        if not right or wrong:
            raise PictureError(
                f"{file}, row {number} has the labels {labels!r}; expected a list of classes from "
                f"0 to {len(ALL_CLASSES) - 1}, at least one."
            )
        name = f"{file.stem}-{number:05d}{PurePosixPath(path).suffix}"
        yield Picture(name, right[0], place, right[1:])
