from collections.abc import Sequence

import numpy as np
import pytest

from benchmarking.errors import BenchmarkError
from benchmarking.predictions.speed_runs import Answers, Conditions, Measured, Round
from benchmarking.scoring.speed import (
    agreement,
    differs,
    median_time,
    noise,
    percentile,
    ratio,
)

CONDITIONS = Conditions(1, (0,), "1", "on", "NHWC", "glibc", "unknown", (), 0.0)


def round_of(number: int, times: Sequence[float], first: float = 9.0) -> Round:
    measured = Measured(first, (8.0,), tuple(times), True, 1)
    return Round(number, number, "2026-01-01T00:00:00", measured, None, None, CONDITIONS)


def rounds_of(*times: float) -> list[Round]:
    """Rounds whose calls all took the same time."""
    return [round_of(number, [time] * 5) for number, time in enumerate(times, 1)]


def noisy_pair(
    random: np.random.Generator, slower: float = 1.0, n: int = 8
) -> tuple[list[Round], list[Round]]:
    """Two sides on a machine that drifts, whose rounds differ, and which is disturbed at times."""
    drift = np.cumsum(random.normal(0, 0.01, 2 * n))
    disturbed = (random.random(2 * n) < 0.1) * random.exponential(0.2, 2 * n)
    levels = np.exp(drift + random.normal(0, 0.03, 2 * n) + disturbed).reshape(n, 2)
    levels[1::2] = levels[1::2, ::-1]  # A/B, then B/A
    calls = random.lognormal(0, 0.1, (2, n, 20)) * 0.01
    one, other = (
        [round_of(number, calls[side, number - 1] * level * factor) for number, level in some]
        for side, factor, some in (
            (0, 1.0, list(enumerate(levels[:, 0], 1))),
            (1, slower, list(enumerate(levels[:, 1], 1))),
        )
    )
    return one, other


def test_the_median_of_a_side_is_that_of_its_rounds_medians_and_no_first_call_counts():
    found = median_time([round_of(1, [1, 2, 30]), round_of(2, [4, 4, 4]), round_of(3, [3, 3, 3])])
    assert (found.value, found.low, found.high, found.rounds) == (3.0, 2.0, 4.0, 3)


def test_one_round_has_no_interval():
    found = median_time(rounds_of(2.0))
    assert (found.value, found.low, found.high, found.is_certain) == (2.0, 2.0, 2.0, False)


def test_an_interval_needs_six_rounds_to_be_certain():
    assert not median_time(rounds_of(*range(1, 6))).is_certain
    assert median_time(rounds_of(*range(1, 7))).is_certain


def test_a_round_without_a_timed_call_is_refused():
    with pytest.raises(BenchmarkError, match="round 1 has no timed call; measure it again"):
        median_time([round_of(1, [])])


def test_a_percentile_needs_ten_calls_beyond_it():
    rounds = [round_of(1, range(1, 51)), round_of(2, range(51, 101))]
    assert percentile(rounds, 0.9) == np.quantile(np.arange(1, 101), 0.9)
    assert percentile(rounds, 0.99) is None


def test_the_same_side_against_itself_covers_one_in_95_of_100_noisy_runs():
    random = np.random.default_rng(1)
    found = [ratio(*noisy_pair(random)) for _ in range(100)]
    assert sum(one.low <= 1 <= one.high for one in found) >= 95


def test_a_side_that_is_slower_by_half_is_found_slower_in_noisy_runs():
    random = np.random.default_rng(2)
    found = [ratio(*reversed(noisy_pair(random, slower=1.5))) for _ in range(20)]
    assert all(one.low > 1 for one in found)
    assert sum(one.low <= 1.5 <= one.high for one in found) >= 18


def test_swapped_sides_have_the_reciprocal_ratio_and_interval():
    one, other = noisy_pair(np.random.default_rng(3), slower=1.2)
    forward, backward = ratio(one, other), ratio(other, one)
    assert backward.value == pytest.approx(1 / forward.value)
    assert backward.low == pytest.approx(1 / forward.high, rel=0.02)
    assert backward.high == pytest.approx(1 / forward.low, rel=0.02)


def test_a_ratio_pairs_rounds_by_number_so_that_drift_cancels():
    drift = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
    found = ratio(rounds_of(*(3 * level for level in drift)), rounds_of(*drift)[::-1])
    assert (found.value, found.low, found.high) == pytest.approx((3.0, 3.0, 3.0))


def test_a_ratio_of_sides_without_a_common_round_is_refused():
    with pytest.raises(BenchmarkError, match="no round in common"):
        ratio([round_of(1, [1])], [round_of(2, [1])])


def test_a_ratio_within_the_noise_of_the_machine_is_no_difference():
    null = ratio(rounds_of(1.1, 1, 1, 1, 1, 1), rounds_of(1, 1, 1, 1, 1.05, 1))
    small, large = (ratio(rounds_of(*[level] * 6), rounds_of(*[1.0] * 6)) for level in (1.02, 1.3))
    assert noise(null) == pytest.approx(0.1)
    assert (differs(small, None), differs(small, null), differs(large, null)) == (True, False, True)


def answers(classes: Sequence[int], probabilities: Sequence[float], name: str = "a") -> Answers:
    return Answers((name,), (tuple(classes),), (tuple(probabilities),))


SAID = answers([1, 2, 3, 4, 5], [0.5, 0.2, 0.1, 0.05, 0.04])


def test_sides_agree_if_they_have_the_same_five_classes_and_nearly_their_probabilities():
    near = answers([1, 2, 3, 4, 5], [0.500009, 0.2, 0.1, 0.05, 0.04])
    far = answers([1, 2, 3, 4, 5], [0.50002, 0.2, 0.1, 0.05, 0.04])
    swapped = answers([1, 2, 3, 5, 4], [0.5, 0.2, 0.1, 0.05, 0.04])
    assert agreement(SAID, near, "float32").holds
    assert not agreement(SAID, far, "float32").holds
    assert agreement(SAID, far, "tf32").holds
    assert not agreement(SAID, swapped, "float32").holds
    assert agreement(SAID, swapped, "bf16").holds


def test_a_class_that_one_side_lacks_counts_as_a_difference():
    other = answers([1, 9, 3, 4, 5], [0.5, 0.2, 0.1, 0.05, 0.04])
    found = agreement(SAID, other, "bf16")
    assert found.difference == pytest.approx(0.16)
    assert not found.holds
    assert str(found) == (
        "top-5 the same on 0 of 1 pictures, max |difference| 1.6e-01 (allowed 5e-02)"
    )


def test_answers_to_other_pictures_do_not_compare():
    with pytest.raises(BenchmarkError, match="answered different pictures"):
        agreement(SAID, answers([1, 2, 3, 4, 5], [0.2] * 5, name="b"), "float32")


def test_no_answers_do_not_agree():
    assert not agreement(Answers((), (), ()), Answers((), (), ()), "float32").holds
