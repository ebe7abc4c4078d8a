"""Folders of the user: home, cache and data, as far as they are known."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

from benchmarking.errors import BenchmarkError
from benchmarking.io.addresses import has_lost_slash, is_address

_NAME = "imagenet-benchmarking"
_SHOWN = 100
"""Letters of an impossible path that a message shows."""


def expanded(path: Path | str) -> Path:
    """A path with "~" or "~name" replaced by the home folder of this or that user.

    A file or folder that is really named so is meant itself.

    Raises:
        BenchmarkError: the home folder is unknown, it is an address such as s3://bucket/folder, or
            no file can have this path.
    """
    if is_address(path) or (isinstance(path, Path) and has_lost_slash(path)):
        raise BenchmarkError(
            f"{path} is an address; expected a path on this machine. Stores of predictions can "
            "have addresses, given as text."
        )
    plain = Path(path)
    check_possible(plain)
    if not str(path).startswith("~") or os.path.lexists(plain):
        return plain
    try:
        return plain.expanduser()
    except RuntimeError as error:
        user = plain.parts[0]
        raise BenchmarkError(
            f"{path}: the home folder {user} is unknown; write the path in full."
        ) from error


def check_possible(path: Path) -> None:
    """Check that a path can be that of a file or folder, which need not exist.

    Raises:
        BenchmarkError: a name in it is too long, it has a null character, or its links go in
            circles; functions of pathlib would raise errors of their own.
    """
    why = ""
    try:
        path.stat()
    except ValueError as error:
        why = str(error)
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
            why = str(error.strerror)
    if why:
        text = str(path)
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        raise BenchmarkError(f"{shown} cannot be the path of a file: {why}.")


def home(instead: str) -> Path:
    """The user's home folder.

    Args:
        instead: what else can be set if it is unknown, such as "TORCH_HOME".

    Raises:
        BenchmarkError: it is unknown, as in a container that runs under a number without a name.
    """
    try:
        return Path.home()
    except RuntimeError as error:
        raise _unknown(instead) from error


def cache() -> Path:
    """This package's folder in the user's cache.

    Raises:
        BenchmarkError: the user's home folder is unknown.
    """
    from platformdirs import user_cache_path

    return _absolute(user_cache_path, "XDG_CACHE_HOME", "XDG_CACHE_HOME")


def data() -> Path:
    """This package's folder in the user's data.

    Raises:
        BenchmarkError: the user's home folder is unknown.
    """
    from platformdirs import user_data_path

    return _absolute(user_data_path, "XDG_DATA_HOME", "IMAGENET_BENCHMARK_STORE")


def _absolute(folder: Callable[..., Path], named: str, variable: str) -> Path:
    """A folder of platformdirs; without a home folder, some versions would name it "~".

    Args:
        folder: the function of platformdirs.
        named: the environment variable that it reads; it ignores a value with "~".
        variable: what can be set if the home folder is unknown.
    """
    given = os.environ.get(named, "")
    if given.startswith("~"):
        return expanded(given) / _NAME
    try:
        found = folder(_NAME, appauthor=False).expanduser()
    except RuntimeError as error:
        raise _unknown(variable) from error
    if not found.is_absolute():
        raise BenchmarkError(f"{found} is where {variable} leads; expected an absolute path.")
    return found


def _unknown(variable: str) -> BenchmarkError:
    return BenchmarkError(
        f"the home folder is unknown: HOME is not set, and user number {os.getuid()} has no entry "
        f"in the list of users. Set HOME or {variable}."
    )
