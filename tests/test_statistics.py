import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, rankdata

from benchmarking.statistics import competition_ranks, wilson_interval

outcomes = st.integers(1, 60_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(outcomes, st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_interval_is_scipys(outcome, confidence):
    right, n = outcome
    expected = binomtest(right, n).proportion_ci(confidence, method="wilson")
    assert wilson_interval(right, n, confidence) == pytest.approx(tuple(expected), abs=1e-12)


@pytest.mark.parametrize(
    ("percent", "n", "expected"),
    [
        (76.13, 50_000, (75.75, 76.50)),
        (63.19, 10_000, (62.24, 64.13)),
        (5.0, 7_500, (4.53, 5.52)),
    ],
)
def test_wilson_interval_of_known_accuracies(percent, n, expected):
    low, high = wilson_interval(round(percent * n / 100), n)
    assert (round(100 * low, 2), round(100 * high, 2)) == expected


@given(st.lists(st.integers(0, 5), min_size=1))
def test_ranks_are_scipys_competition_ranks(scores):
    assert competition_ranks(scores) == rankdata([-s for s in scores], method="min").tolist()
