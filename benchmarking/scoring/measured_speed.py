"""Measured speed beside accuracy: which stored rounds are those of a table's runs.

Times of different machines, devices or numbers of threads are never in one column. If a store has
several such settings, that with which most of the table's models were measured counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from benchmarking.errors import StoreError
from benchmarking.io.names import UNKNOWN
from benchmarking.predictions.speed_runs import Setting
from benchmarking.predictions.speed_store import Recorded, SpeedStore
from benchmarking.predictions.stores import Stores
from benchmarking.scoring.speed import median_time
from benchmarking.scoring.table import AccuracyTable, Row

LATENCY, THROUGHPUT = "single", "offline"
"""Names of the scenarios that are joined with accuracy."""

_FULL = "float32"
_MOST_MODES = 16  # of a side, so that a strange store makes no strange table


@dataclass(frozen=True)
class MeasuredSpeed:
    """What was measured of the runs of a table.

    Attributes:
        conditions: where and how, in words; "" if nothing was measured.
        values: named values by source and model: latency in ms, pictures per second, memory in MiB.
        latencies: milliseconds per picture by source and model, then by mode.
        problems: why some rounds cannot be read.
    """

    conditions: str = ""
    values: Mapping[tuple[str, str], Mapping[str, float]] = field(default_factory=dict)
    latencies: Mapping[tuple[str, str], Mapping[str, float]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def of(self, row: Row) -> Mapping[str, float]:
        """The values of a row; none for random weights, whose runs were not compared."""
        return {} if row.provenance.is_random else self.values.get(_key(row), {})


def measured_speed(stores: Stores, rows: Sequence[Row]) -> MeasuredSpeed:
    """What the stores have measured of the models of some rows, with published weights."""
    wanted = {(*_key(row), _precision(row)) for row in rows}
    problems: list[str] = []
    by_place: dict[tuple[str, str, int, str], list[Recorded]] = defaultdict(list)
    for one in _recorded(stores, problems.append):
        series, setting = one.series, one.setting
        fits = (series.source, series.model, setting.precision) in wanted
        if fits and setting.weights == "published" and not series.replica and one.rounds:
            by_place[_place(setting)].append(one)
    if not by_place:
        return MeasuredSpeed(problems=tuple(problems))
    place = max(by_place, key=lambda one: (_models(by_place[one]), str(one)))
    values: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    latencies: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for one in _newest(by_place[place]):
        key = one.series.source, one.series.model
        values[key] |= _named(one)
        if one.series.scenario == LATENCY and len(latencies[key]) < _MOST_MODES:
            latencies[key][one.series.mode] = 1000 * median_time(one.rounds).value
    machine, device, threads, precision = place
    where = f"{threads} threads, {machine}, device {device}, {precision}"
    return MeasuredSpeed(where, values, latencies, tuple(problems))


def with_speed(table: AccuracyTable, stores: Stores) -> AccuracyTable:
    """A table whose rows have their measured speed, with a note that says where it was measured."""
    found = measured_speed(stores, table.rows)
    notes = [f"warning: {problem}" for problem in found.problems]
    if found.conditions:
        notes.append(f"note: speed was measured with {found.conditions}")
    rows = tuple(replace(row, speed=found.of(row)) for row in table.rows)
    return replace(table, rows=rows, notes=(*table.notes, *notes))


def _named(one: Recorded) -> dict[str, float]:
    """Values of a series; only latency and throughput are comparable between models."""
    series = one.series
    seconds = median_time(one.rounds).value
    if series.scenario == LATENCY:
        memory = max((each.peak_memory or 0 for each in one.rounds), default=0)
        found = {f"Latency {series.mode} [ms]": 1000 * seconds}
        return found | ({f"Memory {series.mode} [MiB]": memory / 2**20} if memory else {})
    if series.scenario == THROUGHPUT:
        pictures = one.rounds[0].measured.pictures
        return {f"Throughput {series.mode} {series.batch_size} [1/s]": pictures / seconds}
    return {}


def _recorded(stores: Stores, tell: Callable[[str], None]) -> Iterator[Recorded]:
    for store in stores.members.values():
        for one in SpeedStore(store.folder).found():
            if isinstance(one, StoreError):
                tell(str(one))
            else:
                yield one


def _newest(some: Sequence[Recorded]) -> list[Recorded]:
    """The series, the newest rounds last, so that they replace those of older libraries."""
    return sorted(some, key=lambda one: max(each.started for each in one.rounds))


def _models(some: Sequence[Recorded]) -> int:
    return len({(one.series.source, one.series.model) for one in some})


def _precision(row: Row) -> str:
    """The precision of a run; full float32 if it was not recorded, as of those of 2019."""
    known = row.provenance.precision
    return _FULL if known == UNKNOWN else known


def _place(setting: Setting) -> tuple[str, str, int, str]:
    return setting.machine, setting.device, setting.threads, setting.precision


def _key(row: Row) -> tuple[str, str]:
    return row.run.source, row.run.model
