"""One batch of each model in turn, in the calling process: all models advance together."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from benchmarking.errors import BenchmarkError, OutOfMemory
from benchmarking.inference.executors import (
    Accepted,
    Event,
    Failed,
    Finished,
    Function,
    J,
    Output,
)

PLUGIN = "executors"
NAME = "in-turn"


def run(function: Function[J], jobs: Iterable[J], timeout: float | None) -> Iterator[Event[J]]:
    """Events of all jobs, one output of each in turn; a job that hangs cannot be stopped here."""
    running: deque[tuple[J, Iterator[Any]]] = deque()
    for job in jobs:
        yield Accepted(job)
        running.append((job, _outputs(function, job)))
    while running:
        job, outputs = running.popleft()
        try:
            value = next(outputs)
        except StopIteration:
            yield Finished(job)
        except Exception as error:
            yield _failed(job, error)
        else:
            running.append((job, outputs))
            yield Output(job, value)


def _outputs(function: Function[J], job: J) -> Iterator[Any]:
    """What the function yields; it is called when the first output is asked for."""
    yield from function(job)


def _failed(job: J, error: Exception) -> Failed[J]:
    if isinstance(error, BenchmarkError):  # its message says it all
        return Failed(job, str(error), "", "memory" if isinstance(error, OutOfMemory) else "error")
    return Failed(job, f"{type(error).__name__}: {error}", traceback.format_exc())
