"""Sweeps: many jobs on one image set, run by executors and stored when complete."""

from __future__ import annotations

import atexit
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from itertools import groupby
from pathlib import Path
from weakref import WeakSet

from benchmarking.errors import BenchmarkError, StoreError
from benchmarking.inference.across_devices import AcrossDevices
from benchmarking.inference.ahead import foreseen
from benchmarking.inference.checkpoints import Checkpoints
from benchmarking.inference.events import AlreadyStored, Event, Progress, Started, Stored
from benchmarking.inference.executors import (
    Accepted,
    Executor,
    Failed,
    Finished,
    Output,
    Quiet,
    ended,
    executors,
    placed,
)
from benchmarking.inference.executors import Event as JobEvent
from benchmarking.inference.executors._ahead import Ahead
from benchmarking.inference.job import Environment, Job, Part
from benchmarking.inference.partial_run import PartialRun
from benchmarking.inference.predict import answer
from benchmarking.inference.record import ingredients, is_stored, provenance
from benchmarking.inference.retries import Retries
from benchmarking.io import files, temporary
from benchmarking.io.progress import notice
from benchmarking.models.sources import framework_of
from benchmarking.pictures.image_set import ImageSet
from benchmarking.predictions import image_rows
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store

PAUSE = 0.5
"""Seconds between two checks of runs that other processes work on."""


def now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, eq=False)
class Sweep:
    """A sweep over one image set: its store, its options and what is recorded.

    Attributes:
        images: the image set; every job has its pictures.
        store: the store, which gets each run as soon as it is complete.
        clock: returns the time in UTC.
        timer: returns seconds since a fixed moment; no change of the clock affects it.
        arguments: arguments of the command, to be recorded.
        again: whether complete stored runs are computed again.
        timeout: seconds without output after which a job is stopped; None never stops it.
        executor: name of the executor for all jobs; None uses that of each job's framework.
        address: where a `Remote` executor runs; None for its default place.
        devices: numbers of the GPUs among which jobs are shared, or -1 for each worker on the CPU;
            () runs every job on its own GPU.
        answer: the function that computes a job; its executor runs it.
        resumes: whether checkpoints are written and used.
        notice: called with messages for the user.
        ahead: the process that is started ahead of its first job; it ends with the sweep.
    """

    images: ImageSet
    store: Store
    clock: Callable[[], datetime] = now
    timer: Callable[[], float] = time.monotonic
    arguments: tuple[str, ...] = ()
    again: bool = True
    timeout: float | None = None
    executor: str | None = None
    address: str | None = None
    devices: tuple[int, ...] = ()
    answer: Callable[[Job], Iterable[Environment | Part]] = answer
    resumes: bool = True
    notice: Callable[[str], None] = notice
    ahead: Ahead = field(default_factory=Ahead, repr=False)

    def has(self, job: Job) -> bool:
        """Whether the store has this run, complete and with the same ingredients."""
        return is_stored(job, self.images, self.store)

    def run(self, jobs: Sequence[Job]) -> Generator[Event, None, None]:
        """Predict and store jobs, grouped by executor and framework.

        A sweep that is left open is closed when Python exits, so that its partial runs are kept.

        Every job ends with `Stored` or `Failed`, or with `AlreadyStored` if another process has
        stored it meanwhile. A job that fails does not stop the others. If the process of a job
        died, the job is tried again in a process of its own. If it ran out of memory, it is tried
        again with half the batch size, down to one picture. Predictions of an interrupted job are
        kept, and the job is resumed.

        Raises:
            BenchmarkError: the executor does not exist, or not at this address.
            StoreError: other pictures are stored under the name of this image set, or another
                process is storing them.
        """
        events = self._run(jobs)
        _open_sweeps().add(events)
        return events

    def _run(self, jobs: Sequence[Job]) -> Generator[Event, None, None]:
        known = executors()
        names = {job.run: self.executor_of(job) for job in jobs}
        for name in set(names.values()) - known.keys():
            raise BenchmarkError(f"there is no executor {name!r}; there are {', '.join(known)}.")
        run_by = {
            name: self._on_devices(placed(known[name], self.address)) for name in names.values()
        }
        retries = Retries()
        before = {job.run: self._started(job.run) for job in jobs}

        def together(job: Job) -> tuple[str, str]:
            """Group by framework too: two frameworks in one process can crash each other."""
            return names[job.run], job.spec.framework

        temporary.remove_left_over()
        if not jobs:  # `admitted` needs a little disk space
            return
        groups = [list(group) for _, group in groupby(sorted(jobs, key=together), key=together)]
        with self.store.admitted(self.images), closing(self.ahead):
            for group, later in zip(groups, [*groups[1:], []], strict=True):
                executor = run_by[names[group[0].run]]
                yield from self._run_in(executor, group, retries, before, later)
                while retries.waiting:
                    self.ahead.close()  # it may be memory that lacks
                    yield from self._run_in(executor, [retries.waiting.pop(0)], retries, before)

    def executor_of(self, job: Job) -> str:
        """Name of the executor that runs a job."""
        return self.executor or framework_of(job.spec).EXECUTOR

    def _on_devices(self, executor: Executor) -> Executor | AcrossDevices:
        """The executor, on every device of the sweep if there are several."""
        if not self.devices:
            return executor
        return AcrossDevices(executor, self.devices, self.notice)

    def tidy(self, job: Job) -> None:
        """Remove the checkpoints that a sudden end has left for a run that is complete."""
        if not files.is_missing(self.store.unfinished(job.run)):
            with ExitStack() as stack:
                if self.store.claim(job.run, stack):
                    self._checkpoints(job).discard()

    def _run_in(
        self,
        executor: Executor | AcrossDevices,
        jobs: Iterable[Job],
        retries: Retries,
        before: dict[Run, str],
        later: Sequence[Job] = (),
    ) -> Iterator[Event]:
        """Run jobs in one executor, which may work on several of them at the same time.

        The process of the first of the `later` jobs may be started meanwhile.
        """
        waiting, taken = deque(jobs), set[Run]()
        while waiting:
            at_first = len(waiting)
            active = _Active()
            try:
                claimed = self._claimed(waiting, active, before, taken)
                known = foreseen(claimed, self.ahead, (waiting, later), self.executor_of)
                with ended(executor.run(self.answer, known, self.timeout)) as events:
                    for event in events:
                        yield from self._take(event, active, retries)
                yield from active.others
                for partial in active.partial_runs:
                    self._keep(partial)
                    yield Failed(partial.job, "its executor ended before it did", "")
                if len(waiting) == at_first:
                    for job in waiting:
                        yield Failed(job, f"executor {executor.NAME} did not take it", "")
                    return
            except BaseException:  # such as Ctrl-C
                for partial in active.partial_runs:
                    self._keep(partial)
                raise
            finally:
                active.close()

    def _claimed(
        self, waiting: deque[Job], active: _Active, before: dict[Run, str], taken: set[Run]
    ) -> Iterator[Job]:
        """Yield jobs one by one, with the lock on each run; runs that others lock come last.

        A job whose run is stored is skipped. If stored runs are to be computed again, it is
        skipped only if another process has stored it since `before`, which has the start of each
        stored run. `taken` collects runs that other processes lock. If only such runs wait and
        other jobs are active, the iterator ends, so that the executor of those is not blocked.
        """
        while waiting:
            job = waiting.popleft()
            with ExitStack() as claim:
                try:
                    is_ours = self.store.claim(job.run, claim)
                except BenchmarkError as error:  # such as another user's lock
                    active.others.append(Failed(job, str(error), ""))
                    continue
                if not is_ours and self.store.unfinished(job.run) in _claims_of_this_process():
                    raise BenchmarkError(
                        f"another sweep of this process still works on {job.run}; close it, or let "
                        "it end (contextlib.closing does so)."
                    )
                if not is_ours:
                    waiting.append(job)
                    if job.run not in taken:
                        self.notice(f"{job.run.model}: another process works on it")
                    elif all(one.run in taken for one in waiting):
                        if active:
                            return
                        time.sleep(PAUSE)
                    taken.add(job.run)
                    continue
                claim.callback(self._checkpoints(job).tidy)
                _claims_of_this_process().add(self.store.unfinished(job.run))
                claim.callback(_claims_of_this_process().discard, self.store.unfinished(job.run))
                is_new = not self.again or self._started(job.run) != before[job.run]
                if is_new and self.has(job):
                    self.notice(f"{job.run.model}: another process has stored it")
                    active.others.append(AlreadyStored(job, self._started(job.run)))
                    continue
                partial = self._resumed(job)
                active.add(partial, claim.pop_all())
            yield partial.job

    def _take(self, event: JobEvent[Job], active: _Active, retries: Retries) -> Iterator[Event]:
        """Handle one event of an executor, and yield the events of the sweep."""
        partial = active.of(event.job)
        if isinstance(event, Accepted):
            partial.start(self.clock())
            yield Started(event.job)
        elif isinstance(event, Output):
            is_first = partial.environment is None
            done = partial.add(event.value)
            if is_first and isinstance(event.value, Environment):
                self._tell_of_dropped(partial)
                self._tell_of_compiler(partial.job, event.value)
            yield Progress(event.job, done)
            if partial.is_due:
                self._keep(partial)
        elif isinstance(event, Quiet):
            yield Progress(event.job, 0)
        elif isinstance(event, Finished):
            yield self._stored(partial)
            active.end(event.job)
        else:
            self._keep(partial)
            active.end(event.job)
            yield retries.put_aside(event, partial.environment) or event

    def _tell_of_dropped(self, partial: PartialRun) -> None:
        """Tell the user which checkpoints of a run cannot be used, and why."""
        for differing, n in partial.dropped.items():
            self.notice(
                f"{partial.job.run.model}: {n} pictures of an earlier attempt are predicted again, "
                f"since it had another {differing}"
            )

    def _tell_of_compiler(self, job: Job, environment: Environment) -> None:
        """Tell the user if a model is not compiled as it was asked for, and why."""
        if environment.uncompiled:
            self.notice(
                f"{job.run.model}: {job.compiler} is not used: {environment.uncompiled}; the model "
                "runs uncompiled"
            )

    def _started(self, run: Run) -> str:
        """When the stored run was started; empty if none is stored."""
        try:
            return self.store.provenance(run).started
        except StoreError:
            return ""

    def _resumed(self, job: Job) -> PartialRun:
        """A partial run with the checkpoints of earlier attempts.

        A stored run with all probabilities is never replaced by one without them.
        """
        if self.store.keeps_all_probabilities(job.run):
            job = replace(job, keep="all")
        order = image_rows.digest(image_rows.written(self.images))
        recorded = {**ingredients(job, self.images, ""), "keep": job.keep, "order": order}
        checkpoints = self._checkpoints(job)
        kept = checkpoints.read(recorded, len(job.pictures)) if self.resumes else []
        if self.resumes and (others := len(checkpoints) - len(kept)):
            self.notice(
                f"{job.run.model}: {others} checkpoints of an earlier attempt cannot be used; they "
                "are damaged, or of other weights, pictures or another recipe"
            )
        if kept and not job.incidents:
            # The newest, which need not have the last rows: slices end in any order.
            newest = max(kept, key=lambda one: one.conditions.seconds)
            job = replace(job, incidents=newest.conditions.incidents)
        done = tuple(one.done for one in kept)
        job = replace(job, done=done, fingerprint=self.images.fingerprint)
        return PartialRun(job, kept, recorded, checkpoints, self.clock(), self.timer)

    def _keep(self, partial: PartialRun) -> None:
        """Write new predictions to checkpoints; if the disk is full, only warn the user."""
        if not self.resumes:
            return
        try:
            partial.keep()
        except BenchmarkError as error:
            model = partial.job.run.model
            self.notice(f"{model}: its predictions so far cannot be kept: {error}")

    def _stored(self, partial: PartialRun) -> Stored | Failed[Job]:
        """Store a run after its executor has finished it."""
        job, n = partial.job, len(partial)
        if not partial.is_complete or n != len(self.images):
            return Failed(job, f"{n} predictions for {len(self.images)} pictures", "")
        top = partial.top
        made = provenance(partial, self.images, self.executor_of(job), self.arguments)
        everything, few = partial.probabilities, partial.restricted
        try:
            self.store.write(
                job.run, self.images, top, made, probabilities=everything, restricted=few
            )
        except BenchmarkError as error:
            self._keep(partial)
            return Failed(job, str(error), "")
        self._checkpoints(job).discard()
        return Stored(job, top, partial.conditions.seconds)

    def _checkpoints(self, job: Job) -> Checkpoints:
        return Checkpoints(self.store.unfinished(job.run))


@cache
def _open_sweeps() -> WeakSet[Generator[Event, None, None]]:
    """Sweeps that may not have ended; they are closed at exit, while files can be written."""
    sweeps: WeakSet[Generator[Event, None, None]] = WeakSet()

    def close() -> None:
        for events in list(sweeps):
            with suppress(ValueError):  # another thread runs it
                events.close()

    atexit.register(close)
    return sweeps


@cache
def _claims_of_this_process() -> set[Path]:
    """Folders of the runs that this process has locked; waiting for them would never end."""
    return set()


class _Active:
    """Jobs that an executor works on, each with its partial run and the lock on its run."""

    def __init__(self) -> None:
        self._jobs: dict[Run, tuple[PartialRun, ExitStack]] = {}
        self.others: list[Event] = []
        """Final events of jobs that no executor gets: stored by others, or impossible to lock."""

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def partial_runs(self) -> list[PartialRun]:
        """The partial run of each job that has not ended."""
        return [partial for partial, _ in self._jobs.values()]

    def add(self, partial: PartialRun, claim: ExitStack) -> None:
        """Add a job."""
        self._jobs[partial.job.run] = partial, claim

    def of(self, job: Job) -> PartialRun:
        """The partial run of a job; ValueError if the job is not active."""
        if job.run not in self._jobs:
            raise ValueError(f"an event of {job.run}, which is not active")
        return self._jobs[job.run][0]

    def end(self, job: Job) -> None:
        """Remove a job and release the lock on its run."""
        _, claim = self._jobs.pop(job.run)
        claim.close()

    def close(self) -> None:
        """Release every lock."""
        while self._jobs:
            _, (_, claim) = self._jobs.popitem()
            claim.close()
