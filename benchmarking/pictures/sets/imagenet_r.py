"""ImageNet-R: renditions, such as paintings and toys, of 200 classes."""

from __future__ import annotations

from benchmarking.labels.class_subsets import class_subset
from benchmarking.pictures.set_facts import Archive, SetFacts
from benchmarking.pictures.sets._class_folders import ClassFolderSet

NAME = "imagenet-r"
DESCRIPTION = "ImageNet-R, its folder or imagenet-r.tar"

_STYLES = (
    *("art", "cartoon", "deviantart", "embroidery", "graffiti", "graphic", "misc", "origami"),
    *("painting", "sculpture", "sketch", "sticker", "tattoo", "toy", "videogame"),
)

SET = ClassFolderSet(
    NAME,
    SetFacts(
        "30,000 renditions, after D. Hendrycks et al. (2021)",
        (
            Archive(
                "imagenet-r.tar",
                30_000,
                2_191_079_936,
                "18c6bf493b39a0d975d48e587437f562caab9c52ae6327dcfa9dd8eb54aa1b52",
                "a61312130a589d0ca1a8fca1f2bd3337",
                "https://people.eecs.berkeley.edu/~hendrycks/imagenet-r.tar",
            ),
        ),
        class_subset(NAME),
        "accuracy over its 200 classes",
        "MIT",
        "TensorFlow Datasets; hendrycks/imagenet-r",
    ),
    {NAME: (NAME,)},
    file_name=rf"(?:{'|'.join(_STYLES)})_\d+\.jpg",
)

FACTS = SET.facts
match = SET.match
open_pictures = SET.open_pictures
