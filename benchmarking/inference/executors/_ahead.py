"""A process that is started before its first job is taken, and imports libraries meanwhile.

Nothing depends on it. If it fails, or nobody can tell whether it suits a job, the job gets a new
process, as it would without it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

from benchmarking import plugins
from benchmarking.inference.executors import Function, J
from benchmarking.inference.executors._one_process import Process, Start, started
from benchmarking.io.memory import available_memory
from benchmarking.io.prefetch import cores

ROOM = 4 * 2**30
"""Available memory in bytes from which a process is started ahead; one that waits has 0.5 GB."""


@dataclass(frozen=True)
class Preparation:
    """Work that a process can do before its first job: to call a function, which yields nothing.

    Attributes:
        kind: the kind of jobs that the process can take afterwards.
        function: the function; another process can import it by name.
        argument: its argument.
    """

    kind: str
    function: Function[Any]
    argument: Any


@dataclass(frozen=True, eq=False)
class _Waiting:
    """A process that waits for its first job.

    Attributes:
        kind: the kind of jobs that it can take.
        surroundings: what it has inherited from this process.
        process: the process.
    """

    kind: str
    surroundings: object
    process: Process


class Ahead:
    """At most one process that waits for its first job.

    None is started on a machine with one core, where it would only be in the way, or if little
    memory is available.
    """

    def __init__(self, has_room: Callable[[], bool] | None = None) -> None:
        """Start nothing yet; `has_room` tells whether there is room for one more process."""
        self._has_room = has_room or _has_room
        self._stack = ExitStack()
        self._waiting: _Waiting | None = None

    def prepare(self, what: Preparation | None) -> None:
        """Start a process that prepares itself; one that waits for jobs of another kind is ended.

        That no process can be started is no error here.
        """
        if what is None or (self._waiting and self._waiting.kind == what.kind):
            return
        self.close()
        if not self._has_room():
            return
        with ExitStack() as stack, suppress(Exception):  # the job reports what prevents it, too
            surroundings, process = _surroundings(), started(stack)
            process.prepare((what.function, what.argument))
            self._waiting = _Waiting(what.kind, surroundings, process)
            self._stack = stack.pop_all()

    def take(self, kind: str, stack: ExitStack) -> Process | None:
        """The waiting process, which ends with the stack from now on; None if none suits.

        A process suits if it waits for jobs of this kind, and a process that is started now would
        inherit the same.
        """
        waiting = self._waiting
        if waiting is None or (waiting.kind, waiting.surroundings) != (kind, _surroundings()):
            return None
        stack.push(self._stack.pop_all())
        self._waiting = None
        return waiting.process

    def close(self) -> None:
        """End the process that waits, if there is one."""
        self._waiting = None
        self._stack.close()


class Foreseen(Generic[J]):
    """Jobs of which it is known, before they are taken, what their processes can prepare."""

    def __init__(
        self,
        jobs: Iterator[J],
        ahead: Ahead,
        kind_of: Callable[[J], str],
        following: Callable[[], Preparation | None],
    ) -> None:
        """Foresee the processes of some jobs.

        Args:
            jobs: the jobs.
            ahead: the process that was started ahead of them, if any.
            kind_of: the kind of a job, as in its preparation.
            following: what the process of the next job can prepare; None if nothing, or if no job
                will follow.
        """
        self._jobs, self._ahead = jobs, ahead
        self._kind_of, self._following = kind_of, following
        self._kind = ""

    def __iter__(self) -> Iterator[J]:
        return self

    def __next__(self) -> J:
        job = next(self._jobs)
        self._kind = self._kind_of(job)
        return job

    def process(self, stack: ExitStack) -> Process:
        """A process for the job that was taken last."""
        return self._ahead.take(self._kind, stack) or started(stack)

    def prepare_next(self) -> None:
        """Start the process of the next job."""
        self._ahead.prepare(self._following())


def start_of_all(jobs: Iterable[J]) -> Start:
    """How to start the process of a job that was just taken, and of those that follow it."""
    return jobs.process if isinstance(jobs, Foreseen) else started


def start_of_one(jobs: Iterable[J]) -> Start:
    """How to start the process of a job that was just taken; that of the next one is started too.

    So the next one imports its libraries while this job runs.
    """
    if not isinstance(jobs, Foreseen):
        return started

    def start(stack: ExitStack) -> Process:
        process = jobs.process(stack)
        jobs.prepare_next()
        return process

    return start


def _surroundings() -> object:
    """What a process that is started now inherits: variables, paths, plug-ins and folder."""
    try:
        here = Path().stat()
        folder = here.st_dev, here.st_ino
    except OSError:  # it was removed
        folder = None
    return dict(os.environ), list(sys.path), plugins.imported_files(), folder


def _has_room() -> bool:
    """Whether this machine has a second core and enough memory, as far as can be told."""
    memory = available_memory()
    return cores() > 1 and memory is not None and memory >= ROOM
