"""Jobs run one after another in the calling process, without a copy of a model or function.

A job that hangs cannot be stopped, and a job that crashes ends the calling process.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

from benchmarking.inference.executors import (
    Accepted,
    Cause,
    Event,
    Failed,
    Finished,
    Function,
    J,
    Output,
)
from benchmarking.inference.worker import account_of

NAME = "in-process"


def run(
    function: Function[J], jobs: Iterable[J], timeout: float | None = None
) -> Iterator[Event[J]]:
    """Events of every job, in order."""
    for job in jobs:
        yield Accepted(job)
        try:
            for value in function(job):
                yield Output(job, value)
        except Exception as error:
            reason, details, cause, _ = account_of(error)
            yield Failed(job, reason, details, cast(Cause, cause))
        else:
            yield Finished(job)
