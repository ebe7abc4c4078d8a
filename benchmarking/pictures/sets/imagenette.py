"""Imagenette: ten classes of ImageNet that are easy to tell apart."""

from __future__ import annotations

from benchmarking.labels.class_subsets import class_subset
from benchmarking.pictures.set_facts import CARE, Archive, SetFacts
from benchmarking.pictures.sets._class_folders import ClassFolderSet

NAME = "imagenette"
DESCRIPTION = "Imagenette 2, an unpacked folder such as imagenette2 or imagenette2-320"

# Name, size in bytes and md5 of each archive.
_ARCHIVES = (
    ("imagenette2", 1_557_161_267, "fe2fc210e6bb7c5664d602c3cd71e612"),
    ("imagenette2-320", 341_663_724, "3df6f0d01a2c9592104656642f5e78a3"),
    ("imagenette2-160", 99_003_388, "e793b78cc4c9e9a4ccc0c1155377a412"),
)

SET = ClassFolderSet(
    NAME,
    SetFacts(
        "3,925 pictures of ten classes, whole or resized to a shorter side of 320 or 160 pixels",
        tuple(
            Archive(
                f"{name}.tgz",
                3925,
                size,
                md5=md5,
                url=f"https://s3.amazonaws.com/fast-ai-imageclas/{name}.tgz",
                name=f"{name}-val",
            )
            for name, size, md5 in _ARCHIVES
        ),
        class_subset(NAME),
        "accuracy over its ten classes, and over 1,000",
        "Apache-2.0 (repository)",
        "torchvision.datasets.Imagenette; fastai/imagenette",
        CARE[NAME],
    ),
    {f"{name}-val": (name,) for name, _, _ in _ARCHIVES},
    inside="val",
    has_validation_pictures=True,
)

FACTS = SET.facts
match = SET.match
open_pictures = SET.open_pictures
