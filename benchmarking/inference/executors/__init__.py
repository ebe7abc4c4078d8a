"""Executors, one module each: where jobs run. `Executor` says what a module must have."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar

from benchmarking.plugins import discover

J = TypeVar("J")
Function = Callable[[J], Iterable[Any]]

Cause = Literal["error", "memory", "killed", "died", "silent"]
"""What ended a job early: an exception, no memory, SIGKILL (mostly the kernel's, where memory runs
out), another end of its process, or no output for the time allowed."""


@dataclass(frozen=True, eq=False)
class Accepted(Generic[J]):
    """A job has been taken; its function is called now."""

    job: J


@dataclass(frozen=True, eq=False)
class Quiet(Generic[J]):
    """A job still runs, but produced nothing for a moment."""

    job: J


@dataclass(frozen=True, eq=False)
class Output(Generic[J]):
    """One value that the function yielded for a job."""

    job: J
    value: Any


@dataclass(frozen=True, eq=False)
class Finished(Generic[J]):
    """The end of a job whose every output has been delivered."""

    job: J


@dataclass(frozen=True, eq=False)
class Failed(Generic[J]):
    """A job that ended early.

    Attributes:
        job: which one.
        reason: why, in a line or two.
        details: traceback and whatever the process wrote; empty where the reason says it all.
        cause: the kind of reason.
    """

    job: J
    reason: str
    details: str
    cause: Cause = "error"


Event = Accepted[J] | Quiet[J] | Output[J] | Finished[J] | Failed[J]


class Executor(Protocol):
    """Runs a function on jobs, in a process or on a machine of its choice."""

    @property
    def NAME(self) -> str:
        """As `predict --executor` and the provenance of runs have it."""

    def run(
        self, function: Function[J], jobs: Iterable[J], timeout: float | None
    ) -> Iterator[Event[J]]:
        """Events of every job: first it is accepted, then gives outputs, then is finished or fails.

        It takes jobs when it is ready for them, several at a time if it likes; the events of jobs
        that run at the same time may interleave. The first output of a job must come first, which
        says in what environment it runs; the others may come in any order. A job that fails does
        not stop the others. Closing the iterator ends everything at once.

        Args:
            function: what to call for each job; it can be imported by name in another process.
            jobs: any objects that can be pickled; the next one may be asked for at any time.
            timeout: seconds without any output of a job after which it is stopped, where the
                executor can; None waits.
        """


def executors() -> dict[str, Executor]:
    """Every executor, by name."""
    return discover(sys.modules[__name__], Executor)
