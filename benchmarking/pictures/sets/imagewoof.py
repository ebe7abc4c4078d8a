"""Imagewoof: ten breeds of dogs."""

from __future__ import annotations

from benchmarking.labels.class_subsets import class_subset
from benchmarking.pictures.set_facts import CARE, Archive, SetFacts
from benchmarking.pictures.sets._class_folders import ClassFolderSet

NAME = "imagewoof"
DESCRIPTION = "Imagewoof 2, an unpacked folder such as imagewoof2 or imagewoof2-320"

_NAMES = ("imagewoof2", "imagewoof2-320", "imagewoof2-160")

SET = ClassFolderSet(
    NAME,
    SetFacts(
        "3,929 pictures of ten breeds of dogs, whole or resized, as Imagenette",
        tuple(Archive(f"{name}.tgz", 3929, name=f"{name}-val") for name in _NAMES),
        class_subset(NAME),
        "accuracy over its ten classes, and over 1,000",
        "Apache-2.0 (repository)",
        "fastai/imagenette",
        CARE[NAME],
    ),
    {f"{name}-val": (name,) for name in _NAMES},
    inside="val",
    has_validation_pictures=True,
)

FACTS = SET.facts
match = SET.match
open_pictures = SET.open_pictures
