"""Executors, which run jobs, one module each; `Executor` is the contract of a module."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar, cast

from benchmarking.errors import BenchmarkError
from benchmarking.plugins import discover

J = TypeVar("J")
Function = Callable[[J], Iterable[Any]]

Cause = Literal["error", "memory", "killed", "died", "silent", "lost"]
"""Why a job ended early: an exception, a lack of memory, SIGKILL (usually from the kernel, when
memory runs out), another end of its process, no output before the timeout, or the loss of its
machine or of the connection to it, for which the job is not to blame."""


@dataclass(frozen=True, eq=False)
class Accepted(Generic[J]):
    """A job has been accepted; its function is called now."""

    job: J


@dataclass(frozen=True, eq=False)
class Quiet(Generic[J]):
    """A job still runs, but has produced no output for a moment."""

    job: J


@dataclass(frozen=True, eq=False)
class Output(Generic[J]):
    """One value that the function yielded for a job."""

    job: J
    value: Any


@dataclass(frozen=True, eq=False)
class Finished(Generic[J]):
    """A job has ended, and all of its outputs have been delivered."""

    job: J


@dataclass(frozen=True, eq=False)
class Failed(Generic[J]):
    """A job has ended early.

    Attributes:
        job: the job.
        reason: why, in a line or two.
        details: traceback and output of the process; empty if the reason is sufficient.
        cause: the kind of reason.
    """

    job: J
    reason: str
    details: str
    cause: Cause = "error"


Event = Accepted[J] | Quiet[J] | Output[J] | Finished[J] | Failed[J]


class Executor(Protocol):
    """Runs a function for each job, in a process or on a machine of its choice.

    A module with `SIDE_BY_SIDE = True` computes in processes of its own, and can run several times
    at the same time, in threads. So several GPUs can share the jobs; see `AcrossDevices`.
    """

    @property
    def NAME(self) -> str:
        """Its name in `predict --executor` and in the provenance of runs."""

    def run(
        self, function: Function[J], jobs: Iterable[J], timeout: float | None
    ) -> Iterator[Event[J]]:
        """Yield the events of every job: Accepted, then its outputs, then Finished or Failed.

        The executor takes jobs when it is ready for them, and may run several at the same time;
        their events may interleave. The first output of a job is its environment and must be
        delivered first; the others may come in any order. A job that fails does not stop the
        others. Closing the iterator ends everything at once.

        Args:
            function: the function to call for each job; another process can import it by name.
            jobs: any objects that can be pickled; the executor may take the next one at any time.
            timeout: seconds without output after which a job is stopped, if the executor can do
                that; None never stops a job.
        """


class Remote(Executor, Protocol):
    """An executor that can also run jobs on other machines.

    `predict --address` says where. Files of this machine do not exist there, so jobs have no file
    of crops. Only an executor with `at` accepts an address.
    """

    def at(self, address: str | None) -> Executor:
        """The executor at an address, for one sweep; None for its default place.

        It is called before any picture is read, and connects to nothing yet.

        Raises:
            BenchmarkError: it is no address, or the library of the executor is not installed.
        """


def executors() -> dict[str, Executor]:
    """Every executor, by name."""
    return discover(sys.modules[__name__], Executor)


def is_remote(executor: Executor) -> bool:
    """Whether an executor is a `Remote` one."""
    return hasattr(executor, "at")


def placed(executor: Executor, address: str | None) -> Executor:
    """An executor at an address; one that is not `Remote` is returned as it is.

    Raises:
        BenchmarkError: it runs on this machine only; or see `Remote.at`.
    """
    if is_remote(executor):
        return cast(Remote, executor).at(address)
    if address is not None:
        raise BenchmarkError(
            f"executor {executor.NAME!r} runs on this machine only, so the address {address!r} has "
            "no use; leave it out, or choose the executor ray."
        )
    return executor


@contextmanager
def ended(events: Iterator[Event[J]]) -> Iterator[Iterator[Event[J]]]:
    """Close the events of an executor when the block ends, not at garbage collection.

    A notebook keeps the frames of the last error alive until the next error.
    """
    try:
        yield events
    finally:
        close = getattr(events, "close", None)
        if close is not None:
            close()
