"""ImageNet-V2: three test sets, collected again in 2019 for the classes of ImageNet."""

from __future__ import annotations

from benchmarking.pictures.image_set import ALL_CLASSES
from benchmarking.pictures.set_facts import Archive, SetFacts
from benchmarking.pictures.sets._class_folders import ClassFolderSet

NAME = "imagenet-v2"
DESCRIPTION = "ImageNet-V2, the folder or archive of one of its three variants"

_VARIANTS = {
    "matched-frequency": (
        1_264_079_360,
        "f0c37fdf925916b19ea1323cd9a2208cdb6959ba2c32eef2a7fc393835c9ca7c",
    ),
    "threshold0.7": (
        1_249_906_176,
        "32142bfe998f9cfa4141be691f6a80eeb1e27b24bd532a668eb08c26d98897a2",
    ),
    "top-images": (
        1_245_927_936,
        "85e4ace30f3f0d660152062254b8759dda66267b27f7ec0fd8d5768f1073a04b",
    ),
}
_URL = "https://huggingface.co/datasets/vaishaal/ImageNetV2/resolve/main"


def _name(variant: str) -> str:
    return f"{NAME}-{variant.replace('.', '')}"


SET = ClassFolderSet(
    NAME,
    SetFacts(
        "10,000 pictures for each of three rules of selection, after B. Recht et al. (2019)",
        tuple(
            Archive(
                f"imagenetv2-{variant}.tar.gz",
                10_000,
                size,
                sha256,
                url=f"{_URL}/imagenetv2-{variant}.tar.gz",
                name=_name(variant),
            )
            for variant, (size, sha256) in _VARIANTS.items()
        ),
        ALL_CLASSES,
        "accuracy over 1,000 classes",
        "code MIT; pictures of Flickr, as ImageNet's",
        "TensorFlow Datasets 4.9.10, imagenet_v2/checksums.tsv; modestyachts/ImageNetV2",
    ),
    {
        _name(variant): (
            f"imagenetv2-{variant}-format-val",
            f"imagenetv2-{variant}",
            f"imagenet-v2-{variant}",
        )
        for variant in _VARIANTS
    },
    naming="index",
    file_name=r"[0-9a-f]{40}\.jpeg",
)

FACTS = SET.facts
match = SET.match
open_pictures = SET.open_pictures
