"""The members of an uncompressed tar, in little memory and time however it was made.

`tarfile` believes what headers say: it reads one of gigabytes at once, and each that describes the
next one in a deeper call.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

# Per member. A long name, a long link, a picture's extended attributes and its own header are
# seven reads, and 64 KiB at the most of Linux's attributes.
_MOST_BYTES = 2**20
_MOST_READS = 64
# Of the whole file; `git archive` writes one.
_MOST_KEYWORDS = 100


def members(path: Path) -> Iterator[tarfile.TarInfo]:
    """The members in their order, without their extended headers, which have been applied.

    They end where tarfile sees no further header: at the end, or at a damaged one.

    Raises:
        tarfile.TarError: it is no uncompressed tar, or one that no honest program writes.
        OSError: the file cannot be read.
    """
    try:
        with _Headers(path) as file, tarfile.open(fileobj=file, mode="r:") as tar:
            last = -1
            for member in tar:
                if member.size < 0 or member.offset <= last:  # it would read on for ever
                    raise tarfile.ReadError(f"member {member.name[:99]!r} has a negative size")
                if len(tar.pax_headers) > _MOST_KEYWORDS:  # each is applied to every member
                    raise tarfile.ReadError(f"over {_MOST_KEYWORDS} keywords hold for all members")
                last, member.pax_headers = member.offset, {}
                file.begin_member()
                yield member
    except (ValueError, OverflowError, IndexError) as error:  # of numbers that are none, or cut
        raise tarfile.ReadError(f"a header is damaged ({error})") from error


class _Headers(io.BufferedReader):
    """A tar of which tarfile reads headers alone: of each member few and not much."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path))
        self.begin_member()

    def begin_member(self) -> None:
        self._bytes_left, self._reads_left = _MOST_BYTES, _MOST_READS

    def read(self, size: int | None = -1, /) -> bytes:
        """As tarfile asks for it.

        Raises:
            tarfile.ReadError: it is too much for a member.
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
