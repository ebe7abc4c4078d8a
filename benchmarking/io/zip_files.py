"""Zip files, opened with bounded memory for any input.

`zipfile` reads the directory of a zip file at once, however large the file says that it is.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarking.io.files import open_regular

_MOST_BYTES = 2**28
"""Bytes that are read at once. The directory of ImageNet's training set has about a half."""


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip file for reading.

    Raises:
        zipfile.BadZipFile, ValueError, NotImplementedError: it is damaged, or too large a part of
            it would be read at once.
        OSError: it cannot be read, or is no regular file.
    """
    with _Parts(path) as file, zipfile.ZipFile(file) as archive:
        yield archive


class _Parts(io.BufferedReader):
    """A file from which only so much is read at once."""

    def __init__(self, path: Path) -> None:
        super().__init__(open_regular(path).detach())  # type: ignore[attr-defined]
        self._size = os.fstat(self.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """Read a part.

        Raises:
            zipfile.BadZipFile: it has too many bytes.
        """
        left = max(0, self._size - self.tell())
        wanted = left if size is None or size < 0 else min(size, left)
        if wanted > _MOST_BYTES:
            raise zipfile.BadZipFile(
                f"a part of it has {wanted:,} bytes, and at most {_MOST_BYTES:,} are read at once"
            )
        return super().read(wanted)
