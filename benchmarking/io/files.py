"""Reading and atomic writing of files, and the tables that the package ships."""

from __future__ import annotations

import csv
import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from glob import escape
from importlib import resources
from pathlib import Path
from typing import BinaryIO

from benchmarking.errors import BenchmarkError
from benchmarking.io.locks import NO_LINK, is_locked, remove_if_unlocked
from benchmarking.io.user_folders import expanded

_PART = re.compile(r"\..+\.[0-9a-f]{16}\.part", re.DOTALL)
_OPEN_FILE = re.compile(r"/(?:dev|proc/self)/fd/([0-9]{1,9})")
MOST_BYTES = 2**28
"""Largest file, in bytes, to read into memory; far larger than any list of pictures."""


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading; never blocks, as opening a named pipe would.

    Raises:
        OSError: it cannot be opened, or is a folder, a pipe, a device or another special file.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return os.fdopen(handle, "rb")


def read_regular(path: Path, most: int = MOST_BYTES) -> bytes:
    """Return the contents of a regular file.

    Raises:
        OSError: it cannot be read, is not a regular file, or has more than `most` bytes.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            why = f"it has {size:,} bytes, and no more than {most:,} are read into memory"
            raise OSError(errno.EFBIG, why, str(path))
        return file.read(most)


def write(path: Path, data: bytes) -> None:
    """Write a file atomically; it is synced to disk before it gets its final name.

    For files within our own folders: a link at this path is replaced, never followed.

    Raises:
        BenchmarkError: the folder or the file cannot be written; an earlier file is unchanged.
    """
    with replacing(path) as file:
        file.write(data)


def write_output(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Write a file to a path that the user has given; parts are written as they come.

    "~" is the home folder, as in every path of the user.
    A link is followed to its target. A regular file is replaced atomically and keeps its mode and
    owner. A device, a pipe or another special file is written to directly. So is an open file of
    this process, such as /dev/stdout: what it contains is kept.

    Raises:
        BenchmarkError: it cannot be written; an earlier file is unchanged.
    """
    path = expanded(path)
    target = Path(os.path.realpath(path))
    parts = [data] if isinstance(data, bytes) else data
    try:
        number = _descriptor(path)
        if number is not None:
            _write_directly(os.dup(number), parts)
            return
        mode = target.stat().st_mode if target.exists() else None
        if mode is not None and not stat.S_ISREG(mode):
            _write_directly(target, parts)
            return
    except BrokenPipeError:
        raise
    except OSError as error:
        raise BenchmarkError(f"{path} cannot be written: {error.strerror}.") from error
    with replacing(target) as opened:
        opened.writelines(parts)


def link_within(path: Path, folder: Path) -> Path | None:
    """The path or a folder above it that is a link, below a folder; None if there is none.

    Somebody else may have made what is in the folder: a link could lead to files of the user.
    """
    for place in (path, *path.parents):
        if place == folder:
            return None
        with suppress(PermissionError):  # what may not be looked at cannot be written either
            if place.is_symlink():
                return place
    return None


def is_missing(path: Path) -> bool:
    """Whether nothing is at a path; False also if that cannot be told, so that reading it says why.

    `Path.exists` raises an error if a folder above may not be searched.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _descriptor(path: Path) -> int | None:
    """Number of the open file of this process that a path such as /dev/fd/3 means, or None."""
    found = _OPEN_FILE.fullmatch(str(path))
    return int(found[1]) if found else {"/dev/stdout": 1, "/dev/stderr": 2}.get(str(path))


def _write_directly(target: Path | int, parts: Iterable[bytes]) -> None:
    with open(target, "wb", buffering=0) as file:  # noqa: PTH123 - it may be a descriptor
        for part in parts:
            left = memoryview(part)
            while left:
                left = left[file.write(left) :]


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a new file for writing that replaces `path` when the block ends without an error.

    Until then it has a random, unique name in the same folder. It is locked, so that other
    processes can distinguish it from a file that a killed process has left.

    Raises:
        BenchmarkError: the folder or the file cannot be written; an earlier file is unchanged.
    """
    with _reported(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        part, handle = _new_part(path)
    try:
        with _reported(path), _written(part, handle, path) as file:
            yield file
    finally:
        with suppress(OSError):
            part.unlink()  # it is gone if it was renamed
    sweep_up(path)


class Interrupted(Exception):
    """A block of `resuming` ends early by an error, and what it has written shall be kept."""

    def __init__(self, cause: BenchmarkError) -> None:
        super().__init__(str(cause))
        self.cause = cause


@contextmanager
def resuming(path: Path, version: str) -> Iterator[BinaryIO]:
    """As `replacing`, but an interrupted write of the same version can be resumed.

    The file has what an earlier block has written, and its position is at the end. It is kept if
    the process is killed, or if the block ends with KeyboardInterrupt or Interrupted; after any
    other error it is removed. If another process is writing this version, the file is a new one.

    Args:
        path: the final path.
        version: what identifies the content, such as its address and the server's tag.

    Raises:
        BenchmarkError: the folder or the file cannot be written; an earlier file is unchanged.
    """
    key = hashlib.sha256(os.fsencode(version)).hexdigest()[:16]
    with _reported(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = _part_of(path, key)
        handle = _own_file(part)
        if handle is None:
            part, handle = _new_part(path)
    is_kept = False
    try:
        with _reported(path), _written(part, handle, path) as file:
            file.seek(0, os.SEEK_END)
            yield file
    except (KeyboardInterrupt, GeneratorExit, Interrupted):
        is_kept = part.name == _part_of(path, key).name and part.stat().st_size > 0
        raise
    finally:
        if not is_kept:
            with suppress(OSError):
                part.unlink()
    sweep_up(path)


def _own_file(part: Path) -> int | None:
    """Open and lock a file that this user has left, or a new one; None if it is not to be used."""
    try:
        handle = os.open(part, os.O_RDWR | os.O_CREAT | NO_LINK, 0o666)
    except OSError:  # a link, say, that somebody has put there
        return None
    found = os.fstat(handle)
    is_own = stat.S_ISREG(found.st_mode) and found.st_nlink == 1
    if hasattr(os, "geteuid"):
        is_own = is_own and found.st_uid == os.geteuid()
    if is_own and is_locked(handle) and os.fstat(handle).st_nlink:
        return handle
    os.close(handle)
    return None


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BenchmarkError(f"{path} cannot be written: {error.strerror}.") from error


@contextmanager
def _written(part: Path, handle: int, path: Path) -> Iterator[BinaryIO]:
    """An open file that gets its final name, synced to disk, if the block ends without an error."""
    with open(part, "w+b", opener=lambda *_: handle) as file:  # noqa: PTH123 - it has an opener
        yield file
        file.flush()
        _keep_mode_and_owner(path, file.fileno())
        os.fsync(file.fileno())
        part.replace(path)
    with suppress(OSError):  # some network file systems cannot; the file is complete
        _sync_folder(path.parent)


def sweep_up(path: Path) -> None:
    """Remove partly written copies of a file left by killed processes: those without a lock."""
    for part in path.parent.glob(f".{escape(_short(path.name))}.*.part"):
        if _PART.fullmatch(part.name):
            remove_if_unlocked(part)


def sweep_up_folder(folder: Path) -> None:
    """Remove what killed processes have left half-written of any file in a folder."""
    for part in folder.glob(".*.part"):
        if _PART.fullmatch(part.name):
            remove_if_unlocked(part)


def write_at(handle: int, data: bytes | memoryview, offset: int) -> None:
    """Write all of the data at an offset of an open file; threads may do so at the same time."""
    left = memoryview(data).cast("B")
    while left:
        written = os.pwrite(handle, left, offset)
        left, offset = left[written:], offset + written


def reserve(handle: int, size: int) -> None:
    """Reserve disk space for an open file, so that a full disk is noticed early.

    Raises:
        OSError: there is not enough space.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(handle, 0, size)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
            raise  # the other codes mean that the file system cannot reserve


def free(folder: Path) -> int:
    """Free bytes on the disk of a folder, which need not exist yet."""
    return shutil.disk_usage(_nearest(folder)).free


def in_bytes(size: int) -> str:
    """Format a size in bytes for readers.

    >>> in_bytes(2_500_000), in_bytes(1300)
    ('2.5 MB', '1 kB')
    """
    return f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


def check_writable(folder: Path) -> None:
    """Check that files can be created in a folder, which need not exist yet.

    Raises:
        BenchmarkError: they cannot.
    """
    place = _nearest(folder)
    try:
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        raise BenchmarkError(f"{place} cannot be written: {error.strerror}.") from error


def _nearest(folder: Path) -> Path:
    """The folder itself if it exists, else its closest parent that exists and may be seen."""
    return next(place for place in (folder, *folder.absolute().parents) if os.path.isdir(place))  # noqa: PTH112 - False if permissions hide it


def shipped_rows(name: str) -> list[dict[str, str]]:
    """Rows of a table in the package's data folder, as dictionaries by column heading."""
    table = resources.files("benchmarking").joinpath("data", name).read_text("utf-8")
    return list(csv.DictReader(table.splitlines()))


def _new_part(path: Path) -> tuple[Path, int]:
    """Create a new file in the same folder; return its path and a handle that holds its lock."""
    while True:
        part = _part_of(path, secrets.token_hex(8))
        handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_LINK, 0o666)
        if is_locked(handle) and os.fstat(handle).st_nlink:
            return part, handle
        os.close(handle)  # another process removed it before it was locked


def _part_of(path: Path, key: str) -> Path:
    return path.with_name(f".{_short(path.name)}.{key}.part")


def _short(name: str) -> str:
    """The beginning of a name, so that it fits into 255 bytes with its suffix."""
    return os.fsdecode(os.fsencode(name)[:200])


def _keep_mode_and_owner(path: Path, handle: int) -> None:
    """Copy mode and owner from the regular file that is replaced, as far as permitted."""
    if not hasattr(os, "fchown") or not path.is_file() or path.is_symlink():
        return
    old = path.stat()
    with suppress(OSError):
        os.fchown(handle, old.st_uid, old.st_gid)
    with suppress(OSError):
        os.fchmod(handle, stat.S_IMODE(old.st_mode))


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":  # elsewhere a folder cannot be opened
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
