"""Twenty labelled ImageNet pictures, as the `foolbox` package ships them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from benchmarking.errors import MissingDependency, PictureError, pip_install
from benchmarking.labels.imagenet import wnids
from benchmarking.pictures.image_set import FilePart, Picture, in_order
from benchmarking.pictures.sets import Contents, Match

NAME = "demo"
DESCRIPTION = "20 labelled ImageNet pictures that the foolbox package ships"


def match(where: str) -> Match:
    """Match only the set's name; ./demo is a folder of that name."""
    return Match.NAME if where == NAME else Match.NONE


def open_pictures(where: str) -> Contents:
    """The pictures, found without importing foolbox.

    Raises:
        PictureError: a place is given, but the set has none.
        MissingDependency: foolbox is not installed.
    """
    if where not in (NAME, ""):
        raise PictureError(f"the picture set {NAME!r} has no place; leave {where!r} away.")
    spec = find_spec("foolbox")
    if spec is None or spec.origin is None:
        raise MissingDependency(
            "foolbox, which ships the demo pictures, is not installed; "
            f"run: {pip_install('foolbox', 'demo')}"
        )
    files = Path(spec.origin).parent.joinpath("data").glob("imagenet_*_*.jpg")
    pictures = (
        Picture(file.name, int(file.stem.rpartition("_")[2]), FilePart(str(file))) for file in files
    )
    return Contents(in_order(pictures, wnids()))
