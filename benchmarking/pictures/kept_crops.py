"""Crops that are kept while pictures are checked, so that no picture is read twice.

The name of a file of crops depends on the fingerprint of all pictures, which is known only when all
have been read. Until then, the crops are in a file with a name of its own.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarking.pictures.crop_cache import CropFile, Unfinished, crop_file, steps_of
from benchmarking.pictures.crop_stream import Crop
from benchmarking.pictures.image_set import ImageSet
from benchmarking.pictures.recipe import Preprocessing


@dataclass(frozen=True, eq=False)
class KeptCrops:
    """Crops by one recipe that are being kept; threads can keep several at once.

    Attributes:
        recipe: the recipe.
        folder: folder of the files of crops.
        file: the file that is written.
        stack: closes the file and removes it, unless it was published.
    """

    recipe: Preprocessing
    folder: Path
    file: Unfinished
    stack: ExitStack = field(repr=False)

    def serve(self, recipe: Preprocessing) -> bool:
        """Whether they are the crops by a recipe, too; its scaling does not matter."""
        return steps_of(self.recipe) == steps_of(recipe)

    def keep(self, row: int, pixels: Crop) -> None:
        """Keep the crop of a row; if the disk is full, the file will not be complete."""
        with suppress(OSError):
            self.file.write(row, pixels)

    def target(self, images: ImageSet) -> CropFile:
        """The file that these crops become when they are published."""
        return crop_file(self.folder, images, self.recipe)

    def publish(self, images: ImageSet, until: ExitStack | None) -> bool:
        """Give the file its name, if all crops of an image set were kept; else remove it.

        Args:
            images: the pictures, all of which were read.
            until: the file is removed when this stack closes, unless another process uses it; None
                leaves it there.

        Returns:
            Whether the file can be used now.
        """
        target = self.target(images)
        with self.stack:
            if target.n != self.file.n or not self.file.is_complete:
                return False
            if until is not None and not target.use(until):
                return False
            with suppress(OSError):
                return target.is_complete or self.file.finish(target)
            return False


def keep_crops(
    folder: Path, images: str, n: int, recipes: Sequence[Preprocessing], room: int
) -> list[KeptCrops]:
    """Begin to keep the crops of n pictures by these recipes, as far as there is room.

    Args:
        folder: folder of the files of crops.
        images: name of the image set.
        n: number of its pictures.
        recipes: the recipes, the most important one first.
        room: bytes that the files may take.
    """
    found: list[KeptCrops] = []
    for recipe in recipes:
        if any(one.serve(recipe) for one in found):
            continue
        path = folder / f"{images}-{recipe.crop}-{secrets.token_hex(12)}.crops"
        file = CropFile(path, n, recipe.crop)
        if file.size > room:
            continue
        stack = ExitStack()
        begun = file.begin(stack)
        if begun is None:
            stack.close()
            break  # the folder cannot be written
        room -= file.size
        found.append(KeptCrops(recipe, folder, begun, stack))
    return found


def has_crops(folder: Path, images: str, n: int, recipe: Preprocessing) -> bool:
    """Whether a folder may have these crops: a complete file of the same name, size and number."""
    files = folder.glob(f"{images}-{recipe.crop}-*.crops")
    return any(CropFile(path, n, recipe.crop).is_complete for path in files)
