"""Pictures that were read before, with their crops, so that a larger sample reads only the others.

What was read is not compared with the files again: the fingerprint of the larger sample, and its
crops, are those of the bytes that were read first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from benchmarking.pictures.crop_cache import CropFile, OpenedCrops
from benchmarking.pictures.kept_crops import KeptCrops

if TYPE_CHECKING:
    from benchmarking.pictures.reading import Seen


class ReadBefore:
    """The pictures of one place that were read, all with the same recipes."""

    def __init__(self) -> None:
        self._seen: dict[str, Seen] = {}
        self._crops: list[tuple[KeptCrops, OpenedCrops, Mapping[str, int]]] = []

    def seen(self, key: str, row: int, kept: Collection[KeptCrops]) -> Seen | None:
        """What was seen of a picture; None if it has to be read, now or again.

        Args:
            key: name of the picture.
            row: its row in the files of crops that are being written.
            kept: these files; they get the crops that were made before.
        """
        found = self._seen.get(key)
        if found is None or not all(self._is_copied(key, row, one) for one in kept):
            return None
        return found

    def add(self, keys: Sequence[str], seen: Sequence[Seen]) -> None:
        """Add pictures that were read."""
        self._seen.update(zip(keys, seen, strict=True))

    def add_crops(
        self, keys: Sequence[str], crops: KeptCrops, file: CropFile, until: ExitStack
    ) -> None:
        """Add the crops of pictures.

        Args:
            keys: names of the pictures, in the order of the rows.
            crops: how they were made.
            file: the complete file in which they are now.
            until: the file is open until this stack closes.
        """
        opened = file.opened(until)
        if opened:
            self._crops.append((crops, opened, {key: row for row, key in enumerate(keys)}))

    def _is_copied(self, key: str, row: int, wanted: KeptCrops) -> bool:
        """Copy the crop of a picture to a file; False if there is none, or it is damaged."""
        for crops, opened, rows in self._crops:
            if key in rows and crops.serve(wanted.recipe):
                pixels = opened.crop(rows[key])
                if pixels is not None:
                    wanted.keep(row, pixels)
                    return True
        return False
