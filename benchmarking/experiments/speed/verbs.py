"""The verb of this experiment: measure, and tell what is known."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarking.errors import BenchmarkError, StoreError
from benchmarking.experiments.speed import Options, Trial, tables
from benchmarking.experiments.speed.conditions import check_threads
from benchmarking.experiments.speed.results import Summary, summary
from benchmarking.experiments.speed.rounds import (
    Event,
    NotMeasured,
    Occupied,
    Stored,
    measured,
    setting_of,
)
from benchmarking.experiments.speed.schedule import Comparison, comparisons, sides_of, trials
from benchmarking.experiments.speed.timing import Pace
from benchmarking.inference.plan import RANDOM_SEED
from benchmarking.io.prefetch import cores
from benchmarking.io.progress import bar, notice
from benchmarking.io.user_folders import expanded
from benchmarking.models.available import available
from benchmarking.models.backends import KERAS, TENSORFLOW, on_backend
from benchmarking.models.spec import ModelSpec
from benchmarking.pictures.image_set import spread
from benchmarking.pictures.sets import open_pictures
from benchmarking.predictions.provenance import RANDOM
from benchmarking.predictions.remote_store import RemoteStore, store_at
from benchmarking.predictions.speed_runs import Series
from benchmarking.predictions.speed_store import SpeedStore
from benchmarking.predictions.store import Store

PICTURES = 20
"""Real pictures that every side answers."""

START = 12.0
"""Seconds, about, that a round takes besides its calls: import, weights, first call, answers."""

OCCUPIED = (
    "another process measures speed on this machine; this one begins when that has ended "
    "(Ctrl-C stops)"
)


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        scenarios: names of scenarios.
        modes: names of modes, see MODES.
        backends: backends of Keras on which models of Keras run.
        batch_sizes: pictures per call; scenarios with one picture ignore them.
        rounds: number of fresh processes for each side; six give a 95 % interval.
        seconds: time of the timed calls of each round; the warm-up takes at most as long.
        threads: cores and threads; None for all cores that this process may use.
        precision: precision of the forward pass; None for each framework's default.
        gpu: number of the GPU; None for the first one, else the CPU; -1 for the CPU.
        weights: "published" or "random".
        weights_folder: folder with the files of weights; None for that of each framework.
        pictures: place or name of real pictures.

    Raises:
        BenchmarkError: a number makes no sense, or a list of names is a text.
    """

    scenarios: Sequence[str] = ("single",)
    modes: Sequence[str] = ("eager", "compiled")
    backends: Sequence[str] = (TENSORFLOW,)
    batch_sizes: Sequence[int] = (32,)
    rounds: int = 8
    seconds: float = 10.0
    threads: int | None = None
    precision: str | None = None
    gpu: int | None = None
    weights: str = "published"
    weights_folder: Path | None = None
    pictures: str = "demo"

    def __post_init__(self) -> None:
        Pace(self.seconds)
        for name in ("scenarios", "modes", "backends", "batch_sizes"):
            if isinstance(value := getattr(self, name), str | int):
                raise BenchmarkError(f"{name} is {value!r}; give a list, such as [{value!r}].")
        for size in self.batch_sizes:
            if size < 1:
                raise BenchmarkError(f"batch size {size} has no picture; give 1 or more.")
        if self.rounds < 1:
            raise BenchmarkError(f"{self.rounds} rounds measure nothing; give 1 or more, best 8.")
        if self.weights not in ("published", RANDOM):
            raise BenchmarkError(f"weights {self.weights!r} are neither published nor random.")


@dataclass(frozen=True)
class Plan:
    """What is to be measured.

    Attributes:
        todo: the comparisons.
        rounds: number of rounds of each side.
        options: what all sides share.
        store: where rounds are stored.
        obstacles: the reason why each other model cannot run, by its full name.
    """

    todo: tuple[Comparison, ...]
    rounds: int
    options: Options
    store: SpeedStore
    obstacles: Mapping[str, BenchmarkError] = field(default_factory=dict)

    @property
    def trials(self) -> list[Trial]:
        """Every round, in order."""
        return trials(self.todo, self.rounds, self.options)

    def missing(self) -> list[Trial]:
        """The rounds that are not stored yet, in order.

        Raises:
            StoreError: a file of rounds is broken.
        """
        known: dict[Series, set[int]] = {}
        for one in self.trials:
            if one.series not in known:
                found = self.store.read(one.series, setting_of(one.side, one.options))
                known[one.series] = {each.number for each in found.rounds}
        return [one for one in self.trials if one.number not in known[one.series]]

    def events(self) -> Generator[Event, None, None]:
        """Measure all rounds that are not stored yet."""
        return measured(self.trials, self.store)

    def summaries(self) -> list[Summary]:
        """What is known now; comparisons without any round are left out."""
        found = [summary(one, self.options, self.store, self.rounds) for one in self.todo]
        return [one for one in found if one.lines]


@dataclass(frozen=True)
class Speed:
    """What was measured.

    Attributes:
        summaries: the comparisons.
        failures: the rounds that could not be measured.
    """

    summaries: tuple[Summary, ...]
    failures: tuple[NotMeasured, ...] = ()

    def __str__(self) -> str:
        return tables.text(self.summaries)

    def records(self) -> list[Mapping[str, object]]:
        """All values of each side by name, for pandas.DataFrame(speed.records())."""
        return [record for one in self.summaries for record in tables.records(one)]


def plan(
    models: Sequence[str],
    store: Store | str | Path,
    request: Request,
    tell: Callable[[str], None] = notice,
) -> Plan:
    """Decide what is measured, before anything is.

    Args:
        models: as for `predict`; each runs in every mode that its framework has.
        store: the store whose folder gets the rounds.
        request: what is asked for.
        tell: called with messages.

    Raises:
        BenchmarkError: a name is unknown, no model can run, or there are too few cores.
    """
    target = _target(store)
    threads = cores() if request.threads is None else request.threads
    check_threads(threads)
    seed = RANDOM_SEED if request.weights == RANDOM else None
    folder = None if request.weights_folder is None else expanded(request.weights_folder)
    found = available(
        models, "published", weights_folder=folder, needs_weights=seed is None, tell=tell
    )
    sides = sides_of(_on_backends(found.specs, request.backends), request.modes)
    todo = comparisons(request.scenarios, sides, request.batch_sizes, random=seed is not None)
    options = Options(
        spread(open_pictures(request.pictures).pictures, PICTURES),
        *(threads, request.seconds, request.precision, request.gpu, seed, folder),
    )
    return Plan(tuple(todo), request.rounds, options, target, found.obstacles)


def _target(store: Store | str | Path) -> SpeedStore:
    """Where rounds are stored; StoreError if it is an address, which gets whole runs only."""
    found = store_at(store)
    if isinstance(found, RemoteStore):
        raise StoreError(
            f"{found.place} is an address, and speed is measured into a folder; name one with "
            "--store. Its folder 'speed' can be copied to the address."
        )
    return SpeedStore(found.folder)


def speed(models: str | Sequence[str], store: Store | str | Path, **options: Any) -> Speed:
    """Measure the speed of models with a bar, and store the raw times of each round.

    Rounds that are stored already are not measured again.

    Args:
        models: a name or wildcard, or several.
        store: the store whose folder gets the rounds.
        options: fields of `Request`, by name.

    Raises:
        BenchmarkError: a name is unknown, a model cannot run, or the store cannot be written.
    """
    if unknown := sorted(options.keys() - Request.__dataclass_fields__.keys()):
        known = ", ".join(Request.__dataclass_fields__)
        raise BenchmarkError(f"there is no option {unknown[0]!r}; there are {known}.")
    todo = plan([models] if isinstance(models, str) else models, store, Request(**options))
    for model, obstacle in todo.obstacles.items():
        raise BenchmarkError(f"{model}: {obstacle}") from obstacle
    failures = tuple(watched(todo))
    return Speed(tuple(todo.summaries()), failures)


def watched(todo: Plan) -> Iterator[NotMeasured]:
    """Measure all rounds that are not stored, with a bar; yield those that failed."""
    missing = {(one.series, one.number) for one in todo.missing()}
    if missing:
        notice(announced(len(missing), len(todo.trials) - len(missing), todo.options.seconds))
    waits = False
    with (
        bar(title="rounds", total=len(missing), unit="round") as progress,
        closing(todo.events()) as events,
    ):
        for event in events:
            trial = event.trial
            if isinstance(event, Occupied) and not waits:
                waits = True
                notice(OCCUPIED)
            progress.set_postfix_str(
                f"{trial.scenario} {trial.series.full_name}, batch {trial.batch_size}",
                refresh=False,
            )
            if isinstance(event, NotMeasured):
                yield event
            ends = isinstance(event, Stored | NotMeasured)
            progress.update(int(ends and (trial.series, trial.number) in missing))


def announced(missing: int, stored: int, seconds: float) -> str:
    """How many rounds are measured, and about how long that takes.

    Args:
        missing: rounds to measure.
        stored: rounds that are stored already.
        seconds: time of the timed calls of a round.
    """
    minutes = missing * (2 * seconds + START) / 60
    known = f"; {stored} more are stored" if stored else ""
    return (
        f"{missing} rounds to measure, each in a new process: about {max(1, round(minutes))} min, "
        f"or more if models are slow or have to be compiled{known}"
    )


def _on_backends(specs: Sequence[ModelSpec], backends: Sequence[str]) -> list[ModelSpec]:
    """The models of Keras on each backend, after all others."""
    others = [spec for spec in specs if spec.framework != KERAS]
    ours = [spec for spec in specs if spec.framework == KERAS]
    return [*others, *(on_backend(spec, name) for name in backends for spec in ours)]
