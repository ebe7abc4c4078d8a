"""Child processes that end as soon as the process that has started them ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

TIED = {"IMAGENET_BENCHMARK_LIFELINE": "1"}
"""Environment of a child whose standard input is a lifeline."""


@contextmanager
def lifeline() -> Iterator[int]:
    """Yield a descriptor for the standard input of a child, which calls `end_with_parent`.

    It is an end of a pipe. Only this process has the other end, so it is closed with this process.
    """
    reading, writing = os.pipe()
    try:
        yield reading
    finally:
        os.close(reading)
        os.close(writing)


def end_with_parent() -> None:
    """If this process is a child with a lifeline, end it as soon as its parent ends.

    Its standard input is empty then.
    """
    if not all(os.environ.pop(name, "") == value for name, value in TIED.items()):
        return
    given = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    Thread(target=_watch, args=(given,), daemon=True).start()


def _watch(given: int) -> None:
    while os.read(given, 1):
        pass
    os._exit(1)
