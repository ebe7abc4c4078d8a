"""ImageNet-C: the validation set with 19 kinds of corruption, each at five severities.

Each corruption and severity is an image set of its own, such as imagenet-c-gaussian_noise-3.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarking.errors import PictureError
from benchmarking.pictures.image_set import ALL_CLASSES
from benchmarking.pictures.layout import usable
from benchmarking.pictures.names import number_within
from benchmarking.pictures.set_facts import Archive, SetFacts
from benchmarking.pictures.sets import Contents, Match
from benchmarking.pictures.sets._class_folders import incomplete, reading

NAME = "imagenet-c"
DESCRIPTION = "ImageNet-C, one corruption and severity: gaussian_noise/3 or weather.tar/fog/1"

CORRUPTIONS = {
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise"),
    "blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    "weather": ("snow", "frost", "fog", "brightness"),
    "digital": ("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
    "extra": ("speckle_noise", "gaussian_blur", "spatter", "saturate"),
}
"""Names of the corruptions by archive; those of "extra" do not count in the mCE."""

SEVERITIES = ("1", "2", "3", "4", "5")

# Size in bytes and md5 of each archive.
_ARCHIVES = {
    "noise": (22_565_673_785, "e80562d7f6c3f8834afb1ecf27252745"),
    "blur": (7_112_704_951, "2d8e81fdd8e07fef67b9334fa635e45c"),
    "weather": (12_797_438_995, "33ffea4db4d93fe4a428c40a6ce0c25d"),
    "digital": (7_757_510_705, "89157860d7b10d5797849337ca2e5c03"),
    "extra": (15_789_490_144, "d492dfba5fc162d8ec2c3cd8ee672984"),
}
_N = 50_000

FACTS = SetFacts(
    "50,000 validation pictures for each of 19 corruptions at five severities, after "
    "D. Hendrycks and T. Dietterich (2019)",
    tuple(
        Archive(
            f"{group}.tar",
            _N * len(CORRUPTIONS[group]) * len(SEVERITIES),
            size,
            md5=md5,
            url=f"https://zenodo.org/records/2235448/files/{group}.tar",
            name=f"{NAME}-{group}",
        )
        for group, (size, md5) in _ARCHIVES.items()
    ),
    ALL_CLASSES,
    "error for each corruption; mCE is the mean of 15, each relative to the error of AlexNet",
    "CC BY 4.0",
    "Zenodo record 2235448; hendrycks/robustness",
)


def match(where: str) -> Match:
    """Match a folder CORRUPTION/SEVERITY, in a folder or in a tar, and what it is in."""
    root, corruption, severity = _split(where)
    if corruption and severity:
        return Match.LAYOUT if _exists(root, corruption, severity) else Match.NONE
    path = Path(where)
    is_archive = path.suffix == ".tar" and path.stem in CORRUPTIONS and path.is_file()
    return Match.LAYOUT if is_archive or path.is_dir() and _held(path) else Match.NONE


def open_pictures(where: str) -> Contents:
    """List the labelled pictures of one corruption and severity.

    Raises:
        PictureError: the place has several, or its pictures are not corrupted validation pictures.
    """
    root, corruption, severity = _split(where)
    if not (corruption and severity):
        raise PictureError(
            f"{where} does not say which corruption and severity of {NAME} is meant, and each is "
            f"an image set of its own; give one, such as {_example(Path(where))}."
        )
    inside = f"{corruption}/{severity}"
    found = reading(str(root), inside=inside) if root.is_file() else reading(where)
    pictures = usable(where, found)
    other = next((p.key for p in pictures if not number_within(p.key)), None)
    if other is not None:
        raise PictureError(
            f"{where} has {other!r}, which is not named as a validation picture; the pictures of "
            f"{NAME} are."
        )
    name = f"{NAME}-{corruption}-{severity}"
    findings = (*found.findings, *incomplete(name, _N, pictures))
    contents = Contents(pictures, ALL_CLASSES, found.left_out, findings)
    return replace(contents, name=name, picture_set=NAME)


def _split(where: str) -> tuple[Path, str, str]:
    """The folder or tar, the corruption and the severity of a place; "" if it names none."""
    path = Path(where).absolute()
    known = {name for names in CORRUPTIONS.values() for name in names}
    if path.name in SEVERITIES and path.parent.name in known:
        return path.parent.parent, path.parent.name, path.name
    return path, path.name if path.name in known else "", ""


def _exists(root: Path, corruption: str, severity: str) -> bool:
    return Path(root, corruption, severity).is_dir() or (root.suffix == ".tar" and root.is_file())


def _held(folder: Path) -> list[str]:
    """The corruptions and severities in a folder, as paths relative to it."""
    known = [name for names in CORRUPTIONS.values() for name in names]
    if folder.name in known:
        return [one for one in SEVERITIES if Path(folder, one).is_dir()]
    return [
        f"{name}/{one}" for name in known for one in SEVERITIES if Path(folder, name, one).is_dir()
    ]


def _example(path: Path) -> str:
    held = _held(path) if path.is_dir() else []
    first = CORRUPTIONS.get(path.stem, CORRUPTIONS["noise"])[0]
    return f"{NAME}:{path / (held[0] if held else f'{first}/3')}"
