"""Twenty labelled ImageNet pictures, as the `foolbox` package ships them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from benchmarking.errors import MissingDependency
from benchmarking.image_sets import Picture, in_order
from benchmarking.imagenet import wnids

NAME = "demo"
DESCRIPTION = "20 labelled ImageNet pictures that the foolbox package ships"


def recognises(where: str) -> bool:
    """Whether this is the set's name; a folder of that name is meant by ./demo."""
    return where == NAME


def open_pictures(where: str) -> tuple[Picture, ...]:
    """The pictures, found without importing foolbox.

    Raises:
        MissingDependency: foolbox is not installed.
    """
    spec = find_spec("foolbox")
    if spec is None or spec.origin is None:
        raise MissingDependency(
            "foolbox, which ships the demo pictures, is not installed; "
            "run: pip install 'imagenet-benchmarking[demo]'"
        )
    files = Path(spec.origin).parent.joinpath("data").glob("imagenet_*_*.jpg")
    pictures = (Picture(file.name, int(file.stem.rpartition("_")[2]), str(file)) for file in files)
    return in_order(pictures, wnids())
