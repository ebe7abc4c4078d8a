"""ImageNet-100: the validation pictures of 100 classes, by the list of the paper on CMC."""

from __future__ import annotations

from dataclasses import replace

from benchmarking.errors import PictureError
from benchmarking.labels.class_subsets import class_subset
from benchmarking.pictures.layout import usable
from benchmarking.pictures.names import number_within
from benchmarking.pictures.set_facts import Archive, SetFacts
from benchmarking.pictures.sets import Contents, Match
from benchmarking.pictures.sets._class_folders import incomplete, reading

NAME = "imagenet-100"
DESCRIPTION = "imagenet-100:PLACE, the pictures of 100 classes in a folder or tar of validation"

_IMAGE_SET = "imagenet-100-cmc"
"""The name says whose list it is: other papers have other lists of 100 classes."""

FACTS = SetFacts(
    "5,000 validation pictures of the 100 classes that Y. Tian et al. (2020) list for CMC",
    (Archive("", 5000, name=_IMAGE_SET),),
    class_subset(NAME),
    "accuracy over its 100 classes",
    "a list only; the pictures are ImageNet's",
    "HobbitLong/CMC, imagenet100.txt; other lists of 100 classes exist",
)


def match(where: str) -> Match:
    """Match nothing: a place of validation pictures is the whole set unless the user says so."""
    return Match.NONE


def open_pictures(where: str) -> Contents:
    """List the validation pictures of the 100 classes; those of other classes are not listed.

    Raises:
        PictureError: there are none, or they are not validation pictures.
    """
    found = reading(where)
    pictures = tuple(p for p in usable(where, found) if p.label in FACTS.classes)
    if not pictures:
        raise PictureError(f"{where} has no picture of the 100 classes of {_IMAGE_SET}.")
    other = next((p.key for p in pictures if not number_within(p.key)), None)
    if other is not None:
        raise PictureError(
            f"{where} has {other!r}, which is not named as a validation picture; {NAME} needs "
            "ImageNet's validation set."
        )
    findings = (*found.findings, *incomplete(_IMAGE_SET, 5000, pictures))
    contents = Contents(pictures, tuple(FACTS.classes), found.left_out, findings)
    return replace(contents, name=_IMAGE_SET, picture_set=NAME)
