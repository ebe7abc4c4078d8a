"""The one reading of pictures before a sweep: they are checked, and their crops are kept for it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarking.inference.crop_sharing import CropCache, begin_to_keep, crops_folder
from benchmarking.io.progress import bar, notice
from benchmarking.pictures.crop_cache import crop_file
from benchmarking.pictures.image_set import ImageSet
from benchmarking.pictures.kept_crops import KeptCrops
from benchmarking.pictures.read_before import ReadBefore
from benchmarking.pictures.reading import (
    OnBadImage,
    fingerprint_of,
    inspected,
    read_images,
    reading_order,
)
from benchmarking.pictures.recipe import Preprocessing
from benchmarking.pictures.sets import Contents


@dataclass(frozen=True)
class Reading:
    """How pictures are read before a sweep.

    Attributes:
        recipes: recipes that must be able to crop every picture.
        wanted: those by which crops are kept for the sweep, as far as there is room.
        cache: see `crops_shared`; crops stay in a folder that the user has named.
        workers: number of threads.
        on_bad_image: see `open_images`.
        before: pictures that were read before with these recipes; they are not read again. Those
            that are read are added.
        tell: called with messages for the user.
    """

    recipes: Sequence[Preprocessing]
    wanted: Sequence[Preprocessing]
    cache: CropCache
    workers: int
    on_bad_image: OnBadImage = "stop"
    before: ReadBefore | None = None
    tell: Callable[[str], None] = notice

    def read(self, name: str, contents: Contents, until: ExitStack) -> ImageSet:
        """Read each picture once.

        Args:
            name: name of the image set.
            contents: its pictures.
            until: crops are removed when this stack closes.

        Raises:
            PictureError: some pictures cannot be used and must not be skipped, or none can.
        """
        with ExitStack() as unfinished:
            kept = begin_to_keep(name, len(contents.pictures), self.wanted, self.cache, self.tell)
            for one in kept:
                unfinished.push(one.stack)
            how = (self.on_bad_image, self.workers, self.tell)
            images = read_images(
                name, contents, *how, recipes=self.recipes, kept=kept, before=self.before
            )
            stays = isinstance(self.cache, Path)
            for one in kept:
                is_there = one.publish(images, None if stays else until)
                if is_there and self.before:
                    self.before.add_crops(images.keys, one, one.target(images), until)
        return images


def crop_together(
    images: ImageSet,
    wanted: Sequence[Preprocessing],
    cache: CropCache,
    workers: int,
    until: ExitStack,
    tell: Callable[[str], None] = notice,
) -> None:
    """Make the crops by several recipes at once, of pictures that were read without them.

    Each picture is decoded once for all recipes. A single recipe is left to its model, which makes
    the crops while it predicts. If pictures have changed, or cannot be cropped, nothing is kept,
    and the models find it out.

    Args:
        images: the pictures.
        wanted: recipes of the models that are to be run.
        cache: see `crops_shared`.
        workers: number of threads.
        until: crops are removed when this stack closes, unless they are in a folder of the user.
        tell: called with messages for the user.
    """
    folder = crops_folder(cache)
    if folder is None:
        return
    lacking = [one for one in wanted if not crop_file(folder, images, one).is_complete]
    if len({crop_file(folder, images, one).path for one in lacking}) < 2:
        return
    with ExitStack() as unfinished:
        kept = begin_to_keep(images.name, len(images), lacking, cache, tell)
        for one in kept:
            unfinished.push(one.stack)
        if len(kept) < 2:  # there is no room
            return
        digests = _digests(images, kept, workers)
        if "" in digests or fingerprint_of(images, digests) != images.fingerprint:
            return
        stays = isinstance(cache, Path)
        for one in kept:
            one.publish(images, None if stays else until)


def _digests(images: ImageSet, kept: Sequence[KeptCrops], workers: int) -> list[str]:
    """Read the pictures and keep their crops; the sha256 of each, "" if it is broken."""
    order = reading_order(images.pictures)
    recipes = [one.recipe for one in kept]
    read = inspected([images.pictures[row] for row in order], workers, recipes, kept, order)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")  # about metadata, as in `read_images`
        seen = list(bar(read, title="cropping", total=len(images), unit=" images"))
    found = {row: "" if one.problem else one.sha256 for row, one in zip(order, seen, strict=True)}
    return [found[row] for row in range(len(images))]
