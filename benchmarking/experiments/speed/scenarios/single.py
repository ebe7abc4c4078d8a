"""One picture at a time: how long until its probabilities are there, and how often is it longer?"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarking.experiments.speed import Side, Trial
from benchmarking.experiments.speed.scenarios import Clock
from benchmarking.experiments.speed.work import prepared, repeated
from benchmarking.predictions.speed_runs import Measured

NAME = "single"
HELP = "latency of one picture, from scaled pixels to probabilities: median, p90, p99"


def sides(chosen: Sequence[Side]) -> Sequence[Side]:
    """All sides."""
    return chosen


def batch_sizes(asked: Sequence[int]) -> Sequence[int]:
    """One picture."""
    return (1,)


def measure(trial: Trial, clock: Clock) -> Measured:
    """Call the model with one picture again and again."""
    found = prepared(trial)
    return repeated(found.ready(trial.side.mode), found, clock)
