"""ImageNet-Sketch: black-and-white sketches of all classes."""

from __future__ import annotations

from benchmarking.pictures.image_set import ALL_CLASSES
from benchmarking.pictures.set_facts import Archive, SetFacts
from benchmarking.pictures.sets._class_folders import ClassFolderSet

NAME = "imagenet-sketch"
DESCRIPTION = "ImageNet-Sketch, the folder sketch of its archive"

SET = ClassFolderSet(
    NAME,
    SetFacts(
        "50,889 sketches, after H. Wang et al. (2019)",
        (
            Archive(
                "ImageNet-Sketch.zip",
                50_889,
                7_593_573_012,
                "4d3ce6b82a7c48aabf14aeac105eb533e75707f152cc858f55bfc022031a72ed",
            ),
        ),
        ALL_CLASSES,
        "accuracy over 1,000 classes",
        "MIT",
        "TensorFlow Datasets, imagenet_sketch",
    ),
    {NAME: (NAME, "imagenet_sketch")},
    file_name=r"sketch_\d+\.JPEG",
)

FACTS = SET.facts
match = SET.match
open_pictures = SET.open_pictures
