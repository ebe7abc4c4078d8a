"""Files: written so that no reader ever sees half of one, and tables that the package ships."""

from __future__ import annotations

import csv
import errno
import os
import shutil
import tempfile
from contextlib import ExitStack, suppress
from glob import escape
from importlib import resources
from pathlib import Path

from benchmarking.errors import BenchmarkError


def write(path: Path, data: bytes) -> None:
    """Put a file in its place, all of it or nothing, synced to disk before it gets its name.

    Raises:
        BenchmarkError: the folder or the file cannot be written; an earlier file is as it was.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise BenchmarkError(f"{path} cannot be written: {error.strerror}.") from error
    with suppress(OSError):  # some network file systems cannot; the file is in its place
        _sync_folder(path.parent)
    _sweep_up(path)


def claim(path: Path, stack: ExitStack) -> bool:
    """Take the lock of this name, until the stack closes or the process ends, if it is free now.

    Returns:
        Whether it was free.

    Raises:
        BenchmarkError: a lock cannot be made here.
    """
    from filelock import FileLock, Timeout

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stack.enter_context(FileLock(path).acquire(blocking=False))
    except Timeout:
        return False
    except (OSError, NotImplementedError) as error:
        raise BenchmarkError(f"{path} cannot be locked: {error}.") from error
    return True


def write_at(handle: int, data: bytes | memoryview, offset: int) -> None:
    """Write all of the data at a place in an open file; threads may do so at the same time."""
    left = memoryview(data).cast("B")
    while left:
        written = os.pwrite(handle, left, offset)
        left, offset = left[written:], offset + written


def reserve(handle: int, size: int) -> None:
    """Have the disk keep room for an open file, so that a full one is noticed now.

    Raises:
        OSError: there is no room.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(handle, 0, size)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
            raise  # those say that the file system cannot reserve


def free(folder: Path) -> int:
    """Bytes that the disk of a folder has free, whether the folder is there yet or not."""
    return shutil.disk_usage(_nearest(folder)).free


def in_bytes(size: int) -> str:
    """A size as people write it.

    >>> in_bytes(2_500_000), in_bytes(1300)
    ('2.5 MB', '1 kB')
    """
    return f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


def check_writable(folder: Path) -> None:
    """Find out now whether files can be made in a folder, whether it is there yet or not.

    Raises:
        BenchmarkError: they cannot.
    """
    place = _nearest(folder)
    try:
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        raise BenchmarkError(f"{place} cannot be written: {error.strerror}.") from error


def _nearest(folder: Path) -> Path:
    """The folder, or the one above it that is there."""
    return next(place for place in (folder, *folder.absolute().parents) if place.is_dir())


def shipped_rows(name: str) -> list[dict[str, str]]:
    """Rows of a table in the package's data folder, by its headings."""
    table = resources.files("benchmarking").joinpath("data", name).read_text("utf-8")
    return list(csv.DictReader(table.splitlines()))


def _sweep_up(path: Path) -> None:
    """Remove what processes have left that were killed while they wrote this file."""
    for part in path.parent.glob(f".{escape(path.name)}.*.part"):
        writer = part.suffixes[-2].removeprefix(".")
        if writer.isdecimal() and not _lives(int(writer)):
            with suppress(OSError):
                part.unlink()


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":  # elsewhere a folder cannot be opened
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
