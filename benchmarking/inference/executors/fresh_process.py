"""A new process for each job, so that no state of one model affects the next.

If the jobs are foreseen, the process of the next job is started while a job runs. It imports
libraries meanwhile, but runs no other job.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from benchmarking.inference.executors import Event, Function, J
from benchmarking.inference.executors._ahead import start_of_one
from benchmarking.inference.executors._one_process import in_one_process

NAME = "fresh-process"
SIDE_BY_SIDE = True


def run(
    function: Function[J], jobs: Iterable[J], timeout: float | None = None
) -> Iterator[Event[J]]:
    """Events of every job, in order."""
    for job in jobs:
        yield from in_one_process(function, iter([job]), timeout, start_of_one(jobs))
