"""One measurement of speed at a time: two on one machine would slow each other down."""

from __future__ import annotations

import platform
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarking.errors import BenchmarkError
from benchmarking.io import user_folders
from benchmarking.io.locks import claim

PAUSE = 1.0
"""Seconds between two looks whether the other process has ended."""


def lock() -> Path:
    """The lock of this machine, in the user's cache, which several machines may share.

    Raises:
        BenchmarkError: the user's home folder is unknown.
    """
    machine = re.sub("[^A-Za-z0-9.-]", "_", platform.node())
    return user_folders.cache() / f"speed-{machine}.lock"


def waited(stack: ExitStack) -> Iterator[None]:
    """Take the lock of this machine until the stack closes; yield while another process has it.

    Where no lock can be made, as with a cache that cannot be written, nothing is awaited.
    """
    try:
        path = lock()
        while not claim(path, stack):
            yield
            time.sleep(PAUSE)
    except BenchmarkError:
        return
