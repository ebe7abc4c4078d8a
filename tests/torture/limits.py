"""Bounds on what one call may take, in seconds and in memory."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY = 300 * 2**20
"""Bytes that reading one damaged file may take, more than the process had."""

_STATM = Path("/proc/self/statm")


class TooSlow(BaseException):
    """A call took too long; no reader catches this."""


@contextmanager
def seconds(limit: float) -> Iterator[None]:
    """Raise TooSlow in the block once it has taken so long; a main thread's affair."""

    def stop(*_: object) -> None:
        raise TooSlow(f"more than {limit} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def memory(limit: int = MEMORY) -> Iterator[None]:
    """Let the process have so many more bytes within the block; asking for more is refused.

    It is address space that is counted, so even memory that is asked for and never touched is.
    """
    if not _STATM.exists():  # only Linux both tells and enforces it
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_AS)
    now = int(_STATM.read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
