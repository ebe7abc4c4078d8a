"""Scenarios: what work is timed, one module each; `Scenario` is the contract of a module."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Protocol

from benchmarking.errors import BenchmarkError
from benchmarking.experiments.speed import Side, Trial
from benchmarking.plugins import discover
from benchmarking.predictions.speed_runs import Measured

Clock = Callable[[], float]
"""Seconds of a clock that never goes back, such as `time.perf_counter`."""


class Scenario(Protocol):
    """Work that sides do and that is timed."""

    @property
    def NAME(self) -> str:
        """Its name in `speed --scenario`."""

    @property
    def HELP(self) -> str:
        """What it times, in one line."""

    def sides(self, chosen: Sequence[Side]) -> Sequence[Side]:
        """The sides that it measures: those of the chosen ones that it can, or its own."""

    def batch_sizes(self, asked: Sequence[int]) -> Sequence[int]:
        """The batch sizes that it measures, of those that were asked for, or its own."""

    def measure(self, trial: Trial, clock: Clock) -> Measured:
        """Do the work in this process, which is fresh, and return its times.

        `timing.timed` does this for work that is repeated.

        Raises:
            BenchmarkError: the side cannot do this work.
            OutOfMemory: there is not enough memory.
        """


def scenarios() -> dict[str, Scenario]:
    """Every scenario, by name."""
    return discover(sys.modules[__name__], Scenario)


def scenario_named(name: str) -> Scenario:
    """The scenario of this name.

    Raises:
        BenchmarkError: there is none.
    """
    known = scenarios()
    if name not in known:
        raise BenchmarkError(f"there is no scenario {name!r}; there are {', '.join(known)}.")
    return known[name]
