"""File locks for processes that share a folder."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from benchmarking.errors import BenchmarkError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""Flags to open a file safely where another user may have put a link or a pipe."""

_TRIES, _PAUSE = 50, 0.01
_NEXT_LOOK = 0.05
_MOST_BYTES = 1000


def claim(path: Path, stack: ExitStack) -> bool:
    """Take the lock at this path if it is free, until the stack closes or the process ends.

    Returns:
        Whether the lock was free.

    Raises:
        BenchmarkError: a lock cannot be created at this path.
    """
    from filelock import Timeout

    for _ in range(_TRIES):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _acquire(path, stack)
        except Timeout:
            return False
        except FileNotFoundError as error:  # another process removed the folder when it was done
            problem: Exception = error
        except (OSError, NotImplementedError) as error:
            problem = error
            break
        else:
            return True
    raise BenchmarkError(f"{path} cannot be locked: {problem}.") from problem


@contextmanager
def claimed(path: Path, waiting: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Hold the lock at this path during the block, which begins when no other process has it.

    The file of the lock stays. It can be of another user whose umask lets nobody else write it.

    Args:
        path: the lock.
        waiting: called once if another process has it.

    Raises:
        BenchmarkError: a lock cannot be created at this path.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = _opened(path)
    except OSError as error:
        raise BenchmarkError(f"{path} cannot be locked: {error.strerror}.") from error
    try:
        if not is_locked(handle):
            waiting()
            while not is_locked(handle):
                time.sleep(_NEXT_LOOK)
        yield
    finally:
        os.close(handle)


def _acquire(path: Path, stack: ExitStack) -> None:
    from filelock import FileLock

    # The file is created with a mode that lets other users lock it too, if the umask allows it.
    handle = os.open(path, os.O_RDWR | os.O_CREAT | NO_LINK, 0o666)
    mode = stat.S_IMODE(os.fstat(handle).st_mode)
    os.close(handle)
    stack.enter_context(FileLock(path, mode=mode).acquire(blocking=False))


def is_locked(handle: int, *, shared: bool = False) -> bool:
    """Try to lock an open file until it is closed; True if locked, or if locks are unsupported."""
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


def remove_if_unlocked(path: Path, before: Callable[[], bool] = lambda: True) -> None:
    """Remove a file that a killed process has left, unless a process holds its lock.

    If the file system has no locks, the file stays, because a running process may use it.

    Args:
        path: the file.
        before: called before the removal, while the file is locked; if it returns False, the file
            stays.
    """
    with suppress(OSError):
        handle = os.open(path, os.O_RDWR | NO_LINK)
        try:
            is_file = stat.S_ISREG(os.fstat(handle).st_mode)
            if is_file and _is_unlocked(handle) and _is_named(handle, path) and before():
                path.unlink()
        finally:
            os.close(handle)


def _is_unlocked(handle: int) -> bool:
    """Lock an open file; False if a process holds it, or if locks are unsupported."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_named(handle: int, path: Path) -> bool:
    """Whether an open file still has its name; only the holder of the lock may remove it."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(handle))
    except FileNotFoundError:
        return False


class Disagreement(BenchmarkError):
    """Another process holds the file with a different text.

    Attributes:
        text: the text in the file.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


@contextmanager
def agreed(path: Path, text: str, last: Callable[[], bool] = lambda: True) -> Iterator[None]:
    """Hold a file with this text during the block; others can hold it only with the same text.

    The last process to leave its block removes the file. The text of a killed process is replaced,
    and `remove_if_unlocked` removes its file. If the file system has no locks, nothing is checked.

    Args:
        path: the file.
        text: its content.
        last: called by the last process before it removes the file; if it returns False, the file
            stays.

    Raises:
        Disagreement: another process, or another block of this process, holds the file with another
            text.
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
        with suppress(OSError):
            if is_locked(handle) and _is_named(handle, path) and last():  # nobody else holds it
                path.unlink()
        os.close(handle)


def _joined(path: Path, text: bytes) -> int:
    """Open the file when it has this text, with a lock that other processes can share."""
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
    """Open the file; read-only if another user's permissions do not allow writing."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | NO_LINK, 0o666)
    except PermissionError as error:
        try:
            handle = os.open(path, os.O_RDONLY | NO_LINK)
        except FileNotFoundError:  # the folder cannot be written
            raise error from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise BenchmarkError(f"{path} is not a regular file; remove it.")
    return handle


def _text_of(path: Path, handle: int, text: bytes) -> bytes | None:
    """Lock the file and return its text; None if that fails.

    If nobody else holds the file, `text` is written first.
    """
    is_alone = is_locked(handle)
    if not is_alone and not is_locked(handle, shared=True):
        return None
    if not _is_named(handle, path):  # another process has removed it
        return None
    if is_alone and os.pread(handle, _MOST_BYTES, 0) != text:
        try:
            os.ftruncate(handle, 0)
            os.pwrite(handle, text, 0)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EBADF):
                raise
            path.unlink()  # of another user, whose process was killed; it is open for reading only
            return None
    if is_alone and not (is_locked(handle, shared=True) and _is_named(handle, path)):
        return None  # another process was faster
    return os.pread(handle, _MOST_BYTES, 0)
