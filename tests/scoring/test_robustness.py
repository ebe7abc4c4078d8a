"""Scores of robustness equal those by hand and of independent libraries."""

import numpy as np
import pytest

from benchmarking.errors import BenchmarkError
from benchmarking.pictures.sets.imagenet_c import CORRUPTIONS
from benchmarking.scoring.robustness import (
    ALEXNET_ERRORS,
    average_precision,
    corruption_errors,
    effective_robustness,
    gap,
    mean_corruption_error,
    mean_error,
)

RANDOM = np.random.default_rng(0)


def test_the_mce_counts_the_15_corruptions_of_the_four_official_archives():
    official = [name for group, names in CORRUPTIONS.items() if group != "extra" for name in names]
    assert list(ALEXNET_ERRORS) == official


def test_the_mce_is_the_mean_of_errors_relative_to_alexnet_by_hand():
    alexnet = {name: [error] * 5 for name, error in ALEXNET_ERRORS.items()}
    assert mean_corruption_error(alexnet) == pytest.approx(1)
    halved = {
        name: [error * share for share in (0.3, 0.4, 0.5, 0.6, 0.7)]
        for name, error in ALEXNET_ERRORS.items()
    }
    assert mean_corruption_error(halved) == pytest.approx(0.5)
    worse = {**halved, "fog": [0.8] * 5}
    assert corruption_errors(worse)["fog"] == pytest.approx(0.8 / 0.819324)
    assert mean_corruption_error(worse) == pytest.approx((14 * 0.5 + 0.8 / 0.819324) / 15)
    assert mean_error({"fog": [0.1] * 5, "snow": [0.3] * 5}) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("errors", "message"),
    [
        ({name: [0.5] * 5 for name in ALEXNET_ERRORS if name != "snow"}, "snow missing"),
        ({**{name: [0.5] * 5 for name in ALEXNET_ERRORS}, "fog": [0.5] * 4}, "fog has 4 sev"),
        ({name: [0.5] * 5 for name in (*ALEXNET_ERRORS, "spatter")}, "'spatter' is none of"),
    ],
)
def test_an_incomplete_mce_is_refused(errors, message):
    with pytest.raises(BenchmarkError, match=message):
        mean_corruption_error(errors)


def test_the_aupr_is_that_of_scikit_learn_with_ties():
    from sklearn.metrics import average_precision_score

    for n in (5, 50, 500) * 50:
        scores = RANDOM.choice([0.1, 0.5, RANDOM.random(), RANDOM.random()], n)
        positive = RANDOM.random(n) < 0.3
        positive[0] = True
        expected = average_precision_score(positive, scores)
        assert average_precision(scores, positive) == pytest.approx(expected, abs=1e-12)
    with pytest.raises(BenchmarkError, match="positive cases"):
        average_precision(np.zeros(3), np.zeros(3, bool))


def test_the_interval_of_a_gap_is_newcombes_as_statsmodels_has_it():
    from statsmodels.stats.proportion import confint_proportions_2indep

    for first, second in (
        ((38_065, 50_000), (6_319, 10_000)),
        ((9, 10), (3, 20)),
        ((5, 5), (0, 7)),
    ):
        low, high = confint_proportions_2indep(*first, *second, method="newcomb")
        found = gap(first, second)
        assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)
        assert found.difference == first[0] / first[1] - second[0] / second[1]


def test_effective_robustness_is_the_distance_from_scipys_line_through_the_logits():
    from scipy.special import expit, logit
    from scipy.stats import linregress

    usual, shifted = RANDOM.uniform(0.5, 0.9, 30), RANDOM.uniform(0.1, 0.7, 30)
    line = linregress(logit(usual), logit(shifted))
    expected = shifted - expit(line.intercept + line.slope * logit(usual))
    assert effective_robustness(usual, shifted) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("usual", "message"),
    [([0.5, 0.6], "at least 3 models"), ([0.5] * 3, "there are 1"), ([0.5, 0.6, 1.0], "between 0")],
)
def test_a_line_through_too_little_is_refused(usual, message):
    with pytest.raises(BenchmarkError, match=message):
        effective_robustness(np.array(usual), np.full(len(usual), 0.3))
