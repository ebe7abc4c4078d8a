"""The tasks of a sweep, as the driver hands them out and reads their outputs."""

from __future__ import annotations

import os
import pickle
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from benchmarking import plugins
from benchmarking.errors import BenchmarkError
from benchmarking.inference.across_devices import THREADS
from benchmarking.inference.executors import (
    Accepted,
    Cause,
    Event,
    Failed,
    Finished,
    Function,
    Output,
    Quiet,
)
from benchmarking.inference.executors._ray.nodes import Nodes, Verdicts, expected_for
from benchmarking.inference.executors._ray.remote import Setting, unit
from benchmarking.inference.executors._ray.slots import Slots, memory_of
from benchmarking.inference.job import Job
from benchmarking.inference.shares import Shares
from benchmarking.io.progress import notice

TICK = 0.5
"""Seconds without output after which jobs are `Quiet`."""

_NEW_NODES = 2.0
"""Seconds between two looks for nodes that came or went."""

_PATIENCE = 60.0
"""Seconds for which to wait for a node that can compute; a lost one may be replaced."""

_GRACE = 5.0
"""Seconds in which cancelled tasks can end by themselves."""

_AHEAD = 16
"""Largest number of messages of a task that wait to be read."""


@dataclass(eq=False)
class _Task:
    """A task of Ray, which computes a unit: a job, or a slice of one.

    Attributes:
        unit: the unit.
        stream: Ray's generator of its messages.
        has_begun: whether it runs.
        is_over: whether the rest of its messages does not matter.
    """

    unit: Any
    stream: Any
    has_begun: bool = False
    is_over: bool = False


class Tasks:
    """The tasks of jobs on the nodes of a cluster, each in a slot of its node."""

    def __init__(
        self,
        function: Function[Any],
        jobs: Iterable[Any],
        timeout: float | None,
        verdicts: Verdicts,
        *,
        is_local: bool,
        tell: Callable[[str], None] = notice,
    ) -> None:
        """Begin nothing yet.

        Args:
            function: the function that computes a job.
            jobs: one or more jobs; all have the framework, device and pictures of the first.
            timeout: seconds without output after which a task is stopped; None never stops it.
            verdicts: verdicts on nodes of earlier calls in the same sweep.
            is_local: whether Ray was started by this process, so that nodes have its pictures.
            tell: called with messages for the user.
        """
        waiting = iter(jobs)
        first = next(waiting)
        self._function, self._timeout, self._is_local = function, timeout, is_local
        self._tell = tell
        # Ray would set the number of threads; here the driver's environment decides, else the slot.
        threads = {name: os.environ.get(name) for name in THREADS}
        path = tuple(place for place in sys.path if place)
        self._setting = Setting(str(Path.cwd()), path, plugins.imported_files(), threads)
        expected = expected_for(first, with_pictures=not is_local)
        self._nodes = Nodes(expected, self._setting, verdicts, tell)
        self._slots = Slots(first)
        self._shares = Shares(chain([first], waiting), self._slots.devices, tell)
        self._running: dict[int, _Task] = {}
        self._looked = float("-inf")
        self._waits_since: float | None = None
        self._had_nodes = False

    def events(self) -> Generator[Event[Any], None, None]:
        """Yield the events of every job; closing it ends every task."""
        try:
            while True:
                self._look_for_nodes()
                idle = [one for one in self._slots.usable() if one not in self._running]
                for number, work in self._shares.units(idle).items():
                    self._start(number, work)
                if self._running:
                    self._waits_since = None
                    yield from self._received()
                elif self._shares.is_done:
                    return
                elif self._nodes.is_checking or self._may_come():
                    time.sleep(TICK)
                elif (yield from self._given_up()) == 0:
                    return
        finally:
            self._stop()

    def _may_come(self) -> bool:
        """Whether to wait for a node: none can compute now, but one could, or none was refused."""
        now = time.monotonic()
        has_no_hope = bool(self._nodes.refused) and not self._had_nodes
        if has_no_hope or next(self._slots.usable(), None) is not None:
            return False
        if self._waits_since is None:
            self._waits_since = now
            self._tell(f"no node of Ray can compute now; waiting for one, {_PATIENCE:g} s at most")
        return now - self._waits_since < _PATIENCE

    def _look_for_nodes(self) -> None:
        now = time.monotonic()
        if self._nodes.is_checking or now - self._looked >= _NEW_NODES:
            self._looked = now
            self._nodes.refresh()
            self._slots.update(self._nodes.good, self._nodes.possible)
            self._had_nodes |= bool(self._nodes.good)

    def _start(self, number: int, work: Any) -> None:
        """Hand out a unit to the slot of this number."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        slot = self._slots[number]
        computed = ray.remote(unit).options(
            num_cpus=slot.cpus,
            num_gpus=slot.gpus,
            memory=min(memory_of(work), slot.node.memory) or None,
            max_retries=0,  # the sweep tries again, from its checkpoints, and records it
            num_returns="streaming",
            _generator_backpressure_num_objects=_AHEAD,
            scheduling_strategy=NodeAffinitySchedulingStrategy(slot.node.key, soft=False),
            name=f"{work!r:.80}",
        )
        task, pictures = self._packed(number, work)
        stream = computed.remote(task, pictures, slot.cpus, self._timeout, self._setting)
        self._running[number] = _Task(work, stream)

    def _packed(self, number: int, work: Any) -> tuple[bytes, Any]:
        """Function and unit for a slot, pickled; and the pictures of a `Job`, which are sent apart.

        A node gets the list of pictures once.
        """
        if not isinstance(work, Job):
            return pickle.dumps((self._function, work)), None
        gpu, workers = self._slots.gpu(number), max(1, self._slots[number].cpus)
        without = replace(work, pictures=(), crops=None, gpu=gpu, workers=workers)
        return pickle.dumps((self._function, without)), self._nodes.listed(work.pictures)

    def _received(self) -> Iterator[Event[Any]]:
        """Read the messages that have come; if there is none, wait for a moment."""
        import ray

        streams = [task.stream for task in self._running.values()]
        ready, _ = ray.wait(streams, timeout=TICK)
        if not ready:
            for number, task in list(self._running.items()):
                if task.has_begun and not task.is_over:
                    yield from self._shares.take(number, Quiet(task.unit))
            return
        ready, _ = ray.wait(streams, num_returns=len(streams), timeout=0)
        for number, task in list(self._running.items()):
            if any(task.stream is one for one in ready):
                yield from self._read(number, task)

    def _read(self, number: int, task: _Task) -> Iterator[Event[Any]]:
        """Read the next messages of a task."""
        import ray

        try:
            messages = ray.get(next(task.stream))
        except StopIteration:
            end = Failed(task.unit, f"{self._where(number)}its task ended too early", "", "lost")
        except ray.exceptions.RayError as error:
            end = _failure(task.unit, self._where(number), error)
        else:
            for message in messages:
                if not task.is_over:
                    yield from self._events_of(number, task, message)
            return
        del self._running[number]
        if not task.is_over:
            _cancel(task)  # it runs if only one of its messages was lost
            yield from self._fail(number, task, end)

    def _events_of(self, number: int, task: _Task, message: bytes) -> Iterator[Event[Any]]:
        """The events of a message."""
        try:
            kind, *values = pickle.loads(message)  # noqa: S301 - from a task of ours
        except Exception as error:  # unpickling may raise anything
            reason = f"a message of its process cannot be read: {type(error).__name__}: {error}"
            _cancel(task)
            yield from self._fail(number, task, Failed(task.unit, reason, ""))
            return
        if kind == "begun":
            task.has_begun = True
            yield from self._shares.take(number, Accepted(task.unit))
        elif kind == "output":
            yield from self._shares.take(number, Output(task.unit, *values))
            if not self._shares.is_running(number):  # its environment is another one
                _cancel(task)
        elif kind == "finished":
            task.is_over = True
            yield from self._shares.take(number, Finished(task.unit))
        else:
            reason, details, cause = values
            failed = Failed(task.unit, f"{self._where(number)}{reason}", details, cause)
            yield from self._fail(number, task, failed)

    def _fail(self, number: int, task: _Task, failed: Failed[Any]) -> Iterator[Event[Any]]:
        """End a unit early; the other slices of its job end too if it is not tried again."""
        task.is_over = True
        if not task.has_begun:
            yield from self._shares.take(number, Accepted(task.unit))
        yield from self._shares.take(number, failed)
        if failed.cause not in ("error", "silent"):
            return
        for other, one in list(self._running.items()):
            if not one.is_over and _is_same_job(one.unit, task.unit):
                _cancel(one)
                yield from self._shares.take(other, replace(failed, job=one.unit))

    def _given_up(self) -> Generator[Event[Any], None, int]:
        """Fail the units that no slot can take, and return their number."""
        number, n = self._slots.nowhere(), 0
        has_slots = next(self._slots.usable(), None) is not None
        while (work := self._shares.units([number]).get(number)) is not None:
            n += 1
            yield from self._shares.take(number, Accepted(work))
            # Another try begins without the environment that no node has any more.
            cause: Cause = "lost" if has_slots else "error"
            yield from self._shares.take(number, Failed(work, self._why(has_slots), "", cause))
        return n

    def _why(self, has_slots: bool) -> str:
        """Why no node can compute what is left."""
        if has_slots:
            return "no node is left that computes as the one that began it"
        refused = [f"node {name}: {reason}" for name, reason in self._nodes.refused.items()]
        lacking = [
            f"node {node.name}: it has no core or GPU for this"
            for node in self._nodes.good.values()
        ]
        return f"no node can compute it; {'; '.join([*refused, *lacking]) or 'there is none'}"

    def _where(self, number: int) -> str:
        """The start of a reason, which names the node unless it is this machine."""
        return "" if self._is_local else f"on {self._name(number)}: "

    def _name(self, number: int) -> str:
        return f"node {self._slots[number].node.name}"

    def _stop(self) -> None:
        """End every task: first in order, so that it removes its files, then by force."""
        self._nodes.close()
        left = [task.stream for task in self._running.values()]
        self._running.clear()
        for force in (False, True):
            for stream in left:
                _end(stream, force=force)
            left = _not_ended(left)


def _cancel(task: _Task) -> None:
    """Ask a task to end; its further messages do not matter."""
    task.is_over = True
    _end(task.stream, force=False)


def _end(stream: Any, *, force: bool) -> None:
    """End the task of a stream within a moment, or at once by force."""
    import ray

    with suppress(ray.exceptions.RayError, ValueError):  # it has ended, or its node is lost
        ray.cancel(stream, force=force)


def _not_ended(streams: list[Any]) -> list[Any]:
    """The streams of those tasks that have not ended after a moment."""
    import ray

    if not streams:
        return []
    ends = [stream.completed() for stream in streams]
    ended, _ = ray.wait(ends, num_returns=len(ends), timeout=_GRACE, fetch_local=False)
    return [stream for stream, end in zip(streams, ends, strict=True) if end not in ended]


def _is_same_job(one: Any, other: Any) -> bool:
    return isinstance(one, Job) and isinstance(other, Job) and one.run == other.run


def _failure(work: Any, where: str, error: Any) -> Failed[Any]:
    """The failure of a unit, from an error that Ray raised in place of its messages."""
    from ray import exceptions

    if isinstance(error, exceptions.RayTaskError):
        cause = error.cause
        if isinstance(cause, BenchmarkError):
            return Failed(work, f"{where}{cause}", "")
        return Failed(work, f"{where}{type(cause).__name__}: {cause}", str(error))
    if isinstance(error, exceptions.OutOfMemoryError):
        reason = "Ray ended its task, because the memory of the node ran out"
        return Failed(work, f"{where}{reason}", "", "killed")
    what = f"its task was lost, with its process or its node ({type(error).__name__})"
    return Failed(work, f"{where}{what}", "", "lost")
