"""The members of an uncompressed tar, with bounded memory and time for any input.

`tarfile` trusts headers: it reads a header of gigabytes at once, and follows a chain of extended
headers by recursion.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from benchmarking.io.files import open_regular

# Per member. A long name, a long link, a picture's extended attributes and its own header take
# seven reads. Linux allows at most 64 KiB of attributes.
_MOST_BYTES = 2**20
_MOST_READS = 64
# Global keywords, for the whole file; `git archive` writes one.
_MOST_KEYWORDS = 100


def members(path: Path) -> Iterator[tarfile.TarInfo]:
    """Yield the members in order; their extended headers are applied and then removed.

    Iteration stops where tarfile finds no further header: at the end, or at a damaged one.

    Raises:
        tarfile.TarError: the file is not an uncompressed tar, or its headers exceed the limits.
        OSError: the file cannot be read, or is no regular file.
    """
    try:
        with _Headers(path) as file, tarfile.open(fileobj=file, mode="r:") as tar:
            last = -1
            for member in tar:
                if member.size < 0 or member.offset <= last:  # tarfile would never stop
                    raise tarfile.ReadError(f"member {member.name[:99]!r} has a negative size")
                if len(tar.pax_headers) > _MOST_KEYWORDS:  # each is applied to every member
                    raise tarfile.ReadError(f"over {_MOST_KEYWORDS} keywords hold for all members")
                last, member.pax_headers = member.offset, {}
                file.begin_member()
                yield member
    except (ValueError, OverflowError, IndexError) as error:  # invalid or truncated numbers
        raise tarfile.ReadError(f"a header is damaged ({error})") from error


class _Headers(io.BufferedReader):
    """A tar from which tarfile reads headers only, with limits for each member."""

    def __init__(self, path: Path) -> None:
        super().__init__(cast(io.BufferedReader, open_regular(path)).detach())
        self.begin_member()

    def begin_member(self) -> None:
        self._bytes_left, self._reads_left = _MOST_BYTES, _MOST_READS

    def read(self, size: int | None = -1, /) -> bytes:
        """Read a part of a header.

        Raises:
            tarfile.ReadError: the headers of the member exceed a limit.
        """
        if size is None or size < 0:
            raise tarfile.ReadError("a header has a negative size")
        self._bytes_left -= size
        self._reads_left -= 1
        if self._bytes_left < 0:
            raise tarfile.ReadError(
                f"a member has over {_MOST_BYTES // 2**20} MiB of headers, where others have a few "
                "KiB"
            )
        if self._reads_left < 0:
            raise tarfile.ReadError(
                f"a member has over {_MOST_READS // 2} headers, where others have a few"
            )
        return super().read(size)
