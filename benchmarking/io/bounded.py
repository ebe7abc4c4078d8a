"""A file that takes only so many bytes, with a progress bar."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, BinaryIO

from benchmarking.errors import BenchmarkError


class Bounded(io.BufferedIOBase):
    """A file with a limit just above the expected size, so that no server fills the disk."""

    def __init__(
        self, file: BinaryIO, most: int, bar: Any, refusal: Callable[[], BenchmarkError]
    ) -> None:
        """Write into an open file.

        Args:
            file: the file.
            most: largest size in bytes.
            bar: progress bar of tqdm, in bytes.
            refusal: returns the error that is raised if there are more.
        """
        self._file, self._most, self._bar, self._refusal = file, most, bar, refusal

    def write(self, block: Any, /) -> int:
        """Write a block.

        Raises:
            BenchmarkError: the file would be larger than the limit.
        """
        if self._file.tell() + len(block) > self._most:
            raise self._refusal()
        written = self._file.write(block)
        self._bar.update(written)
        return written

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move to a position, and the bar with it."""
        self._bar.n = self._bar.last_print_n = self._bar.initial = offset
        return self._file.seek(offset, whence)

    def truncate(self, size: int | None = None, /) -> int:
        """Cut the file at its position."""
        return self._file.truncate(size)
