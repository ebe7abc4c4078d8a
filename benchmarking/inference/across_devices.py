"""An executor on several devices at the same time, among which the jobs are shared."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarking.errors import BenchmarkError
from benchmarking.inference.executors import Event, Executor, Function, Output, ended
from benchmarking.inference.job import Environment, Job
from benchmarking.inference.shares import Shares
from benchmarking.io.prefetch import cores
from benchmarking.io.progress import notice

THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
"""Variables with the number of threads of PyTorch and TensorFlow on the CPU.

PyTorch's notes on CPU threading name the first; TensorFlow reads the second when it starts.
"""


@dataclass(frozen=True)
class AcrossDevices:
    """Runs an executor in one thread for each device; each has a process of its own.

    Its events are those of an executor, and every job ends once, also if it was divided into
    slices. Only the thread that iterates over the events takes jobs.

    Attributes:
        inner: the executor that runs the units of each device.
        devices: numbers of the GPUs, or -1 for each worker on the CPU.
        tell: called with messages for the user.
    """

    inner: Executor
    devices: tuple[int, ...]
    tell: Callable[[str], None] = notice

    def __post_init__(self) -> None:
        """Refuse an executor that cannot run several times at the same time."""
        check_can_be_shared(self.inner)

    @property
    def NAME(self) -> str:
        """The name of the executor that it runs."""
        return self.inner.NAME

    def run(
        self, function: Function[Job], jobs: Iterable[Job], timeout: float | None
    ) -> Generator[Event[Job], None, None]:
        """Yield the events of every job; those of several jobs interleave. See `Executor.run`."""
        n = len(self.devices)
        shares, idle = Shares(jobs, self.devices, self.tell), set(range(n))
        sized = partial(with_threads, function, max(1, cores() // n))
        with _workers(self.inner, sized, n, timeout) as workers:
            while True:
                for number, unit in shares.units(sorted(idle)).items():
                    idle.remove(number)
                    workers.hand_out(number, unit)
                if len(idle) == n:
                    return
                number, message = workers.message()
                if message is None:
                    idle.add(number)
                    continue
                yield from shares.take(number, message)
                if _has_environment(message):
                    workers.judge(number, shares.is_running(number))


def check_can_be_shared(executor: Executor) -> None:
    """Check that an executor can run several times at the same time, once for each device.

    Raises:
        BenchmarkError: it cannot.
    """
    if not getattr(executor, "SIDE_BY_SIDE", False):
        raise BenchmarkError(
            f"executor {executor.NAME!r} uses one device; name one with --gpu (gpu= in Python), or "
            "choose worker-process or fresh-process."
        )


def with_threads(function: Function[Job], threads: int, job: Job) -> Iterable[Any]:
    """Call a function in a process whose frameworks compute with some threads on the CPU.

    Each worker has its share of the cores; else their threads would wait for each other. A number
    that the user has set in the environment is kept. Results of GPUs do not depend on it.
    """
    for name in THREADS:
        os.environ.setdefault(name, str(threads))
    return function(job)


class _Stopped(Exception):
    """The thread that iterates over the events has stopped."""


@contextmanager
def _workers(
    inner: Executor, function: Function[Job], n: int, timeout: float | None
) -> Iterator[_Workers]:
    """Start n threads, and end them and their processes when the block ends."""
    workers = _Workers(inner, function, n, timeout)
    try:
        workers.start()
        yield workers
    finally:
        workers.stop()


class _Workers:
    """Threads that run an executor on units, and tell events by one queue.

    They are daemons, so that Python can exit while a sweep is open; see `Sweep.run`.
    """

    def __init__(
        self, inner: Executor, function: Function[Job], n: int, timeout: float | None
    ) -> None:
        self._stopping = threading.Event()
        # Small, so that processes wait for a slow disk instead of filling the memory.
        self._messages: queue.Queue[tuple[int, Any]] = queue.Queue(2 * n)
        self._workers = [
            _Worker(number, inner, function, timeout, self._messages, self._stopping)
            for number in range(n)
        ]

    def start(self) -> None:
        """Start every thread; each waits for its first unit."""
        for worker in self._workers:
            worker.thread.start()

    def hand_out(self, number: int, unit: Job) -> None:
        """Give a worker its next unit."""
        self._workers[number].units.put(unit)

    def judge(self, number: int, suits: bool) -> None:
        """Answer a worker that has told an environment: whether it may compute its unit."""
        self._workers[number].verdicts.put(suits)

    def message(self) -> tuple[int, Event[Job] | None]:
        """The next message: the number of a worker, and an event, or None if its unit has ended."""
        number, message = self._messages.get()
        if isinstance(message, BaseException):
            raise message
        return number, message

    def stop(self) -> None:
        """End the threads; each kills its process."""
        self._stopping.set()
        for worker in self._workers:
            worker.units.put(None)
            worker.verdicts.put(False)
        with suppress(queue.Empty):  # a thread may wait for space
            while True:
                self._messages.get_nowait()
        for worker in self._workers:
            if worker.thread.is_alive():
                worker.thread.join()


class _Worker:
    """A thread that runs an executor on the units of one device."""

    def __init__(
        self,
        number: int,
        inner: Executor,
        function: Function[Job],
        timeout: float | None,
        messages: queue.Queue[tuple[int, Any]],
        stopping: threading.Event,
    ) -> None:
        self.units: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self.verdicts: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self.thread = threading.Thread(target=self._work, daemon=True, name=f"device {number}")
        self._run = partial(inner.run, function, timeout=timeout)
        self._name = inner.NAME
        self._number, self._messages, self._stopping = number, messages, stopping

    def _work(self) -> None:
        """Run units until the executor has no more of them to take."""
        try:
            while not self._has_run_all():
                self._tell(None)
            if not self._stopping.is_set():
                self._tell(RuntimeError(f"executor {self._name} ended before its jobs did"))
        except _Stopped:
            pass
        except BaseException as error:  # the thread that waits for messages raises it
            with suppress(_Stopped):
                self._tell(error)

    def _has_run_all(self) -> bool:
        """Run units; False if one was stopped because its environment does not suit."""
        with ended(self._run(self._given())) as events:
            for event in events:
                self._tell(event)
                if _has_environment(event) and not self.verdicts.get():
                    return False
        return True

    def _given(self) -> Iterator[Job]:
        """The units of this device, as they are given."""
        while (unit := self.units.get()) is not None:
            yield unit
            self._tell(None)

    def _tell(self, message: Event[Job] | BaseException | None) -> None:
        if self._stopping.is_set():
            raise _Stopped
        self._messages.put((self._number, message))


def _has_environment(event: Event[Job] | None) -> bool:
    return isinstance(event, Output) and isinstance(event.value, Environment)
