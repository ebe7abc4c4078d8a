"""Accuracy against measured latency, with the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from benchmarking.errors import BenchmarkError
from benchmarking.reports.figures import Content
from benchmarking.reports.figures._front import against_cost
from benchmarking.reports.figures._subject import Subject, the_only
from benchmarking.scoring.measured_speed import measured_speed
from benchmarking.scoring.table import Row

NAME = "latency"
TITLE = "Accuracy against measured latency"


def content(subjects: Sequence[Subject]) -> Content:
    """Accuracy against milliseconds per picture, each model in its fastest measured mode.

    Raises:
        BenchmarkError: the speed of no run was measured.
    """
    subject = the_only(subjects, NAME)
    found = measured_speed(subject.stores, subject.rows)
    if not found.latencies:
        raise BenchmarkError(
            "the latency of no run was measured in this store; measure some with "
            "'imagenet-benchmark speed --scenario single'."
        )

    def fastest(row: Row) -> float | None:
        times = found.latencies.get((row.run.source, row.run.model), {})
        return None if row.provenance.is_random else min(times.values(), default=None)

    shown = against_cost(
        *(subjects, NAME, "milliseconds for one picture, fastest measured mode", "latencies"),
        cost=fastest,
    )
    where = f"Measured with {found.conditions}."
    return replace(shown, notes=(where, *shown.notes))
