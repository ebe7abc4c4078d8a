"""Calls that change files: watched, so that they can be written down, refused, or be the last."""

from __future__ import annotations

import builtins
import io
import os
import shutil  # noqa: F401  looks at functions of os when it is imported, which must be the real ones
import tempfile  # noqa: F401  keeps some
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

Moment = Literal["before", "amid", "after"]
Act = Callable[[str, str, Moment], None]
"""Is told of a call's name, the path that it is about, and whether it is to come, half done (which
is told of writes alone) or has been."""

NAMED = ("replace", "rename", "mkdir", "unlink", "rmdir")
OPENED = ("fsync", "pwrite", "posix_fallocate")
SYNCS = ("fsync", "sync", "replace", "rename")
"""Those that make a file last, or give it its name."""
WRITES = ("open", "write", "pwrite", "posix_fallocate", "fsync", "replace", "rename", "mkdir")
"""Those that a disk can refuse."""


@contextmanager
def watched(act: Act) -> Iterator[None]:
    """Tell of every call within the block; what `act` raises, the call seems to raise."""
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
    """An open file that tells when it is written."""

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
