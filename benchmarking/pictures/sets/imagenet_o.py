"""ImageNet-O: pictures of no ImageNet class, for the detection of unknown objects."""

from __future__ import annotations

from benchmarking.labels.class_subsets import class_subset
from benchmarking.pictures.set_facts import CARE, Archive, SetFacts
from benchmarking.pictures.sets._class_folders import ClassFolderSet

NAME = "imagenet-o"
DESCRIPTION = "ImageNet-O, its folder or imagenet-o.tar"

SET = ClassFolderSet(
    NAME,
    SetFacts(
        "2,000 pictures of objects outside ImageNet's classes, after D. Hendrycks et al. (2021)",
        (
            Archive(
                "imagenet-o.tar",
                2000,
                177_617_920,
                "0015fa5d33941be8e1187964e6dd494d1f5fe5fbb1b9dd53ff7463408a48acfb",
                "86bd7a50c1c4074fb18fc5f219d6d50b",
                "https://people.eecs.berkeley.edu/~hendrycks/imagenet-o.tar",
            ),
        ),
        class_subset(NAME),
        "AUPR of the largest probability over its 200 classes, against ImageNet's validation set",
        "MIT",
        "cais/imagenet-o; hendrycks/natural-adv-examples; classes: LAION-AI/CLIP_benchmark",
        CARE[NAME],
    ),
    {NAME: (NAME,)},
)

FACTS = SET.facts
match = SET.match
open_pictures = SET.open_pictures
