"""One process for all jobs; where it has to stop, a new one goes on with the next job."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarking.executors import Event, Function, J, Piece, in_one_process

NAME = "worker-process"


def run(function: Function[J], jobs: Sequence[J]) -> Iterator[Event[J]]:
    """Events of every job, in order."""
    left = list(jobs)
    while left:
        for event in in_one_process(function, tuple(left)):
            yield event
            if not isinstance(event, Piece):
                left.pop(0)
