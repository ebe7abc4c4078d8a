"""An executor in the calling process that runs one batch of each model in turn."""

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
    """Yield the events of all jobs, one output of each in turn; it cannot stop a hanging job."""
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
    """Yield the function's outputs; the function is called when the first one is requested."""
    yield from function(job)


def _failed(job: J, error: Exception) -> Failed[J]:
    if isinstance(error, BenchmarkError):  # its message is sufficient
        return Failed(job, str(error), "", "memory" if isinstance(error, OutOfMemory) else "error")
    return Failed(job, f"{type(error).__name__}: {error}", traceback.format_exc())
