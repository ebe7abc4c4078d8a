"""Temporary folders; a later process removes those of killed processes."""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from benchmarking.io.locks import NO_LINK, is_locked, remove_if_unlocked

_PREFIX = "imagenet-benchmarking-"
_NAME = re.compile(rf"{re.escape(_PREFIX)}[a-z0-9_]{{8}}")
_LOCK = "lock"
"""Name of the lock file in each folder; the process that uses the folder holds the lock."""


@contextmanager
def folder() -> Iterator[Path]:
    """Create a folder and remove it when the block ends.

    If the process is killed, `remove_left_over` of a later process removes the folder.

    Raises:
        OSError: the folder cannot be created.
    """
    made, handle = _new()
    try:
        with made as name:
            try:
                yield Path(name)
            finally:  # the lock is removed last, so that a kill leaves no folder without a lock
                with suppress(OSError):
                    _emptied(Path(name))
    finally:
        os.close(handle)


def remove_left_over() -> None:
    """Remove the folders of killed processes of this user: those whose lock no process holds.

    Links, folders of other users, folders with other names and folders without a lock are kept. An
    empty folder is removed without a lock: its process was killed just after creating the folder,
    or during the removal.
    """
    if not hasattr(os, "geteuid"):  # Windows, which does not have these locks
        return
    for place in _places():
        with suppress(OSError):
            for path in list(place.glob(f"{_PREFIX}*")):
                _remove(path)


def _places() -> set[Path]:
    """Folders in which Python creates temporary folders; if one is full, Python uses another."""
    named = filter(None, (os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP")))
    places = {Path(place) for place in (*named, "/tmp", "/var/tmp", "/usr/tmp")}  # noqa: S108
    with suppress(FileNotFoundError):  # no folder can be written
        places.add(Path(tempfile.gettempdir()))
    return places


def _remove(path: Path) -> None:
    """Remove a folder that a killed process of this user has left."""
    with suppress(OSError):
        status = path.lstat()
        is_ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
        if is_ours and _NAME.fullmatch(path.name):
            remove_if_unlocked(path / _LOCK, partial(_emptied, path))
            path.rmdir()


def _emptied(path: Path) -> bool:
    """Remove everything in a folder except the lock; return True."""
    for one in path.iterdir():
        if one.name == _LOCK:
            continue
        if one.is_dir() and not one.is_symlink():
            shutil.rmtree(one)
        else:
            one.unlink()
    return True


def _new() -> tuple[tempfile.TemporaryDirectory[str], int]:
    """A new folder, and a handle that holds the lock in it."""
    while True:
        made = tempfile.TemporaryDirectory(prefix=_PREFIX)
        lock = Path(made.name) / _LOCK
        try:
            handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_LINK, 0o600)
        except FileNotFoundError:  # another process has removed the empty folder
            made.cleanup()
            continue
        except OSError:
            made.cleanup()
            raise
        if is_locked(handle) and os.fstat(handle).st_nlink:
            return made, handle
        os.close(handle)  # another process has removed the file before it was locked
        made.cleanup()
