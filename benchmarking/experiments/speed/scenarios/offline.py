"""Pictures in batches: how many per second, if all are there from the beginning?"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarking.experiments.speed import Side, Trial
from benchmarking.experiments.speed.scenarios import Clock
from benchmarking.experiments.speed.work import prepared, repeated
from benchmarking.predictions.speed_runs import Measured

NAME = "offline"
HELP = "throughput in batches, from scaled pixels to probabilities: pictures per second"


def sides(chosen: Sequence[Side]) -> Sequence[Side]:
    """All sides."""
    return chosen


def batch_sizes(asked: Sequence[int]) -> Sequence[int]:
    """All that were asked for."""
    return asked


def measure(trial: Trial, clock: Clock) -> Measured:
    """Call the model with the same batch again and again."""
    found = prepared(trial)
    return repeated(found.ready(trial.side.mode), found, clock)
