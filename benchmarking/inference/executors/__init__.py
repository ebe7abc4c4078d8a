"""Executors, one module each: where jobs run. A module has NAME and `run(function, jobs, timeout)`.

`run` takes jobs one by one, each when the last has ended, and yields of every job in order that it
has begun, the pieces that `function(job)` yields and then an end: `Finished`, or `Failed` if it
raised, its process died, or nothing came of it for `timeout` seconds. The others go on.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from benchmarking.errors import BenchmarkError, OutOfMemory

CONTRACT = ("NAME", "run")

J = TypeVar("J")
Function = Callable[[J], Iterable[Any]]

Cause = Literal["error", "memory", "killed", "died", "silent"]
"""What ended a job early: an exception, no memory, SIGKILL (mostly the kernel's, where memory runs
out), another end of its process, or that nothing was heard of it."""

TICK = 0.5
"""Seconds after which a job of which nothing came is `Quiet`."""


@dataclass(frozen=True, eq=False)
class Begun(Generic[J]):
    """A job has been handed out."""

    job: J


@dataclass(frozen=True, eq=False)
class Quiet(Generic[J]):
    """A job that goes on, of which nothing came for a moment."""

    job: J


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
        cause: the kind of reason.
    """

    job: J
    reason: str
    details: str
    cause: Cause = "error"


Event = Begun[J] | Quiet[J] | Piece[J] | Finished[J] | Failed[J]

_TASK, _LOG = "task", "output"


def in_one_process(
    function: Function[J], jobs: Iterator[J], timeout: float | None
) -> Iterator[Event[J]]:
    """Run jobs one after another in one new process, until all have ended or it has to stop.

    It stops where it dies or falls silent, and after an error that may have left it in a bad
    state; further jobs are then left where they are. What the process writes to standard output
    and error is kept for `Failed.details`.
    """
    context = multiprocessing.get_context("spawn")
    with _folder() as folder:
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(folder, theirs), daemon=True)
        try:
            with _without_interrupts():  # which the process inherits
                process.start()
            theirs.close()  # the pipe ends when the process's own copy does
            for job in jobs:
                yield Begun(job)
                start = (folder / _LOG).stat().st_size
                _hand_out(folder, ours, (function, job))
                if not (yield from _events(ours, job, process, timeout, folder / _LOG, start)):
                    return
        finally:
            if process.pid:
                process.kill()  # at once: it has nothing to tidy up
                process.join()
            ours.close()


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder for what is between us and the process."""
    try:
        made = tempfile.TemporaryDirectory()
        (Path(made.name) / _LOG).touch()
    except OSError as error:
        raise _cannot_be_used(tempfile.gettempdir(), error) from error
    with made as name:
        yield Path(name)


def _cannot_be_used(place: object, error: OSError) -> BenchmarkError:
    return BenchmarkError(f"{place} cannot be written: {error.strerror}; set TMPDIR to another.")


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Ctrl-C waits until the end of the block, whichever thread it comes to."""
    handler = signal.getsignal(signal.SIGINT)
    is_main = threading.current_thread() is threading.main_thread()
    if not hasattr(signal, "pthread_sigmask") or handler is None or not is_main:
        yield
        return
    resource_tracker.ensure_running()  # which would let them through when it is started
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        signal.signal(signal.SIGINT, handler)
        if came:
            signal.raise_signal(signal.SIGINT)


def _hand_out(folder: Path, worker: Connection, task: object) -> None:
    """Give the process its next task.

    In a file: a process that died while it was given more than a pipe holds would leave us
    waiting for ever.
    """
    try:
        with (folder / _TASK).open("wb") as file:
            pickle.dump(task, file)
    except OSError as error:
        raise _cannot_be_used(folder, error) from error
    try:
        worker.send("go on")
    except OSError:
        return  # it is dead, as the next thing heard of it will show


def _events(
    worker: Connection,
    job: J,
    process: SpawnProcess,
    timeout: float | None,
    log: Path,
    start: int,
) -> Generator[Event[J], None, bool]:
    """Events of one job; returns whether the process can take another."""
    silent = 0.0
    while True:
        if not worker.poll(TICK):
            silent += TICK
            if timeout and silent >= timeout:
                reason = f"nothing came from its process for {timeout:g} s, so it was stopped"
                yield Failed(job, reason, _since(log, start), "silent")
                return False
            yield Quiet(job)
            continue
        silent = 0.0
        try:
            kind, *values = worker.recv()
        except (EOFError, OSError):
            process.join()
            cause: Cause = "killed" if process.exitcode == -signal.SIGKILL else "died"
            yield Failed(job, f"its process {_end(process)}", _since(log, start), cause)
            return False
        if kind == "piece":
            yield Piece(job, *values)
        elif kind == "finished":
            yield Finished(job)
            return True
        else:
            reason, details, cause, usable = values
            yield Failed(job, reason, details, cause)
            return bool(usable)


def _work(folder: Path, master: Connection) -> None:
    """The new process: Ctrl-C is the parent's affair, and output goes to the log."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    log = folder / _LOG
    output = os.open(log, os.O_WRONLY | os.O_APPEND)
    for standard in (1, 2):
        os.dup2(output, standard)
    usable = True
    while usable:
        try:
            master.recv()
        except EOFError:
            return  # nobody has anything to do any more
        start = log.stat().st_size
        try:
            for value in _values(folder / _TASK):
                master.send(("piece", value))
            end: tuple[Any, ...] = ("finished",)
        except BrokenPipeError:
            return  # nobody listens any more
        except Exception as error:
            sys.stdout.flush()
            reason, details, cause, usable = _account_of(error, log, start)
            end = ("failed", reason, details, cause, usable)
        sys.stdout.flush()
        master.send(end)


def _values(task: Path) -> Iterator[Any]:
    """What the function yields for its job, of which nothing is left for the next."""
    with task.open("rb") as file:
        function, job = pickle.load(file)
    yield from function(job)


def _account_of(error: Exception, log: Path, start: int) -> tuple[str, str, Cause, bool]:
    """Reason, details and cause, and whether the process is sound after such an error."""
    if isinstance(error, OutOfMemory):
        return str(error), "", "memory", False
    if isinstance(error, BenchmarkError):
        return str(error), "", "error", True
    details = _since(log, start) + traceback.format_exc()
    cause: Cause = "memory" if isinstance(error, MemoryError) else "error"
    return f"{type(error).__name__}: {error}", details, cause, False  # a device can be unusable


def _since(log: Path, start: int) -> str:
    return log.read_bytes()[start:].decode(errors="replace")


def _end(process: SpawnProcess) -> str:
    code = process.exitcode
    if code is not None and code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with status {code}"
