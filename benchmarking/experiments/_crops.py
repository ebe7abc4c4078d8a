"""Crops of an experiment's pictures by several recipes; each picture is decoded once for all."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from secrets import token_hex

from benchmarking.errors import BenchmarkError, PictureError
from benchmarking.inference.crop_sharing import SPARE, WORTH_MENTIONING
from benchmarking.io import files
from benchmarking.io.downloads import cache_folder
from benchmarking.io.files import in_bytes
from benchmarking.io.progress import bar, notice
from benchmarking.pictures.crop_cache import CropFile, remove_left_over
from benchmarking.pictures.image_set import Picture
from benchmarking.pictures.kept_crops import KeptCrops, keep_crops
from benchmarking.pictures.reading import image_set, inspected
from benchmarking.pictures.recipe import Preprocessing, Scaling


@contextmanager
def crops_kept(
    pictures: Sequence[Picture], recipes: Collection[Preprocessing], workers: int
) -> Iterator[Mapping[Preprocessing, CropFile]]:
    """Files with the crops of all pictures, which any process can read until the block ends.

    The keys are the recipes without their scaling; see `unscaled`. A recipe has no file if the disk
    has no room for it, and none has one if a recipe cannot crop a picture. Who needs the crops then
    makes them, and gets the error.
    """
    found: dict[Preprocessing, CropFile] = {}
    name = f"audit-{token_hex(6)}"
    with ExitStack() as stack:
        kept = _begun(name, len(pictures), recipes, stack)
        for one, file in _published(name, pictures, kept, workers, stack):
            found[unscaled(one.recipe)] = file
        yield found


def unscaled(recipe: Preprocessing) -> Preprocessing:
    """A recipe with the identity as its scaling: all recipes with the same crops become equal."""
    return replace(recipe, scaling=Scaling())


def _begun(
    name: str, n: int, recipes: Collection[Preprocessing], stack: ExitStack
) -> list[KeptCrops]:
    """Begin files in the user's cache, as far as there is room."""
    try:
        folder = cache_folder("crops")
    except BenchmarkError:  # such as an unknown home folder
        return []
    remove_left_over(folder)
    room = files.free(folder) - SPARE
    kept = keep_crops(folder, name, n, list(recipes), room)
    for one in kept:
        stack.push(one.stack)
    size = sum(one.file.crops.size for one in kept)
    if size >= WORTH_MENTIONING:
        notice(f"crops are kept until the models have seen them: {in_bytes(size)} in {folder}")
    return kept


def _published(
    name: str,
    pictures: Sequence[Picture],
    kept: Sequence[KeptCrops],
    workers: int,
    until: ExitStack,
) -> list[tuple[KeptCrops, CropFile]]:
    """Make the crops with a progress bar; their files."""
    if not kept:
        return []
    recipes = [one.recipe for one in kept]
    read = inspected(pictures, workers, recipes, kept)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")  # about metadata; they would break the bar
        seen = list(bar(read, title="crops", total=len(pictures), unit=" images"))
    if any(one.problem for one in seen):
        return []
    classes = range(1 + max(max(picture.right) for picture in pictures))
    try:
        images = image_set(name, pictures, [one.sha256 for one in seen], classes)
    except PictureError:  # such as two pictures of one name
        return []
    return [(one, one.target(images)) for one in kept if one.publish(images, until)]
