"""Crops of many pictures, decoded ahead of their use; kept in a file where models share them.

A file of crops is complete or absent. It holds the crops one after another, uint8 as they are
before scaling, and then a CRC-32 of each, little-endian; its name says what they are crops of.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from benchmarking.errors import BenchmarkError
from benchmarking.io import files
from benchmarking.io.locks import claim
from benchmarking.io.prefetch import prefetched
from benchmarking.pictures.crop import library_versions
from benchmarking.pictures.crop_stream import Crop, crop_of, crops
from benchmarking.pictures.image_set import ImageSet, Picture
from benchmarking.pictures.recipe import Preprocessing

AHEAD_ON_DISK = 4096
"""Crops that are decoded before they are asked for, where they wait in a file."""

WINDOW = 64
"""Crops of a file that are mapped into memory at a time."""

_CRC = np.dtype("<u4")
_NEW = os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)


@dataclass(frozen=True)
class CropFile:
    """Where the crops of an image set by one recipe are kept, or would be.

    Attributes:
        path: of the file; its name tells pictures, recipe and decoder apart.
        n: how many crops.
        side: of a crop in pixels.
    """

    path: Path
    n: int
    side: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of a crop."""
        return (self.side, self.side, 3)

    @property
    def size(self) -> int:
        """In bytes."""
        return self.n * (self._stride + _CRC.itemsize)

    @property
    def is_complete(self) -> bool:
        """Whether it is there, in full."""
        return self.path.is_file() and self.path.stat().st_size == self.size

    @property
    def _stride(self) -> int:
        return self.side * self.side * 3

    @contextmanager
    def crops(
        self,
        pictures: Sequence[Picture],
        preprocessing: Preprocessing,
        workers: int,
        rows: Sequence[range],
    ) -> Iterator[Iterator[Crop]]:
        """Crops of the pictures of some rows: read, or decoded and kept for the next job.

        Args:
            pictures: all of the image set.
            preprocessing: the recipe.
            workers: threads that decode.
            rows: ranges of the rows that are wanted, in order; the file is made where they are all.

        A crop that is damaged in the file is decoded again. Where another process is writing the
        file, or the disk is full, crops are decoded and not kept.

        Raises:
            PictureError: a picture cannot be read or decoded; the message names it.
        """
        with ExitStack() as stack:
            if not self.is_complete and list(rows) == [range(self.n)]:
                handle = self._begin(stack)
                if handle is not None:
                    yield stack.enter_context(self._kept(handle, pictures, preprocessing, workers))
                    return
            file = self._opened(stack)
            if file:
                read = self._read(file, pictures, preprocessing, rows)
                yield stack.enter_context(closing(read))
            else:
                wanted = [pictures[row] for part in rows for row in part]
                yield stack.enter_context(crops(wanted, preprocessing, workers))

    def _opened(self, stack: ExitStack) -> BinaryIO | None:
        """The complete file, which another process may remove meanwhile; None if there is none."""
        with suppress(OSError):
            if self.is_complete:
                return stack.enter_context(self.path.open("rb"))
        return None

    def remove(self) -> None:
        """Delete it, and what an interruption may have left; not what another process writes."""
        with ExitStack() as stack:
            if self._is_claimed(stack):
                for path in (self.path, self._part, self._lock):
                    path.unlink(missing_ok=True)

    @property
    def _part(self) -> Path:
        return self.path.with_name(f".{self.path.name}.part")

    @property
    def _lock(self) -> Path:
        return self.path.with_name(f".{self.path.name}.lock")

    def _is_claimed(self, stack: ExitStack) -> bool:
        """Whether it is ours to write, until the stack closes."""
        try:
            return claim(self._lock, stack)
        except BenchmarkError:
            return False

    def _begin(self, stack: ExitStack) -> int | None:
        """A handle on a new file, all of its room reserved; None if it cannot be written now."""
        if not hasattr(os, "pwrite"):  # Windows
            return None
        if not self._is_claimed(stack) or self.is_complete:
            return None
        try:
            handle = os.open(self._part, _NEW, 0o644)
            stack.callback(os.close, handle)
            stack.callback(self._part.unlink, missing_ok=True)
            files.reserve(handle, self.size)
        except OSError:
            return None
        return handle

    @contextmanager
    def _kept(
        self, handle: int, pictures: Sequence[Picture], preprocessing: Preprocessing, workers: int
    ) -> Iterator[Iterator[Crop]]:
        def keep(numbered: tuple[int, Picture]) -> int | Crop:
            """Write a crop where it belongs: its checksum, or itself if it cannot be written."""
            row, picture = numbered
            pixels = np.ascontiguousarray(crop_of(picture, preprocessing))
            try:
                files.write_at(handle, pixels.data, row * self._stride)
            except OSError:
                return pixels
            return zlib.crc32(pixels.data)

        with prefetched(keep, enumerate(pictures), workers, AHEAD_ON_DISK) as kept:
            yield self._completed(handle, kept)

    def _completed(self, handle: int, kept: Iterator[int | Crop]) -> Iterator[Crop]:
        """Every crop; before the last one, if all could be written, the file gets its name."""
        sums, written = np.empty(self.n, _CRC), 0
        for row, one in enumerate(kept):
            if isinstance(one, int):
                sums[row] = one
                written += 1
            if written == self.n:
                with suppress(OSError):  # a full disk, at last: the crops are used all the same
                    files.write_at(handle, sums.tobytes(), self.n * self._stride)
                    os.fsync(handle)
                    self._part.replace(self.path)
            if isinstance(one, int):
                data = os.pread(handle, self._stride, row * self._stride)
                yield np.frombuffer(data, np.uint8).reshape(self.shape)
            else:
                yield one

    def _read(
        self,
        file: BinaryIO,
        pictures: Sequence[Picture],
        preprocessing: Preprocessing,
        rows: Sequence[range],
    ) -> Generator[Crop, None, None]:
        sums = np.memmap(file, _CRC, "r", self.n * self._stride, (self.n,))
        windows = (
            part[start : start + WINDOW] for part in rows for start in range(0, len(part), WINDOW)
        )
        for window in windows:
            shape = (len(window), *self.shape)
            mapped_rows = np.memmap(file, np.uint8, "r", window.start * self._stride, shape)
            for row, mapped in zip(window, mapped_rows, strict=True):
                pixels = np.array(mapped)
                sound = zlib.crc32(pixels.data) == sums[row]
                yield pixels if sound else crop_of(pictures[row], preprocessing)


def crop_file(folder: Path, images: ImageSet, preprocessing: Preprocessing) -> CropFile:
    """Where the crops of an image set by a recipe are kept in a folder.

    Whatever could change one of them is in the name: pictures and their order, the steps before
    scaling, and the versions of the library and its decoder.
    """
    steps = preprocessing.as_document()
    del steps["scaling"]
    made_of = {
        "images": images.fingerprint,
        "keys": images.keys,
        "steps": steps,
        "versions": library_versions(preprocessing.library),
    }
    digest = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
    name = f"{images.name}-{preprocessing.crop}-{digest[:24]}.crops"
    return CropFile(folder / name, len(images), preprocessing.crop)
