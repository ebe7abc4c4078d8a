"""Crops of many pictures, decoded ahead of use and cached in a file that models share.

A file of crops appears only when it is complete. It holds the crops one after another, as uint8
before scaling, and then a little-endian CRC-32 of each. Its name identifies the pictures and the
recipe.

While it is needed, there are up to three files beside it: `.NAME.part`, the file that is being
written; `.NAME.lock`, which its writer holds; and `.NAME.used`, which all sweeps that use it hold.
The last of these sweeps removes the file. A file without `.NAME.used` is kept.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import zlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.io import files
from benchmarking.io.locks import agreed, claim, remove_if_unlocked
from benchmarking.io.prefetch import prefetched
from benchmarking.pictures.crop import library_versions
from benchmarking.pictures.crop_stream import Crop, crop_of, crops
from benchmarking.pictures.image_set import ImageSet, Picture
from benchmarking.pictures.recipe import Preprocessing

AHEAD_ON_DISK = 4096
"""Crops that are decoded before they are requested, when they are cached in a file."""

_CRC = np.dtype("<u4")
_BESIDE = re.compile(r"\.(.+-[0-9]+-[0-9a-f]{24}\.crops)\.(used|lock)", re.DOTALL)
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL


@dataclass(frozen=True)
class CropFile:
    """The file, existing or not, that caches the crops of an image set by one recipe.

    Attributes:
        path: path of the file; its name depends on pictures, recipe and decoder.
        n: number of crops.
        side: side of a crop in pixels.
    """

    path: Path
    n: int
    side: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of a crop."""
        return (self.side, self.side, 3)

    @property
    def size(self) -> int:
        """Size of the complete file in bytes."""
        return self.n * (self._stride + _CRC.itemsize)

    @property
    def is_complete(self) -> bool:
        """Whether the file exists and has its full size."""
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
        """Crops of the given rows, read from the file or decoded and cached for the next job.

        Args:
            pictures: all pictures of the image set.
            preprocessing: the recipe.
            workers: number of threads that decode.
            rows: ranges of the requested rows, in order; the file is written only if they cover
                all rows.

        A crop that is damaged in the file is decoded again. If another process is writing the
        file, or the disk is full, crops are decoded and not cached.

        Raises:
            PictureError: a picture cannot be read or decoded; the message names it.
        """
        with ExitStack() as stack:
            if not self.is_complete and list(rows) == [range(self.n)]:
                handle = self._begin(stack)
                if handle is not None:
                    yield stack.enter_context(self._kept(handle, pictures, preprocessing, workers))
                    return
            kept = self.opened(stack)
            if kept:
                read = _read(kept, pictures, preprocessing, rows)
                yield stack.enter_context(closing(read))
            else:
                wanted = [pictures[row] for part in rows for row in part]
                yield stack.enter_context(crops(wanted, preprocessing, workers))

    def opened(self, stack: ExitStack) -> OpenedCrops | None:
        """Open the file until the stack closes; None if it is not complete, or was removed."""
        with suppress(OSError):
            if self.is_complete:
                file = stack.enter_context(self.path.open("rb"))
                return OpenedCrops(self, file.fileno(), self._sums(file))
        return None

    def use(self, stack: ExitStack) -> bool:
        """Use the file until the stack closes; the last sweep that uses it removes it.

        Returns:
            Whether the folder can be written and has locks.
        """
        with ExitStack() as taken:
            taken.callback(self._remove_if_unused)  # somebody may have removed the whole cache
            try:
                taken.enter_context(agreed(self._used, "", self.remove))
            except BenchmarkError:
                taken.pop_all()
                return False
            stack.enter_context(taken.pop_all())
        return True

    def _remove_if_unused(self) -> None:
        if not self._used.exists():
            self.remove()

    def remove(self) -> bool:
        """Delete the file and any incomplete copy, unless another process is writing it.

        Returns:
            Whether they are deleted.
        """
        return self._is_removed(self.path, self._part)

    def remove_left_over(self) -> None:
        """Delete files that killed processes have left, unless another process uses them."""
        remove_if_unlocked(self._used, self.remove)
        if self._lock.exists():
            self._is_removed(self._part)

    def _is_removed(self, *paths: Path) -> bool:
        with ExitStack() as stack, suppress(OSError):
            if self._is_claimed(stack):
                for path in (*paths, self._lock):
                    path.unlink(missing_ok=True)
                return True
        return False

    @property
    def _used(self) -> Path:
        return self.path.with_name(f".{self.path.name}.used")

    @property
    def _part(self) -> Path:
        return self.path.with_name(f".{self.path.name}.part")

    @property
    def _lock(self) -> Path:
        return self.path.with_name(f".{self.path.name}.lock")

    def _is_claimed(self, stack: ExitStack) -> bool:
        """Take the lock for writing until the stack closes; False if another process holds it."""
        try:
            return claim(self._lock, stack)
        except BenchmarkError:
            return False

    def _begin(self, stack: ExitStack) -> int | None:
        """Create a file with all of its disk space reserved; None if it cannot be written now."""
        if not hasattr(os, "pwrite"):  # Windows
            return None
        if not self._is_claimed(stack):
            return None
        stack.callback(_remove, self._lock)
        if self.is_complete:
            return None
        try:
            self._part.unlink(missing_ok=True)  # of a killed process, or a link
            handle = os.open(self._part, _NEW, 0o644)
            stack.callback(os.close, handle)
            stack.callback(_remove, self._part)
            files.reserve(handle, self.size)
        except OSError:
            return None
        return handle

    def begin(self, stack: ExitStack) -> Unfinished | None:
        """Begin the file, to be written in any order of rows; None if it cannot be written now.

        Args:
            stack: closes the file and removes it, unless it was finished.
        """
        handle = self._begin(stack)
        return None if handle is None else Unfinished(self, handle, np.full(self.n, -1))

    @contextmanager
    def _kept(
        self, handle: int, pictures: Sequence[Picture], preprocessing: Preprocessing, workers: int
    ) -> Iterator[Iterator[Crop]]:
        def keep(numbered: tuple[int, Picture]) -> int | Crop:
            """Write a crop to the file; return its checksum, or the crop if writing failed."""
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
        """Yield every crop; if all were written, rename the file before yielding the last one."""
        sums, written = np.empty(self.n, _CRC), 0
        for row, one in enumerate(kept):
            if isinstance(one, int):
                sums[row] = one
                written += 1
            if written == self.n:
                with suppress(OSError):  # the disk is full: the crops are used anyway
                    files.write_at(handle, sums.tobytes(), self.n * self._stride)
                    os.fsync(handle)
                    self._part.replace(self.path)
            if isinstance(one, int):
                data = os.pread(handle, self._stride, row * self._stride)
                yield np.frombuffer(data, np.uint8).reshape(self.shape)
            else:
                yield one

    def _sums(self, file: BinaryIO) -> NDArray[np.int64]:
        """The checksum of each crop; -1 where the file ends before it."""
        data = os.pread(file.fileno(), self.n * _CRC.itemsize, self.n * self._stride)
        whole = len(data) // _CRC.itemsize
        sums = np.full(self.n, -1)
        sums[:whole] = np.frombuffer(data, _CRC, whole)
        return sums


@dataclass(frozen=True, eq=False)
class OpenedCrops:
    """A complete file of crops that is open for reading; threads can read at the same time.

    Attributes:
        crops: the file.
        handle: its descriptor.
        sums: checksum of the crop of each row; -1 where the file ends before it.
    """

    crops: CropFile
    handle: int
    sums: NDArray[np.int64]

    def crop(self, row: int) -> Crop | None:
        """The crop of a row; None if it is damaged.

        A memory map would crash if another process cut the file.
        """
        stride = self.crops._stride
        data = os.pread(self.handle, stride, row * stride)
        if len(data) == stride and zlib.crc32(data) == self.sums[row]:
            return np.frombuffer(data, np.uint8).reshape(self.crops.shape)
        return None

    def agree(self, other: OpenedCrops, row: int) -> bool:
        """Whether two files have the same crop of a row; damaged crops never agree."""
        if self.sums[row] != other.sums[row]:
            return False
        one, theirs = self.crop(row), other.crop(row)
        return one is not None and theirs is not None and np.array_equal(one, theirs)


@dataclass(frozen=True, eq=False)
class Unfinished:
    """A file of crops that is being written, in any order of rows.

    Attributes:
        crops: the file.
        handle: its descriptor.
        sums: checksum of the crop of each row; -1 if it has not been written.
    """

    crops: CropFile
    handle: int
    sums: NDArray[np.int64]

    @property
    def n(self) -> int:
        """Number of crops of the complete file."""
        return self.crops.n

    @property
    def is_complete(self) -> bool:
        """Whether all crops have been written."""
        return bool((self.sums >= 0).all())

    def write(self, row: int, pixels: Crop) -> None:
        """Write the crop of a row; OSError if the disk is full."""
        data = np.ascontiguousarray(pixels).data
        files.write_at(self.handle, data, row * self.crops._stride)
        self.sums[row] = zlib.crc32(data)

    def finish(self, target: CropFile) -> bool:
        """Give the file its name; OSError if the disk is full."""
        sums = self.sums.astype(_CRC).tobytes()
        files.write_at(self.handle, sums, self.n * self.crops._stride)
        os.fsync(self.handle)
        self.crops._part.replace(target.path)
        return True


def _read(
    kept: OpenedCrops,
    pictures: Sequence[Picture],
    preprocessing: Preprocessing,
    rows: Sequence[range],
) -> Generator[Crop, None, None]:
    """Read crops one by one; those that are damaged are decoded again."""
    for row in (row for part in rows for row in part):
        pixels = kept.crop(row)
        yield crop_of(pictures[row], preprocessing) if pixels is None else pixels


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def remove_left_over(folder: Path) -> None:
    """Delete what killed processes of this user have left in a folder of crops.

    What tells it is a lock beside it that nobody holds. A complete file without one was to be kept.
    """
    if not hasattr(os, "geteuid"):  # Windows, where no such file is written
        return
    for path in folder.glob(".*.crops.*"):
        found = _BESIDE.fullmatch(path.name)
        with suppress(OSError):
            status = path.lstat()
            is_ours = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
            if found and is_ours:
                CropFile(folder / found[1], 0, 0).remove_left_over()


def steps_of(preprocessing: Preprocessing) -> dict[str, Any]:
    """The steps of a recipe that make its crops: all but the scaling."""
    steps = preprocessing.as_document()
    del steps["scaling"]
    return steps


def crop_file(folder: Path, images: ImageSet, preprocessing: Preprocessing) -> CropFile:
    """The file in a folder that caches the crops of an image set by a recipe.

    Its name depends on everything that could change a crop: the pictures and their order, the
    steps before scaling, and the versions of the library and its decoder.
    """
    made_of = {
        "images": images.fingerprint,
        "keys": images.keys,
        "steps": steps_of(preprocessing),
        "versions": library_versions(preprocessing.library),
    }
    digest = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
    name = f"{images.name}-{preprocessing.crop}-{digest[:24]}.crops"
    return CropFile(folder / name, len(images), preprocessing.crop)
