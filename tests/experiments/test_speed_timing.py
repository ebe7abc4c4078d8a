from collections.abc import Callable, Iterator

import numpy as np
import pytest

from benchmarking.errors import BenchmarkError
from benchmarking.experiments.speed.timing import Pace, fetched, timed


class FakeClock:
    """A clock that stands still unless somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Later:
    """An output that is computed only when it is read, as on a GPU."""

    def __init__(self, clock: FakeClock, seconds: float) -> None:
        self._work = lambda: clock.sleep(seconds)

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        self._work()
        return np.zeros(1)


def sleeping(clock: FakeClock, times: Iterator[float]) -> Callable[[], np.ndarray]:
    def step() -> np.ndarray:
        clock.sleep(next(times))
        return np.zeros(1)

    return step


def repeated(*first: float, then: float) -> Iterator[float]:
    yield from first
    while True:
        yield then


def test_a_predictor_that_sleeps_10_ms_is_measured_as_10_ms():
    clock = FakeClock()
    random = np.random.default_rng(0)
    noisy = (0.010 * level for level in random.lognormal(0, 0.05, 10_000))
    found = timed(sleeping(clock, noisy), clock, Pace(1.0), pictures=1)
    assert np.median(found.times) == pytest.approx(0.010, rel=0.05)
    assert sum(found.times) == pytest.approx(1.0, rel=0.05)
    assert found.is_steady


def test_a_predictor_that_returns_before_its_work_is_done_cannot_look_fast():
    clock = FakeClock()
    found = timed(lambda: Later(clock, 0.010), clock, Pace(1.0), pictures=1)
    assert found.times == pytest.approx([0.010] * len(found.times))


@pytest.mark.parametrize("packed", [lambda one: [one], lambda one: {"y": one}, lambda one: (one,)])
def test_outputs_within_others_are_fetched_too(packed):
    clock = FakeClock()
    timed(lambda: packed(Later(clock, 0.010)), clock, Pace(0.1), pictures=1)
    assert clock.now > 100.1


def test_the_first_call_and_the_warm_up_are_never_among_the_times():
    clock = FakeClock()
    times = repeated(30.0, 0.5, 0.2, 0.1, then=0.010)
    found = timed(sleeping(clock, times), clock, Pace(1.0), pictures=1)
    assert found.first == pytest.approx(30.0)
    assert found.warm_up[:3] == pytest.approx([0.5, 0.2, 0.1])
    assert set(np.round(found.times, 9)) == {0.010}


def test_a_warm_up_lasts_until_its_calls_are_steady():
    clock = FakeClock()
    times = (0.010 * (1 + 4 * 0.9**n) for n in range(10_000))
    found = timed(sleeping(clock, times), clock, Pace(10.0), pictures=1)
    assert found.is_steady
    assert max(found.times) < 1.06 * min(found.times)


def test_work_that_is_never_steady_is_measured_and_said():
    clock = FakeClock()
    times = (0.010 * 1.2**n for n in range(10_000))
    found = timed(sleeping(clock, times), clock, Pace(1.0), pictures=1)
    assert not found.is_steady
    assert len(found.times) >= 3


def test_slow_calls_are_measured_at_least_three_times():
    clock = FakeClock()
    found = timed(sleeping(clock, repeated(then=60.0)), clock, Pace(1.0), pictures=32)
    assert (len(found.warm_up), len(found.times), found.pictures) == (3, 3, 32)
    assert found.is_steady


def test_slow_calls_that_become_faster_are_not_steady():
    clock = FakeClock()
    found = timed(sleeping(clock, repeated(60, 50, 40, then=30.0)), clock, Pace(1.0), pictures=1)
    assert not found.is_steady


def test_no_time_to_measure_is_refused():
    with pytest.raises(BenchmarkError, match="0 seconds cannot be measured; give more than 0"):
        Pace(0)


def test_a_tensor_with_gradients_is_fetched():
    torch = pytest.importorskip("torch")
    found = fetched(torch.ones(2, requires_grad=True) * 3)
    assert isinstance(found, np.ndarray)
    assert found.tolist() == [3.0, 3.0]
