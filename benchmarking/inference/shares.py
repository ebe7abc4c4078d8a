"""Shares of jobs for several workers: whole models while many wait, and slices of the last ones."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from benchmarking.inference.executors import (
    Accepted,
    Event,
    Failed,
    Finished,
    Output,
    Quiet,
)
from benchmarking.inference.job import Environment, Job
from benchmarking.models.frameworks import NO_GPU
from benchmarking.models.sources import framework_of


def balanced_slices(job: Job, n: int, multiple: int) -> list[range]:
    """Divide the rows of a job into at most n slices with about equally many rows to compute.

    Rows that earlier attempts have computed belong to slices too, because only the loaded model
    tells whether they can be used.

    Args:
        job: the job.
        n: largest number of slices.
        multiple: every slice but the last ends at a multiple of this number.
    """
    done = np.zeros(len(job.pictures), dtype=np.bool_)
    for earlier in job.done:
        done[earlier.rows.start : earlier.rows.stop] = True
    blocks = range(job.rows.start, job.rows.stop, multiple)
    to_do = [i for i in blocks if not done[i : min(i + multiple, job.rows.stop)].all()]
    starts = [job.rows.start, *to_do[:: math.ceil(len(to_do) / n) or 1][1:]]
    return [range(*ends) for ends in zip(starts, [*starts[1:], job.rows.stop], strict=True)]


def usual_batch_size(job: Job, gpu: int) -> int:
    """Pictures per forward pass of a job, unless the model fixes another number."""
    if job.batch_size:
        return job.batch_size
    sizes = framework_of(job.spec).BATCH_SIZES
    return sizes["cpu"] if gpu == NO_GPU else math.lcm(*sizes.values())


def _slices(job: Job, n: int, device: int) -> list[range]:
    """At most n slices of a job; anything else that an executor runs is one unit."""
    if not isinstance(job, Job):
        return [range(1)]
    return balanced_slices(job, n, usual_batch_size(job, device))


@dataclass(eq=False)
class _Divided:
    """A job that workers compute.

    Attributes:
        job: the job.
        waiting: slices that no worker has.
        running: number of slices that workers have.
        is_accepted: whether its start has been announced.
        environment: the environment of the first slice.
        unlike: workers whose environment differs, so that they get no slice of it.
        failure: why it cannot be completed now.
    """

    job: Job
    waiting: deque[range]
    running: int = 0
    is_accepted: bool = False
    environment: Environment | None = None
    unlike: set[int] = field(default_factory=set)
    failure: Failed[Job] | None = None

    @property
    def has_ended(self) -> bool:
        return not self.waiting and not self.running

    def differences(self, environment: Environment) -> list[str]:
        """How the environment of a slice differs from that of the first one."""
        if self.environment is None:
            self.environment = environment
        return environment.differences(self.environment, may_shrink=False)


class Shares:
    """Jobs that are shared among workers, each of which computes one unit at a time.

    A unit is a job, or a slice of one. Jobs are units while at least as many wait as there are
    workers. Then each is divided, the last one for all workers, so that they end together.

    A run has one environment. A worker whose environment differs from that of the job's first slice
    gives its slice back, and does not get another one of this job.
    """

    def __init__(
        self, jobs: Iterable[Job], devices: Sequence[int], tell: Callable[[str], None]
    ) -> None:
        """Share jobs among workers.

        Args:
            jobs: the jobs; one is taken for each worker before it is needed, so that it is known
                when few are left.
            devices: the GPU of each worker, or -1 for the CPU; a list of them may grow.
            tell: called with messages for the user.
        """
        self._jobs, self._devices, self._tell = iter(jobs), devices, tell
        self._waiting: deque[Job] = deque()
        self._begun: list[_Divided] = []
        self._running: dict[int, tuple[_Divided, range]] = {}
        self._has_more = True
        self._has_told = False

    def units(self, idle: Iterable[int]) -> Mapping[int, Job]:
        """The next unit of each worker that has none, as far as there are units."""
        workers = list(idle)
        if workers:
            self._take_ahead()
        n = 1 if len(self._waiting) >= len(self._devices) else len(self._devices)
        units = ((worker, self._unit(worker, n)) for worker in workers)
        return {worker: unit for worker, unit in units if unit}

    @property
    def is_done(self) -> bool:
        """Whether every job has ended, and there are no others."""
        return not (self._has_more or self._waiting or self._begun)

    def is_running(self, worker: int) -> bool:
        """Whether a worker has a unit."""
        return worker in self._running

    def take(self, worker: int, event: Event[Job]) -> Iterator[Event[Job]]:
        """Translate an event of a worker's unit into events of its job."""
        shared, _ = self._running[worker]
        if isinstance(event, Accepted):
            if not shared.is_accepted:
                shared.is_accepted = True
                yield Accepted(shared.job)
        elif isinstance(event, Quiet):
            yield Quiet(shared.job)
        elif isinstance(event, Output):
            differing = (
                shared.differences(event.value) if isinstance(event.value, Environment) else []
            )
            if not differing:
                yield Output(shared.job, event.value)
                return
            self._give_back(worker, differing)
        else:
            self._end(worker)
            if isinstance(event, Failed):
                shared.failure = shared.failure or event
                shared.waiting.clear()
        if shared.has_ended and shared in self._begun:
            self._begun.remove(shared)
            failure = shared.failure
            yield replace(failure, job=shared.job) if failure else Finished(shared.job)

    def _take_ahead(self) -> None:
        """Take as many jobs as there are workers, as far as there are jobs."""
        while self._has_more and len(self._waiting) < len(self._devices):
            job = next(self._jobs, None)
            if job is None:
                self._has_more = False
            else:
                self._waiting.append(job)

    def _unit(self, worker: int, n: int) -> Job | None:
        """A slice of a job that has begun, or else of the next job, for n workers in all."""
        for shared in self._begun:
            if shared.waiting and worker not in shared.unlike:
                return self._begin(worker, shared)
        if not self._waiting:
            return None
        each = math.ceil(n / len(self._waiting))
        job = self._waiting.popleft()
        shared = _Divided(job, deque(_slices(job, each, self._devices[worker])))
        self._begun.append(shared)
        return self._begin(worker, shared)

    def _begin(self, worker: int, shared: _Divided) -> Job:
        rows, job = shared.waiting.popleft(), shared.job
        shared.running += 1
        self._running[worker] = shared, rows
        if not isinstance(job, Job):
            return job
        return replace(
            job,
            only=job.only if rows == job.rows else rows,
            gpu=self._devices[worker],
            workers=max(1, job.workers // len(self._devices)),
        )

    def _end(self, worker: int) -> tuple[_Divided, range]:
        shared, rows = self._running.pop(worker)
        shared.running -= 1
        return shared, rows

    def _give_back(self, worker: int, differing: Sequence[str]) -> None:
        """Give a worker's slice to the others, because it would not compute as they do."""
        shared, rows = self._end(worker)
        shared.unlike.add(worker)
        if not shared.failure:
            shared.waiting.appendleft(rows)
        if not self._has_told:
            self._has_told = True
            self._tell(
                f"{shared.job.run.model}: workers differ in their {', '.join(differing)}, so only "
                "those like the first one compute it"
            )
