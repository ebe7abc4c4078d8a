"""Measure rounds, each in a fresh process, and store them one by one."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path

from benchmarking.errors import BenchmarkError
from benchmarking.experiments.speed import Options, Side, Trial, conditions, size, turn
from benchmarking.experiments.speed.accelerator import largest_memory
from benchmarking.experiments.speed.scenarios import scenario_named
from benchmarking.inference.executors import Failed, Output, executors
from benchmarking.io import temporary
from benchmarking.models.frameworks import NO_GPU
from benchmarking.models.sources import framework_of, precisions_of
from benchmarking.predictions.provenance import RANDOM
from benchmarking.predictions.speed_runs import Round, Series, Setting
from benchmarking.predictions.speed_store import SpeedStore


@dataclass(frozen=True)
class Stored:
    """A round was measured and stored, or was stored before."""

    trial: Trial
    round: Round


@dataclass(frozen=True)
class Waiting:
    """A round runs."""

    trial: Trial


@dataclass(frozen=True)
class NotMeasured:
    """A round failed; the other rounds of its series are left out.

    Attributes:
        trial: the round.
        reason: why, in a line or two.
        details: output of its process.
    """

    trial: Trial
    reason: str
    details: str


@dataclass(frozen=True)
class Occupied:
    """Another process measures speed on this machine; the round waits until it ends."""

    trial: Trial


Event = Stored | Waiting | Occupied | NotMeasured


def setting_of(side: Side, options: Options) -> Setting:
    """What all rounds of a side have in common, known before it is loaded.

    Raises:
        BenchmarkError: its framework does not exist.
    """
    device = {None: "automatic", NO_GPU: "cpu"}.get(options.gpu, f"gpu {options.gpu}")
    is_random = options.seed is not None or bool(side.network)
    return Setting(
        machine=conditions.machine(),
        device=device,
        threads=options.threads,
        precision=options.precision or precisions_of(side.spec)[0],
        weights=RANDOM if is_random else "published",
        versions=conditions.versions(side.spec, side.mode),
    )


def measured(todo: Sequence[Trial], store: SpeedStore) -> Generator[Event, None, None]:
    """Measure all rounds that are not stored yet; an interruption loses only the one that runs.

    Afterwards, models are counted that were not yet. Before all this, the store is checked, and it
    waits until no other process of this user measures on this machine.

    Raises:
        BenchmarkError: the store cannot be read or written.
    """
    failed: set[Series] = set()
    is_ours = False
    if missing := _missing(todo, store):
        store.admit(missing)
    with _folder() as cache, ExitStack() as stack:
        for trial in todo:
            series, setting = trial.series, setting_of(trial.side, trial.options)
            known = store.read(series, setting).round(trial.number)
            if known is None and not is_ours:
                yield from (Occupied(trial) for _ in turn.waited(stack))
                is_ours = True
                known = store.read(series, setting).round(trial.number)  # the other may have it now
            if known is not None:
                yield Stored(trial, known)
            elif series not in failed:
                for event in _one(_with_cache(trial, cache)):
                    if isinstance(event, Stored):
                        store.add(series, setting, event.round)
                    elif isinstance(event, NotMeasured):
                        failed.add(series)
                    yield event
        for trial in size.to_count([one for one in todo if one.series not in failed], store):
            if not is_ours:
                yield from (Occupied(trial) for _ in turn.waited(stack))
                is_ours = True
            yield from _counted(trial, store)


def _missing(todo: Sequence[Trial], store: SpeedStore) -> list[tuple[Series, Setting]]:
    """Series and setting of each round that is not stored yet."""
    places = ((trial, (trial.series, setting_of(trial.side, trial.options))) for trial in todo)
    return [place for trial, place in places if not store.read(*place).round(trial.number)]


def _counted(trial: Trial, store: SpeedStore) -> Iterator[Waiting]:
    """Store the counts of a model; without them, its times are shown all the same."""
    with closing(executors()["fresh-process"].run(size.counted, [trial], None)) as events:  # type: ignore[type-var]
        for event in events:
            if isinstance(event, Output):
                store.add_counts(trial.side.spec.full_name, event.value)
            elif not isinstance(event, Failed):
                yield Waiting(trial)


def measure(trial: Trial) -> Iterator[Round]:
    """Measure one round in this process, which must be a fresh one.

    Raises:
        BenchmarkError: the side cannot do this work.
        OutOfMemory: there is not enough memory.
    """
    cache = trial.options.compiler_cache
    had_compiled = cache is not None and cache.exists()
    chosen = conditions.restrict(trial.options.threads, cache)
    before, load = conditions.megahertz(), conditions.load_average()
    started = datetime.now(UTC).isoformat(timespec="seconds")
    found = scenario_named(trial.scenario).measure(trial, time.perf_counter)
    check_losses(found.losses)
    device = found.facts.get("device", "cpu")
    modules = framework_of(trial.side.spec).MODULES
    told = conditions.conditions_of(
        chosen, before, load, found.facts.get("layout", "unknown"), device
    )
    compiled = {conditions.COMPILED: conditions.CACHED if had_compiled else conditions.FRESH}
    yield Round(
        number=trial.number,
        place=trial.place,
        started=started,
        measured=found,
        peak_memory=conditions.peak_memory(),
        device_memory=None if device == "cpu" else largest_memory(modules, trial.options.gpu),
        conditions=replace(told, others={**told.others, **compiled}),
    )


def check_losses(losses: Sequence[float]) -> None:
    """Check that training did not diverge: times of other numbers than usual are of no use.

    Raises:
        BenchmarkError: a loss is infinite or not a number.
    """
    if not all(map(isfinite, losses)):
        told = ", ".join(f"{loss:g}" for loss in losses)
        raise BenchmarkError(
            f"its first losses are {told}; try another precision or other weights."
        )


@contextmanager
def _folder() -> Iterator[Path]:
    temporary.remove_left_over()
    try:
        with temporary.folder() as found:
            yield found
    except OSError as error:
        raise BenchmarkError(
            f"no temporary folder can be used: {error.strerror}; set TMPDIR to another."
        ) from error


def _with_cache(trial: Trial, cache: Path) -> Trial:
    """The round with a folder for compiled code that only rounds of its side have used."""
    options, one = trial.options, replace(trial.series, replica=0)
    if options.compiler_cache is None:
        digest = hashlib.sha256(repr(one).encode()).hexdigest()[:16]
        options = replace(options, compiler_cache=cache / digest)
    return replace(trial, options=options)


def _one(trial: Trial) -> Generator[Event, None, None]:
    with closing(executors()["fresh-process"].run(measure, [trial], None)) as events:  # type: ignore[type-var]
        for event in events:
            if isinstance(event, Failed):
                yield NotMeasured(trial, event.reason, event.details)
            elif isinstance(event, Output):
                yield Stored(trial, _round(event.value))
            else:
                yield Waiting(trial)


def _round(value: object) -> Round:
    if not isinstance(value, Round):
        raise BenchmarkError(f"a scenario gave {value!r:.60}, no round.")
    return value
