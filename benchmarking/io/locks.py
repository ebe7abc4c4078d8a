"""Locks: how processes that share a folder keep out of each other's way."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from benchmarking.errors import BenchmarkError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""How a file is opened whose name somebody else may have given to a link or a pipe."""

_TRIES, _PAUSE = 50, 0.01
_MOST_BYTES = 1000


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
        # Made here so that others may lock it as well, if the user's umask lets them.
        handle = os.open(path, os.O_RDWR | os.O_CREAT | NO_LINK, 0o666)
        mode = stat.S_IMODE(os.fstat(handle).st_mode)
        os.close(handle)
        stack.enter_context(FileLock(path, mode=mode).acquire(blocking=False))
    except Timeout:
        return False
    except (OSError, NotImplementedError) as error:
        raise BenchmarkError(f"{path} cannot be locked: {error}.") from error
    return True


def is_locked(handle: int, *, shared: bool = False) -> bool:
    """Whether an open file could be locked now, until it is closed; True without locks."""
    if fcntl is None:
        return True
    how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def remove_if_unlocked(path: Path) -> None:
    """Remove a file that a killed process has left, which nobody holds locked any more."""
    with suppress(OSError):
        handle = os.open(path, os.O_RDWR | NO_LINK)
        try:
            if stat.S_ISREG(os.fstat(handle).st_mode) and is_locked(handle):
                path.unlink()
        finally:
            os.close(handle)


class Disagreement(BenchmarkError):
    """Another process holds the file with another text.

    Attributes:
        text: the other text.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


@contextmanager
def agreed(path: Path, text: str) -> Iterator[None]:
    """Hold a file with this text during the block; others can hold it only with the same text.

    The last one to leave removes the file. The text of a process that was killed is replaced,
    and `remove_if_unlocked` removes its file. If the file system has no locks, nothing is checked.

    Raises:
        Disagreement: another process, or another block of this one, holds it with another text.
        BenchmarkError: the file cannot be written.
    """
    if fcntl is None:
        yield
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = _joined(path, text.encode())
    except OSError as error:
        raise BenchmarkError(f"{path} cannot be written: {error.strerror}.") from error
    try:
        yield
    finally:
        if is_locked(handle):  # nobody else holds it
            with suppress(OSError):
                path.unlink()
        os.close(handle)


def _joined(path: Path, text: bytes) -> int:
    """A handle on the file, which has the text and is locked together with others."""
    found = None
    for _ in range(_TRIES):
        handle = _opened(path)
        try:
            found = _text_of(path, handle, text)
        except BaseException:
            os.close(handle)
            raise
        if found == text:
            return handle
        os.close(handle)
        time.sleep(_PAUSE)
    if found is None:
        raise BenchmarkError(f"{path} is locked by another process; try again.")
    raise Disagreement(found.decode(errors="replace"))


def _opened(path: Path) -> int:
    """A handle on the file, for reading only if another user does not let us write."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | NO_LINK, 0o666)
    except PermissionError as error:
        try:
            handle = os.open(path, os.O_RDONLY | NO_LINK)
        except FileNotFoundError:  # it is the folder that cannot be written
            raise error from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise BenchmarkError(f"{path} is no regular file; remove it.")
    return handle


def _text_of(path: Path, handle: int, text: bytes) -> bytes | None:
    """What the file says once it is locked, which is `text` if nobody else holds it; else None."""
    is_alone = is_locked(handle)
    if not is_alone and not is_locked(handle, shared=True):
        return None
    with suppress(FileNotFoundError):
        if os.path.samestat(path.stat(), os.fstat(handle)):
            if is_alone and os.pread(handle, _MOST_BYTES, 0) != text:
                os.ftruncate(handle, 0)
                os.pwrite(handle, text, 0)
            if is_alone and not is_locked(handle, shared=True):  # another one was quicker
                return None
            return os.pread(handle, _MOST_BYTES, 0)
    return None  # somebody has removed it meanwhile
