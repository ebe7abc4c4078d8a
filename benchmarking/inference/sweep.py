"""Many jobs over one image set: which have to run, who runs them, and what is stored."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import groupby
from types import ModuleType
from typing import Any

from benchmarking import executors
from benchmarking.answers import Answers
from benchmarking.errors import BenchmarkError, StoreError, WeightsError
from benchmarking.executors import Event as JobEvent
from benchmarking.executors import Failed, Finished, Piece, Quiet
from benchmarking.image_sets import ImageSet
from benchmarking.jobs import Begun, Job, Setting
from benchmarking.plugins import discover
from benchmarking.predict import answer
from benchmarking.predictions import TopK
from benchmarking.provenance import RANDOM, Provenance
from benchmarking.retries import PutAside, Retries
from benchmarking.sources import framework_of, spec_of, weights_path
from benchmarking.specs import Run
from benchmarking.store import PredictionStore
from benchmarking.unfinished import Unfinished
from benchmarking.weights import check


@dataclass(frozen=True, eq=False)
class Started:
    """A job is next; its model is being loaded."""

    job: Job


@dataclass(frozen=True, eq=False)
class Progress:
    """A job has predicted more pictures."""

    job: Job
    pictures: int


@dataclass(frozen=True, eq=False)
class Stored:
    """A job is complete and its predictions are in the store."""

    job: Job
    top: TopK
    seconds: float


Event = Started | Progress | Stored | PutAside | Failed[Job]

PAUSE = 0.5
"""Seconds between two looks at runs that other processes work on."""


def _unheard(notice: str) -> None:
    pass


@dataclass(frozen=True, eq=False)
class Sweep:
    """Where predictions on one image set go, and what is recorded with them.

    Attributes:
        images: the image set; its pictures are those of every job.
        store: receives each run as soon as it is complete.
        clock: tells the time, in UTC.
        arguments: of the command, to be recorded.
        again: whether what is stored complete is computed once more.
        timeout: seconds after which a job that nothing is heard of is given up; None waits.
        notice: is told what a user should know meanwhile, in words.
    """

    images: ImageSet
    store: PredictionStore
    clock: Callable[[], datetime]
    arguments: tuple[str, ...] = ()
    again: bool = True
    timeout: float | None = None
    notice: Callable[[str], None] = _unheard

    def has(self, job: Job) -> bool:
        """Whether the store holds this run, complete and made with the same ingredients.

        Ingredients are weights, recipe and pictures; a file that is damaged is not complete.
        """
        try:
            self.store.check(job.run)
            stored = self.store.provenance(job.run)
        except StoreError:
            return False
        made_with = {
            "weights": stored.weights,
            "preprocessing": stored.preprocessing,
            "images": stored.images,
        }
        sha256 = stored.weights.get("sha256", "")
        enough = job.keep == "top5" or self.store.keeps_all_probabilities(job.run)
        return enough and made_with == self._ingredients(job, sha256) and _has_weights(job, sha256)

    def run(self, jobs: Sequence[Job]) -> Generator[Event, None, None]:
        """Predict and store job after job, those of one executor together.

        Every job ends with `Stored` or `Failed`, but for those that another process has stored
        meanwhile; one that fails does not stop the others. A job whose process died is tried once
        more by itself, and one that ran out of memory with half the batch, as often as there is
        half a batch. What an interrupted job has answered is kept, and gone on with.
        """
        known = discover(executors)
        retries = Retries()
        before = {job.run: self._started(job.run) for job in jobs}
        for name, group in groupby(sorted(jobs, key=_executor), key=_executor):
            yield from self._run_in(known[name], group, retries, before)
            while retries.waiting:
                yield from self._run_in(known[name], [retries.waiting.pop(0)], retries, before)

    def _run_in(
        self, executor: ModuleType, jobs: Iterable[Job], retries: Retries, before: dict[Run, str]
    ) -> Iterator[Event]:
        events: Iterator[JobEvent[Job]] = executor.run(
            answer, self._claimed(jobs, before), self.timeout
        )
        for begun in events:
            yield from self._follow(begun.job, events, retries)

    def _claimed(self, jobs: Iterable[Job], before: dict[Run, str]) -> Iterator[Job]:
        """Jobs one by one, each while no other process works on its run; taken ones last.

        Those that are stored complete are done; where they are to be computed again, those that
        another process has stored since `before`, when each run was begun.
        """
        waiting = deque(jobs)
        taken: set[Run] = set()
        while waiting:
            job = waiting.popleft()
            with ExitStack() as stack:
                if not self.store.claim(job.run, stack):
                    waiting.append(job)
                    if job.run not in taken:
                        self.notice(f"{job.run.model}: another process works on it")
                    elif all(one.run in taken for one in waiting):
                        time.sleep(PAUSE)
                    taken.add(job.run)
                    continue
                stack.callback(self._unfinished(job).tidy)
                is_new = not self.again or self._started(job.run) != before[job.run]
                if is_new and self.has(job):
                    self.notice(f"{job.run.model}: another process has stored it")
                else:
                    yield self._with_what_is_done(job)

    def _started(self, run: Run) -> str:
        """When the stored run was begun; empty if none is stored."""
        try:
            return self.store.provenance(run).started
        except StoreError:
            return ""

    def tidy(self, job: Job) -> None:
        """Remove what a sudden end has left of a run that is complete."""
        if self.store.unfinished(job.run).exists():
            with ExitStack() as stack:
                if self.store.claim(job.run, stack):
                    self._unfinished(job).discard()

    def _with_what_is_done(self, job: Job) -> Job:
        """A job with what an interruption has left of it.

        A run that keeps all probabilities is never replaced by one that does not.
        """
        if self.store.keeps_all_probabilities(job.run):
            job = replace(job, keep="all")
        pieces = self._unfinished(job).pieces(self._made_with(job))
        if not pieces:
            return replace(job, begun=None)
        last = pieces[-1]
        begun = Begun(last.first + len(last.top), last.circumstances.setting)
        return replace(job, begun=begun, incidents=job.incidents or last.circumstances.incidents)

    def _follow(
        self, job: Job, events: Iterator[JobEvent[Job]], retries: Retries
    ) -> Iterator[Event]:
        """Events of one job up to its end, which the executor delivers job after job."""
        answers = Answers(job, self._made_with(job), self._unfinished(job), self.clock)
        yield Started(job)
        try:
            for event in events:
                if isinstance(event, Piece):
                    yield Progress(job, answers.add(event.value))
                    if answers.is_due:
                        self._keep(answers)
                elif isinstance(event, Quiet):
                    yield Progress(job, 0)
                elif isinstance(event, Finished):
                    yield self._store(answers)
                    return
                elif isinstance(event, Failed):
                    self._keep(answers)
                    yield retries.put_aside(event, answers.setting) or event
                    return
        except BaseException:  # such as Ctrl-C
            self._keep(answers)
            raise
        yield Failed(job, "its executor ended before it did", "")

    def _keep(self, answers: Answers) -> None:
        """Put on disk what is done; a full disk costs no more than what could not be put there."""
        try:
            answers.keep()
        except BenchmarkError as error:
            self.notice(f"what is done of {answers.job.run.model} cannot be kept: {error}")

    def _store(self, answers: Answers) -> Stored | Failed[Job]:
        job, setting, n = answers.job, answers.setting, len(answers)
        if setting is None or n != len(self.images):
            return Failed(job, f"{n} answers for {len(self.images)} pictures", "")
        how, top = answers.circumstances, answers.top
        provenance = Provenance(
            **self._ingredients(job, setting.weights_sha256),
            **_environment(setting),
            platform=framework_of(spec_of(job.run.source, job.run.model)).TITLE,
            input_shapes=how.input_shapes,
            executor=_executor(job),
            started=how.started,
            seconds=round(how.seconds, 3),
            arguments=self.arguments,
            incidents=how.incidents,
        )
        try:
            self.store.write(
                job.run, self.images, top, provenance, probabilities=answers.probabilities
            )
        except BenchmarkError as error:
            self._keep(answers)
            return Failed(job, str(error), "")
        self._unfinished(job).discard()
        return Stored(job, top, how.seconds)

    def _unfinished(self, job: Job) -> Unfinished:
        return Unfinished(self.store.unfinished(job.run))

    def _made_with(self, job: Job) -> dict[str, Any]:
        """What a piece of an unfinished run must have been made with; its setting says the rest."""
        return {**self._ingredients(job, ""), "keep": job.keep}

    def _ingredients(self, job: Job, sha256: str) -> dict[str, Any]:
        """What decides the answer, as it looks once stored; sha256 is that of the weights."""
        spec = spec_of(job.run.source, job.run.model)
        ingredients = {
            "weights": _recorded_weights(job, sha256),
            "preprocessing": asdict(spec.recipes[job.run.recipe]),
            "images": {
                "name": self.images.name,
                "n": len(self.images),
                "fingerprint": self.images.fingerprint,
            },
        }
        plain: dict[str, Any] = json.loads(json.dumps(ingredients))
        return plain


def _recorded_weights(job: Job, sha256: str) -> dict[str, Any]:
    if job.seed is not None:
        return {"name": RANDOM, "seed": job.seed}
    weights = spec_of(job.run.source, job.run.model).weights
    return {
        "name": weights.name,
        "file": weights.file,
        "sha256": sha256,
        "published_digest": weights.published_digest,
    }


def _has_weights(job: Job, sha256: str) -> bool:
    """Whether the file of weights is still the one of this digest; random ones always are."""
    if job.seed is not None:
        return True
    spec = spec_of(job.run.source, job.run.model)
    try:
        return check(weights_path(spec, job.weights_folder), spec.weights) == sha256
    except WeightsError:
        return False


def _environment(setting: Setting) -> dict[str, Any]:
    """The setting as provenance has it; the weights are recorded among the ingredients."""
    return {name: value for name, value in asdict(setting).items() if name != "weights_sha256"}


def _executor(job: Job) -> str:
    return str(framework_of(spec_of(job.run.source, job.run.model)).EXECUTOR)
