"""One process for all jobs; if it has to stop, a new one continues with the next job."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from benchmarking.inference.executors import Event, Function, J
from benchmarking.inference.executors._ahead import start_of_all
from benchmarking.inference.executors._one_process import in_one_process

NAME = "worker-process"
SIDE_BY_SIDE = True


def run(
    function: Function[J], jobs: Iterable[J], timeout: float | None = None
) -> Iterator[Event[J]]:
    """Events of every job, in order."""
    waiting = iter(jobs)
    for job in waiting:  # the process takes the following ones itself
        yield from in_one_process(function, chain([job], waiting), timeout, start_of_all(jobs))
