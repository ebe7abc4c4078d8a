"""Estimates from samples: against textbook formulas, other libraries and repeated draws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarking.pictures.design import Design
from benchmarking.scoring.estimates import (
    Estimate,
    estimated_difference,
    estimated_share,
    stratified_difference,
    stratified_share,
)


@pytest.fixture(scope="module")
def population():
    """Strata of 3,000 pictures and which of them two models get right, much alike."""
    rng = np.random.default_rng(0)
    strata = np.repeat([0, 1, 2], [1800, 800, 400])
    chance = np.array([0.99, 0.6, 0.1])[strata]
    first = rng.random(3000) < chance
    second = np.where(rng.random(3000) < 0.8, first, rng.random(3000) < chance)
    return strata, first, second


def drawn_from(strata, drawn, rng):
    return np.concatenate(
        [
            rng.choice(np.flatnonzero(strata == stratum), n, replace=False)
            for stratum, n in enumerate(drawn)
        ]
    )


def design_of(strata, rows):
    return Design("all", 0, "test", tuple(np.bincount(strata).tolist()), tuple(strata[rows]))


def test_a_share_is_the_mean_of_pictures_weighted_by_one_over_their_inclusion(population):
    strata, first, _ = population
    rows = drawn_from(strata, (40, 50, 10), np.random.default_rng(1))
    design = design_of(strata, rows)
    horvitz_thompson = (first[rows] / design.inclusion).sum() / design.of
    assert estimated_share(first[rows], design).value == pytest.approx(horvitz_thompson)


def test_the_interval_is_that_of_statsmodels_if_there_is_one_stratum_of_very_many_pictures():
    from statsmodels.stats.proportion import proportion_confint

    found = stratified_share([3], [40], [10**12])
    assert (found.low, found.high) == pytest.approx(
        proportion_confint(3, 40, method="wilson"), abs=1e-9
    )


def test_the_standard_error_is_that_of_a_textbook_where_half_a_picture_is_nothing():
    """Sum of W^2 (1 - f) s^2 / n, with the variances of NumPy, for large samples."""
    rng, sizes, drawn = np.random.default_rng(7), (90_000, 40_000), (20_000, 30_000)
    hits = [rng.random(n) < share for n, share in zip(drawn, (0.9, 0.4), strict=True)]
    parts = [
        (size / 130_000) ** 2 * (1 - n / size) * one.var(ddof=1) / n
        for size, n, one in zip(sizes, drawn, hits, strict=True)
    ]
    found = stratified_share([one.sum() for one in hits], drawn, sizes)
    assert found.half == pytest.approx(1.959964 * np.sqrt(sum(parts)), rel=1e-4)


def test_all_pictures_leave_nothing_unknown():
    found = stratified_share([3, 90], [10, 100], [10, 100])
    assert (found.low, found.value, found.high) == (93 / 110, 93 / 110, 93 / 110)


def test_a_sample_without_an_error_has_an_interval_nevertheless():
    found = stratified_share([20, 100], [20, 100], [1000, 1000])
    assert found.value == found.high == 1
    assert 0.97 < found.low < 0.98


def test_an_interval_contains_only_what_the_sample_leaves_possible():
    found = stratified_share([0, 5], [5, 5], [6, 6])
    assert found.low >= 5 / 12
    assert found.high <= 7 / 12


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 60)), min_size=1, max_size=5))
def test_ends_of_an_interval_are_shares_around_the_estimate(parts):
    drawn = [n for n, _ in parts]
    right = [min(n, extra) for n, extra in parts]
    sizes = [n + extra for n, extra in parts]
    found = stratified_share(right, drawn, sizes)
    assert 0 <= found.low <= found.value + 1e-12
    assert found.value - 1e-12 <= found.high <= 1


def test_as_many_intervals_as_promised_contain_the_true_share(population):
    strata, first, _ = population
    rng, drawn = np.random.default_rng(2), (30, 40, 20)
    found = []
    for _ in range(2000):
        rows = drawn_from(strata, drawn, rng)
        found.append(estimated_share(first[rows], design_of(strata, rows)))
    assert np.mean([one.value for one in found]) == pytest.approx(first.mean(), abs=0.003)
    covered = [one.low <= first.mean() <= one.high for one in found]
    assert 0.94 < np.mean(covered) < 0.985


@pytest.mark.parametrize("is_known", [False, True])
def test_as_many_intervals_as_promised_contain_the_true_difference(population, is_known):
    strata, first, second = population
    rng, drawn = np.random.default_rng(3), (300, 200, 100)
    on_all = second.mean() if is_known else None
    true, found = first.mean() - second.mean(), []
    for _ in range(1000):
        rows = drawn_from(strata, drawn, rng)
        design = design_of(strata, rows)
        found.append(estimated_difference(first[rows], second[rows], design, on_all))
    assert np.mean([one.value for one in found]) == pytest.approx(true, abs=0.003)
    covered = [one.low <= true <= one.high for one in found]
    assert 0.935 < np.mean(covered) < 0.99


def test_a_difference_to_a_similar_model_has_a_smaller_interval_than_its_accuracy(population):
    strata, first, second = population
    rows = drawn_from(strata, (150, 150, 60), np.random.default_rng(4))
    design = design_of(strata, rows)
    alone = estimated_share(first[rows], design)
    plain = estimated_difference(first[rows], second[rows], design)
    known = estimated_difference(first[rows], second[rows], design, second.mean())
    assert known.half < plain.half < alone.half


def test_the_regression_is_that_of_least_squares_in_one_stratum():
    """An independent formula: mean(a) - slope (mean(b) - B) - B, with the slope of NumPy."""
    rng = np.random.default_rng(5)
    b = rng.random(4000) < 0.7
    a = np.where(rng.random(4000) < 0.9, b, rng.random(4000) < 0.5)
    cells = [[(a & b).sum(), (a & ~b).sum(), (b & ~a).sum(), (~a & ~b).sum()]]
    slope = np.cov(a, b)[0, 1] / np.var(b, ddof=1)
    expected = a.mean() - slope * (b.mean() - 0.72) - 0.72
    assert stratified_difference(cells, [50_000], 0.72).value == pytest.approx(expected, abs=2e-5)


def test_p_values_are_those_of_scipy():
    from scipy.stats import norm

    for value in (0.001, 0.02, -0.3):
        found = Estimate(value, value - 0.04, value + 0.04)
        expected = 2 * norm.sf(abs(value) / (0.04 / norm.ppf(0.975)))
        assert found.p_value == pytest.approx(expected, rel=1e-9)
    assert (Estimate(0, 0, 0).p_value, Estimate(0.1, 0.1, 0.1).p_value) == (1, 0)


def test_two_runs_with_the_same_answers_differ_by_nothing(population):
    strata, first, _ = population
    rows = drawn_from(strata, (150, 150, 60), np.random.default_rng(6))
    found = estimated_difference(first[rows], first[rows], design_of(strata, rows))
    assert found.value == 0
    assert found.low < 0 < found.high
