"""Jobs run one after another in one worker process, `python -m benchmarking.inference.worker`.

The process is not started by `multiprocessing`, which would run the caller's script again. So
scripts without `if __name__ == "__main__"`, notebooks and scripts from standard input work.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import benchmarking
from benchmarking.errors import BenchmarkError
from benchmarking.inference import worker
from benchmarking.inference.executors import (
    Accepted,
    Cause,
    Event,
    Failed,
    Finished,
    Function,
    J,
    Output,
    Quiet,
)
from benchmarking.io import lifeline, temporary

TICK = 0.5
"""Seconds without output after which a job is `Quiet`."""

_WAITING = 64
"""Largest number of messages from the process that wait to be read."""

_GRACE = 2.0
"""Seconds to wait for the end of the pipe after the process was killed."""

Start = Callable[[ExitStack], "Process"]
"""Starts a process, or takes one that was started ahead; it ends with the stack."""


def started(stack: ExitStack) -> Process:
    """A new process, which ends with the stack.

    Raises:
        BenchmarkError: it cannot be started.
    """
    process = stack.enter_context(closing(Process(_folder(stack))))
    process.start()
    return process


def in_one_process(
    function: Function[J], jobs: Iterator[J], timeout: float | None, start: Start = started
) -> Iterator[Event[J]]:
    """Run jobs one after another in one new process, until all have ended or it has to stop.

    It stops if it dies or produces no output before the timeout, and after an error that may have
    left it in a bad state. Further jobs are then not taken. The standard output and error of the
    process are kept for `Failed.details`. A process that was started ahead of the first job, and
    fails before it can take it, is replaced.
    """
    with ExitStack() as stack:
        process = start(stack)
        for job in jobs:
            yield Accepted(job)
            if not (yield from _prepared(process, job, timeout)):
                process.close()
                process = started(stack)
            process.hand_out((function, job))
            if not (yield from _events(process, job, timeout)):
                return


class Process:
    """A worker process.

    Attributes:
        is_preparing: whether it may still prepare itself for its first job.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._messages: queue.Queue[tuple[Any, ...] | None] = queue.Queue(_WAITING)
        self._process: Any = None  # a subprocess.Popen once started
        self._problem = ""  # why a message cannot be read
        self._held = ExitStack()  # closes what the process depends on
        self.is_preparing = False

    def start(self) -> None:
        """Start the process."""
        package = Path(benchmarking.__file__).parents[1]
        path = os.pathsep.join(filter(None, [str(package), os.environ.get("PYTHONPATH")]))
        try:
            worker.write_setting(self._folder)
            output = self._log.open("ab")
        except OSError as error:
            raise _cannot_be_used(self._folder, error) from error
        with _without_interrupts(), output:
            # -P: no file in the current folder can shadow a library. Pipes are unbuffered, because
            # a thread may hold the lock of a buffer when Python exits.
            try:
                with ExitStack() as theirs:
                    end, passed = lifeline.opened(theirs, self._held)
                    self._process = subprocess.Popen(  # noqa: S603 - this package's own module
                        [sys.executable, "-P", "-m", worker.__name__, end, str(self._folder)],
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=output,
                        bufsize=0,
                        env={**os.environ, "PYTHONPATH": path},
                        pass_fds=passed,
                    )
            except OSError as error:
                raise BenchmarkError(
                    f"{sys.executable} cannot be started: {error.strerror}."
                ) from error
            self._reader = threading.Thread(target=self._read, daemon=True)
            self._reader.start()

    def close(self) -> None:
        """Kill the process if it was started; it needs no clean-up."""
        if self._process is None:
            self._held.close()
            return
        self._process.kill()
        self._process.wait()
        self._held.close()
        end = time.monotonic() + _GRACE
        while (
            self._reader.is_alive() and time.monotonic() < end
        ):  # the reader may wait for space in the queue
            with suppress(queue.Empty):
                self._messages.get(timeout=0.01)
        self._process.stdin.close()
        if not self._reader.is_alive():  # else a forked process still holds the pipe
            self._process.stdout.close()

    def hand_out(self, task: object) -> None:
        """Give the process its next task.

        The task is in a file, not in the pipe: if the process hung, writing more than the pipe's
        capacity would block forever.
        """
        try:
            with (self._folder / worker.TASK).open("wb") as file:
                pickle.dump(sys.path, file)
                pickle.dump(task, file)
        except OSError as error:
            raise _cannot_be_used(self._folder, error) from error
        self._log_start = self._log.stat().st_size
        with suppress(OSError):  # it is dead; the next message will be None
            self._process.stdin.write(worker.NEXT)

    def prepare(self, task: object) -> None:
        """Give a new process a task that yields nothing, before it has a job."""
        self.is_preparing = True
        self.hand_out(task)

    @property
    def is_alive(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def message(self) -> tuple[Any, ...] | None:
        """The next message, or None at the end of the process; queue.Empty if none comes soon."""
        return self._messages.get(timeout=TICK)

    @property
    def log(self) -> str:
        """The output of the process since it was given its task."""
        return self._log.read_bytes()[self._log_start :].decode(errors="replace")

    def end(self) -> tuple[str, Cause]:
        """How the process ended, in words, and the kind of cause."""
        if self._problem:
            self._process.kill()  # it may be blocked, as nothing reads its pipe
            return f"a message of its process cannot be read: {self._problem}", "error"
        code = self._process.wait()
        if code < 0:
            cause: Cause = "killed" if code == -signal.SIGKILL else "died"
            return f"its process was killed by {signal.Signals(-code).name}", cause
        return f"its process ended with status {code}", "died"

    @property
    def _log(self) -> Path:
        return self._folder / worker.LOG

    def _read(self) -> None:
        """Queue messages until the process ends; a thread does this, as not all pipes can poll."""
        try:
            while (message := worker.received(self._process.stdout)) is not None:
                self._messages.put(message)
        except Exception as error:  # unpickling may raise anything
            self._problem = f"{type(error).__name__}: {error}"
        self._messages.put(None)


def _prepared(process: Process, job: J, timeout: float | None) -> Generator[Event[J], None, bool]:
    """Wait until a process that was started ahead has prepared itself; whether it can be used."""
    if not process.is_preparing:
        return True
    silent = 0.0
    while True:
        try:
            message = process.message()
        except queue.Empty:
            silent += TICK
            if timeout and silent >= timeout:
                return False
            yield Quiet(job)
            continue
        process.is_preparing = False
        return message == ("finished",) and process.is_alive


def _events(process: Process, job: J, timeout: float | None) -> Generator[Event[J], None, bool]:
    """Yield the events of one job, and return whether the process can take another."""
    silent = 0.0
    while True:
        try:
            message = process.message()
        except queue.Empty:
            silent += TICK
            if timeout and silent >= timeout:
                reason = f"nothing came from its process for {timeout:g} s, so it was stopped"
                yield Failed(job, reason, process.log, "silent")
                return False
            yield Quiet(job)
            continue
        silent = 0.0
        if message is None:
            how, cause = process.end()
            yield Failed(job, how, process.log, cause)
            return False
        kind, *values = message
        if kind == "output":
            yield Output(job, *values)
        elif kind == "finished":
            yield Finished(job)
            return True
        else:
            reason, details, cause, usable = values
            yield Failed(job, reason, details, cause)
            return bool(usable)


def _folder(stack: ExitStack) -> Path:
    """A temporary folder for the tasks and the log of the process, until the stack closes."""
    try:
        folder = stack.enter_context(temporary.folder())
        (folder / worker.LOG).touch()
    except OSError as error:
        raise _cannot_be_used(error.filename or "the temporary folder", error) from error
    return folder


def _cannot_be_used(place: object, error: OSError) -> BenchmarkError:
    return BenchmarkError(f"{place} cannot be written: {error.strerror}; set TMPDIR to another.")


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Delay Ctrl-C until the end of the block, so that every started process is remembered."""
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or handler is None:
        yield
        return
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if came:
            signal.raise_signal(signal.SIGINT)
