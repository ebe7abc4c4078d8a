"""Executors, one module each: where jobs run. A module has NAME and `run(function, jobs)`.

`run` yields, for every job in order, the pieces that `function(job)` yields and then an end:
`Finished`, or `Failed` if it raised or its process died. The others go on.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Generic, TypeVar

from benchmarking.errors import BenchmarkError

CONTRACT = ("NAME", "run")

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

_TASK, _LOG = "task", "output"


def in_one_process(function: Function[J], jobs: Sequence[J]) -> Iterator[Event[J]]:
    """Run jobs one after another in one new process, until all have ended or it has to stop.

    It stops where it dies, and after an error that may have left it in a bad state; jobs that it
    had not begun by then have no events. The first job always has an end. What the process writes
    to standard output and error is kept for `Failed.details`.
    """
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / _LOG).touch()
        # Not as arguments: a process that dies while it is given more than a pipe holds would
        # leave us waiting for ever.
        (folder / _TASK).write_bytes(pickle.dumps((function, list(jobs))))
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(folder, sender), daemon=True)
        process.start()
        sender.close()  # ours; the pipe ends when the process's own copy does
        try:
            yield from _events(receiver, jobs, process, folder / _LOG)
        finally:
            process.terminate()
            process.join()
            receiver.close()


def _events(
    receiver: Connection, jobs: Sequence[J], process: SpawnProcess, log: Path
) -> Iterator[Event[J]]:
    for number, job in enumerate(jobs):
        begun = None  # where the job's own output begins
        while True:
            try:
                kind, *values = receiver.recv()
            except EOFError:
                process.join()
                if begun is not None or number == 0:
                    reason = f"its process {_cause(process.exitcode)}"
                    yield Failed(job, reason, _since(log, begun or 0))
                return
            if kind == "piece":
                yield Piece(job, *values)
            elif kind == "begun":
                (begun,) = values
            else:
                yield Finished(job) if kind == "finished" else Failed(job, *values)
                break


def _work(folder: Path, sender: Connection) -> None:
    """The new process: Ctrl-C is the parent's affair, and output goes to the log.

    It may run ahead of the parent, so it is the one who knows which output is whose.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    log = folder / _LOG
    output = os.open(log, os.O_WRONLY | os.O_APPEND)
    for standard in (1, 2):
        os.dup2(output, standard)
    function, jobs = pickle.loads((folder / _TASK).read_bytes())
    for job in jobs:
        start = log.stat().st_size
        sender.send(("begun", start))
        try:
            for value in function(job):
                sender.send(("piece", value))
            sys.stdout.flush()
            sender.send(("finished",))
        except BrokenPipeError:
            return  # nobody listens any more
        except BenchmarkError as error:
            sys.stdout.flush()
            sender.send(("failed", str(error), ""))
        except Exception as error:
            sys.stdout.flush()
            details = _since(log, start) + traceback.format_exc()
            sender.send(("failed", f"{type(error).__name__}: {error}", details))
            return  # a device, for one, can be unusable after an error


def _since(log: Path, start: int) -> str:
    return log.read_bytes()[start:].decode(errors="replace")


def _cause(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return f"was killed by {signal.Signals(-exitcode).name}"
    return f"ended with status {exitcode}"
