"""A file that takes only so many bytes, with a progress bar."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, BinaryIO, cast

from benchmarking.errors import BenchmarkError


def bounded(file: BinaryIO, most: int, bar: Any, refusal: Callable[[], BenchmarkError]) -> BinaryIO:
    """An open file with a limit just above the expected size, so that no server fills the disk.

    Args:
        file: the file.
        most: largest size in bytes.
        bar: progress bar of tqdm, in bytes.
        refusal: returns the error that is raised if there are more.
    """
    return cast(BinaryIO, _Bounded(file, most, bar, refusal))


class _Bounded(io.BufferedIOBase):
    def __init__(
        self, file: BinaryIO, most: int, bar: Any, refusal: Callable[[], BenchmarkError]
    ) -> None:
        self._file, self._most, self._bar, self._refusal = file, most, bar, refusal

    def write(self, block: Any, /) -> int:
        if self._file.tell() + len(block) > self._most:
            raise self._refusal()
        written = self._file.write(block)
        self._bar.update(written)
        return written

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self._bar.n = self._bar.last_print_n = self._bar.initial = offset
        return self._file.seek(offset, whence)

    def truncate(self, size: int | None = None, /) -> int:
        return self._file.truncate(size)
