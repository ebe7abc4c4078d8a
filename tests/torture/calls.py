"""Watches calls that change files, so that they can be recorded, refused, or end the process."""

from __future__ import annotations

import builtins
import io
import os
import shutil  # noqa: F401  reads functions of os at import, which must be the real ones
import tempfile  # noqa: F401  keeps some of them
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

Moment = Literal["before", "amid", "after"]
Act = Callable[[str, str, Moment], None]
"""Called with the name of a call, its path, and whether the call is next, half done (for writes
only) or done."""

NAMED = ("replace", "rename", "mkdir", "unlink", "rmdir")
OPENED = ("fsync", "pwrite", "posix_fallocate")
SYNCS = ("fsync", "sync", "replace", "rename")
"""Calls that make a file durable, or give it its name."""
WRITES = ("open", "write", "pwrite", "posix_fallocate", "fsync", "replace", "rename", "mkdir")
"""Calls that a disk can refuse."""


@contextmanager
def watched(act: Act) -> Iterator[None]:
    """Report every call in the block to `act`; an exception from `act` comes from the call."""
    with ExitStack() as stack:
        for name in (*NAMED, *OPENED, "sync", "open"):
            stack.enter_context(patch.object(os, name, _watching(act, name, getattr(os, name))))
        opening = _opening(act, io.open)
        for module in (io, builtins):
            stack.enter_context(patch.object(module, "open", opening))
        yield


def _watching(act: Act, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def watching(*args: Any, **kwargs: Any) -> Any:
        if name == "open" and not args[1] & os.O_CREAT:
            return call(*args, **kwargs)
        path = _path(name, args, kwargs.get("dir_fd"))
        act(name, path, "before")
        result = call(*args, **kwargs)
        act(name, path, "after")
        return result

    return watching


def _path(name: str, args: tuple[Any, ...], folder: int | None) -> str:
    if name == "sync":
        return "/"
    if name in OPENED:
        return str(_opened(args[0]))
    path = args[1] if name in ("replace", "rename") else args[0]
    here = Path.cwd() if folder is None else _opened(folder)
    return str(here / path)


def _opened(handle: int) -> Path:
    return Path(f"/proc/self/fd/{handle}").readlink()


def _opening(act: Act, call: Callable[..., Any]) -> Callable[..., Any]:
    def opening(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if isinstance(file, int) or not set(mode) & set("wax+"):
            return call(file, mode, *args, **kwargs)
        path = str(Path.cwd() / file)
        act("open", path, "before")
        opened = call(file, mode, *args, **kwargs)
        act("open", path, "after")
        return _Watched(opened, act, path)

    return opening


class _Watched:
    """An open file that reports writes."""

    def __init__(self, file: Any, act: Act, path: str) -> None:
        self._file, self._act, self._path = file, act, path

    def write(self, data: Any) -> int:
        self._act("write", self._path, "before")
        half = len(data) // 2
        self._file.write(data[:half])
        self._file.flush()
        self._act("write", self._path, "amid")
        self._file.write(data[half:])
        self._act("write", self._path, "after")
        return len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> _Watched:
        return self

    def __exit__(self, *raised: object) -> None:
        self._file.close()
