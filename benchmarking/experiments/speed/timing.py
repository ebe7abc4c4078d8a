"""Timing of repeated calls: the first one apart, a warm-up until they are steady, then the times.

The clock is a parameter, so that tests need no fast machine. It stops only when the output of a
call is in the memory of this process: a framework that returns before its work is done gains
nothing. Where a framework has events on its device, further calls are timed by these, too, so that
the calls that are compared are the same in every framework.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import numpy as np

from benchmarking.errors import BenchmarkError
from benchmarking.experiments.speed.accelerator import DeviceClock
from benchmarking.experiments.speed.scenarios import Clock
from benchmarking.predictions.speed_runs import Measured

Step = Callable[[], object]
"""One call of the work; it returns the output, which may still be computed when it returns."""

DEVICE_CALLS = 10
"""Further calls that are timed on the device, where that is possible."""


@dataclass(frozen=True)
class Pace:
    """How long calls are repeated.

    Attributes:
        seconds: time of the calls that count; the warm-up takes at most as long.
        window: calls whose median is compared with that of the calls before them.
        tolerance: share by which these two medians may differ when calls are steady.
        fewest: calls that count at least, whatever they take.

    Raises:
        BenchmarkError: the seconds are not above zero.
    """

    seconds: float
    window: int = 5
    tolerance: float = 0.05
    fewest: int = 3

    def __post_init__(self) -> None:
        if not 0 < self.seconds < float("inf"):
            raise BenchmarkError(f"{self.seconds:g} seconds cannot be measured; give more than 0.")


def timed(
    step: Step, clock: Clock, pace: Pace, pictures: int, device: DeviceClock | None = None
) -> Measured:
    """Call a step until its times are steady, then until the pace's seconds are over.

    Args:
        step: the work; its output is fetched before the clock stops.
        clock: the clock.
        pace: how long calls are repeated.
        pictures: pictures per call.
        device: times further calls on the device; None if that is not possible.
    """
    first = _time(step, clock)
    with _without_garbage_collection():
        warm_up, is_steady = _warm_up(step, clock, pace)
        times = tuple(_times(step, clock, pace))
        on_device = tuple(device(step) for _ in range(DEVICE_CALLS)) if device else ()
    return Measured(first, warm_up, times, is_steady, pictures, device_times=on_device)


def fetched(output: object) -> object:
    """An output in the memory of this process, complete: arrays, or a mapping or list of them."""
    if isinstance(output, Mapping):
        return {name: fetched(value) for name, value in output.items()}
    if isinstance(output, tuple | list):
        return [fetched(value) for value in output]
    tensor: Any = output
    if hasattr(tensor, "detach"):  # a tensor of PyTorch, perhaps on a GPU or with gradients
        return tensor.detach().cpu().numpy()
    return np.asarray(tensor)


def _time(step: Step, clock: Clock) -> float:
    start = clock()
    fetched(step())
    return clock() - start


def _times(step: Step, clock: Clock, pace: Pace) -> Iterator[float]:
    end, n = clock() + pace.seconds, 0
    while n < pace.fewest or clock() < end:
        yield _time(step, clock)
        n += 1


def _warm_up(step: Step, clock: Clock, pace: Pace) -> tuple[tuple[float, ...], bool]:
    """Times of calls until they are steady or the time is over, and whether they are steady."""
    end, times = clock() + pace.seconds, list[float]()
    while True:
        times.append(_time(step, clock))
        if is_steady(times, pace):
            return tuple(times), True
        if clock() >= end and len(times) >= pace.fewest:  # slow calls are few
            fewer = replace(pace, window=min(pace.window, len(times) // 2))
            return tuple(times), is_steady(times, fewer)


def is_steady(times: list[float], pace: Pace) -> bool:
    """Whether the last calls took as long as those before them."""
    n = pace.window
    if len(times) < 2 * n:
        return False
    before, last = median(times[-2 * n : -n]), median(times[-n:])
    return abs(last - before) <= pace.tolerance * before


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Python's collector paused, as `timeit` does, so that it hits no call by chance."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
