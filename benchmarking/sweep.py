"""Many jobs over one image set: which have to run, who runs them, and what is stored."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import groupby
from types import ModuleType
from typing import Any

import numpy as np

from benchmarking import executors
from benchmarking.errors import BenchmarkError, StoreError, WeightsError
from benchmarking.executors import Event as JobEvent
from benchmarking.executors import Failed, Piece
from benchmarking.image_sets import ImageSet
from benchmarking.plugins import discover
from benchmarking.predict import Batch, Job, Setting, answer
from benchmarking.predictions import TopK, join, top_k
from benchmarking.provenance import RANDOM, Provenance
from benchmarking.sources import framework_of, spec_of, weights_path
from benchmarking.specs import Probabilities
from benchmarking.store import PredictionStore
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


Event = Started | Progress | Stored | Failed[Job]


class TopFive:
    """Keeps the five most probable classes of every picture."""

    def __init__(self) -> None:
        self._batches: list[TopK] = []

    def add(self, probabilities: Probabilities) -> None:
        """Take the next batch, (n, classes)."""
        self._batches.append(top_k(probabilities, k=5))

    def result(self) -> TopK:
        """All batches so far, at least one."""
        return join(self._batches)


class AllProbabilities:
    """Keeps every probability."""

    def __init__(self) -> None:
        self._batches: list[Probabilities] = []

    def add(self, probabilities: Probabilities) -> None:
        """Take the next batch, (n, classes)."""
        self._batches.append(probabilities)

    def result(self) -> Probabilities:
        """All batches so far, at least one, as (n, classes)."""
        return np.concatenate(self._batches)


@dataclass(frozen=True, eq=False)
class Sweep:
    """Where predictions on one image set go, and what is recorded with them.

    Attributes:
        images: the image set; its pictures are those of every job.
        store: receives each run as soon as it is complete.
        clock: tells the time, in UTC.
        arguments: of the command, to be recorded.
    """

    images: ImageSet
    store: PredictionStore
    clock: Callable[[], datetime]
    arguments: tuple[str, ...] = ()

    def has(self, job: Job) -> bool:
        """Whether the store holds this run, complete and made with the same ingredients.

        Ingredients are weights, recipe and pictures; a file that cannot be read is not complete.
        """
        try:
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

    def run(self, jobs: Sequence[Job]) -> Iterator[Event]:
        """Predict and store job after job, those of one executor together.

        Every job ends with `Stored` or `Failed`; one that fails does not stop the others.
        """
        known = discover(executors)
        kept = [self._at_least_as_rich(job) for job in jobs]
        for name, group in groupby(sorted(kept, key=_executor), key=_executor):
            yield from self._run_in(known[name], list(group))

    def _at_least_as_rich(self, job: Job) -> Job:
        """A run that keeps all probabilities is never replaced by one that does not."""
        return replace(job, keep="all") if self.store.keeps_all_probabilities(job.run) else job

    def _run_in(self, executor: ModuleType, jobs: Sequence[Job]) -> Iterator[Event]:
        events: Iterator[JobEvent[Job]] = executor.run(answer, jobs)
        for job in jobs:
            yield Started(job)
            yield from self._follow(job, events)

    def _follow(self, job: Job, events: Iterator[JobEvent[Job]]) -> Iterator[Event]:
        """Events of one job up to its end, which the executor delivers job after job."""
        answers = _Answers(job, self.clock())
        for event in events:
            if isinstance(event, Piece):
                yield Progress(job, answers.add(event.value))
            elif isinstance(event, Failed):
                yield event
                return
            else:
                yield self._store(answers)
                return
        yield Failed(job, "its executor ended before it did", "")

    def _store(self, answers: _Answers) -> Stored | Failed[Job]:
        job, setting, n = answers.job, answers.setting, answers.pictures
        if setting is None or n != len(self.images):
            return Failed(job, f"{n} answers for {len(self.images)} pictures", "")
        seconds = (self.clock() - answers.started).total_seconds()
        top = answers.top.result()
        provenance = Provenance(
            **self._ingredients(job, setting.weights_sha256),
            **_environment(setting),
            platform=framework_of(spec_of(job.run.source, job.run.model)).TITLE,
            input_shapes=tuple(answers.input_shapes),
            executor=_executor(job),
            started=answers.started.isoformat(timespec="seconds"),
            seconds=round(seconds, 3),
            arguments=self.arguments,
        )
        probabilities = answers.everything.result() if answers.everything else None
        try:
            self.store.write(job.run, self.images, top, provenance, probabilities=probabilities)
        except BenchmarkError as error:
            return Failed(job, str(error), "")
        return Stored(job, top, seconds)

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


class _Answers:
    """What has come back of one job so far."""

    def __init__(self, job: Job, started: datetime) -> None:
        self.job = job
        self.started = started
        self.setting: Setting | None = None
        self.input_shapes: list[tuple[int, ...]] = []
        self.top = TopFive()
        self.everything = AllProbabilities() if job.keep == "all" else None
        self.pictures = 0

    def add(self, piece: Setting | Batch) -> int:
        """Take the next piece and return how many pictures it answers."""
        if isinstance(piece, Setting):
            self.setting = piece
            return 0
        if piece.first != self.pictures:
            raise ValueError(f"batch of row {piece.first} where row {self.pictures} is due")
        if piece.input_shape not in self.input_shapes:
            self.input_shapes.append(piece.input_shape)
        self.top.add(piece.probabilities)
        if self.everything:
            self.everything.add(piece.probabilities)
        self.pictures += len(piece.probabilities)
        return len(piece.probabilities)


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
    environment = asdict(setting)
    del environment["weights_sha256"]
    return environment


def _executor(job: Job) -> str:
    executor: str = framework_of(spec_of(job.run.source, job.run.model)).EXECUTOR
    return executor
