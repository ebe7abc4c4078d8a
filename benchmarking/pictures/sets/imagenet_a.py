"""ImageNet-A: pictures of 200 classes that a ResNet-50 got wrong."""

from __future__ import annotations

from benchmarking.labels.class_subsets import class_subset
from benchmarking.pictures.set_facts import Archive, SetFacts
from benchmarking.pictures.sets._class_folders import ClassFolderSet

NAME = "imagenet-a"
DESCRIPTION = "ImageNet-A, its folder or imagenet-a.tar"

SET = ClassFolderSet(
    NAME,
    SetFacts(
        "7,500 natural adversarial examples, after D. Hendrycks et al. (2021)",
        (
            Archive(
                "imagenet-a.tar",
                7500,
                687_552_512,
                "3bb3632277e6ba6392ea64c02ddbf4dd2266c9caffd6bc09c9656d28f012589e",
                "c3e55429088dc681f30d81f4726b6595",
                "https://people.eecs.berkeley.edu/~hendrycks/imagenet-a.tar",
            ),
        ),
        class_subset(NAME),
        "accuracy over its 200 classes",
        "MIT",
        "TensorFlow Datasets; hendrycks/natural-adv-examples",
    ),
    {NAME: (NAME,)},
    file_name=r"\d\.\d+_.+ _ .+_\d\.\d+\.jpg",
)

FACTS = SET.facts
match = SET.match
open_pictures = SET.open_pictures
