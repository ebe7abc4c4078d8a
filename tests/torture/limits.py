"""Limits on the time and memory of a call."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY = 300 * 2**20
"""Additional memory in bytes that reading one damaged file may use."""

_STATM = Path("/proc/self/statm")


class TooSlow(BaseException):
    """A call took too long; a BaseException, so that no reader catches it."""


@contextmanager
def seconds(limit: float) -> Iterator[None]:
    """Raise TooSlow in the block after this time; only in the main thread."""

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
    """Limit the additional memory of the process within the block; further requests fail.

    Address space is counted, which includes memory that is requested and never used.
    """
    if not _STATM.exists():  # only Linux reports and enforces it
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_AS)
    now = int(_STATM.read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
