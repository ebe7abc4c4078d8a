"""Executors, one module each: where jobs run. A module has NAME and `run(function, jobs)`.

`run` yields, for every job in order, the pieces that `function(job)` yields and then an end:
`Finished`, or `Failed` if it raised or its process died. The others go on.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Generic, TypeVar

from benchmarking.errors import BenchmarkError

J = TypeVar("J")
Function = Callable[[J], Iterable[Any]]


@dataclass(frozen=True, eq=False)
class Piece(Generic[J]):
    """One value that the function yielded for a job."""

    job: J
    value: Any


@dataclass(frozen=True, eq=False)
class Finished(Generic[J]):
    """A job whose every piece has been delivered."""

    job: J


@dataclass(frozen=True, eq=False)
class Failed(Generic[J]):
    """A job that ended early.

    Attributes:
        job: which one.
        reason: why, in a line or two.
        details: traceback and whatever the process wrote; empty where the reason says it all.
    """

    job: J
    reason: str
    details: str


Event = Piece[J] | Finished[J] | Failed[J]


def in_one_process(function: Function[J], jobs: Sequence[J]) -> Iterator[Event[J]]:
    """Run jobs one after another in one new process, until all have ended or the process dies.

    What the process writes to standard output and error is kept for `Failed.details`. Jobs that
    it had not begun when it died are neither finished nor failed.
    """
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "output")
        log.touch()
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(
            target=_work, args=(function, list(jobs), sender, log), daemon=True
        )
        process.start()
        sender.close()  # ours; the pipe ends when the process's own copy does
        try:
            yield from _events(receiver, jobs, process, log)
        finally:
            process.terminate()
            process.join()
            receiver.close()


def _events(
    receiver: Connection, jobs: Sequence[J], process: SpawnProcess, log: Path
) -> Iterator[Event[J]]:
    for job in jobs:
        start = 0  # where the job's own output begins
        while True:
            try:
                kind, *values = receiver.recv()
            except EOFError:
                process.join()
                yield Failed(job, f"its process {_cause(process.exitcode)}", _since(log, start))
                return
            if kind == "piece":
                yield Piece(job, *values)
            elif kind == "begun":
                (start,) = values
            else:
                yield Finished(job) if kind == "finished" else Failed(job, *values)
                break


def _work(function: Function[J], jobs: Sequence[J], sender: Connection, log: Path) -> None:
    """The new process: Ctrl-C is the parent's affair, and output goes to the log.

    It may run ahead of the parent, so it is the one who knows which output is whose.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    output = os.open(log, os.O_WRONLY | os.O_APPEND)
    for standard in (1, 2):
        os.dup2(output, standard)
    for job in jobs:
        start = log.stat().st_size
        sender.send(("begun", start))
        try:
            for value in function(job):
                sender.send(("piece", value))
            sender.send(("finished",))
        except BrokenPipeError:
            return  # nobody listens any more
        except BenchmarkError as error:
            sender.send(("failed", str(error), ""))
        except Exception as error:
            details = _since(log, start) + traceback.format_exc()
            sender.send(("failed", f"{type(error).__name__}: {error}", details))


def _since(log: Path, start: int) -> str:
    return log.read_bytes()[start:].decode(errors="replace")


def _cause(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return f"was killed by {signal.Signals(-exitcode).name}"
    return f"ended with status {exitcode}"
