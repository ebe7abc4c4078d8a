"""Prefetch: apply a function to many items in threads; results come in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")

PER_THREAD = 64
"""Results per thread that are computed before they are requested."""

MOST_THREADS = 256
"""Largest number of threads. More would not be faster, and systems refuse too many."""

_TOGETHER = 8
"""Results that are waited for together: each wait interrupts the threads that compute."""

_LONGEST_WAIT = 0.05
"""Seconds after which a result is not held back any more by those that follow it."""


@contextmanager
def prefetched(
    function: Callable[[T], U],
    items: Iterable[T],
    workers: int,
    ahead: int | None = None,
    stop: Callable[[], object] = lambda: None,
) -> Iterator[Iterator[U]]:
    """Iterate over the function's results, in the order of the items; threads start at once.

    At most `ahead` results wait to be requested, by default PER_THREAD for each thread, so memory
    does not grow with the number of items. An exception from the function is raised when its
    item's turn comes. Calls that have not started when the block ends are cancelled, and those that
    have started are waited for; if the block ends by an error, such as Ctrl-C, `stop` is called
    first. There are at most MOST_THREADS threads, however many workers are asked for.

    >>> with prefetched(abs, [-1, 2, -3], workers=2) as made:
    ...     list(made)
    [1, 2, 3]
    """
    remaining = iter(items)
    threads = min(workers, MOST_THREADS)
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[U]] = deque()

        def submit(n: int) -> None:
            waiting.extend(pool.submit(function, item) for item in islice(remaining, n))

        def results() -> Iterator[U]:
            while waiting:
                if not waiting[0].done():
                    wait([waiting[min(_TOGETHER, len(waiting)) - 1]], _LONGEST_WAIT)
                yield waiting.popleft().result()
                submit(1)

        try:
            submit(ahead or PER_THREAD * threads)
            yield results()
        except BaseException:
            stop()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def cores() -> int:
    """Number of cores that this process may use; the machine may have more."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
