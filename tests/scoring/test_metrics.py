import csv
from fractions import Fraction
from math import log

import numpy as np
import pytest
from conftest import DATA
from hypothesis import given
from hypothesis import strategies as st

from benchmarking.errors import BenchmarkError
from benchmarking.labels.label_set import NO_CLASS, LabelSet, every_image
from benchmarking.predictions.top_k import TopK, top_k
from benchmarking.scoring.metrics import (
    accuracy,
    brier_score,
    correct,
    expected_calibration_error,
    negative_log_likelihood,
)

IMAGES = "imagenet-val-2019"
GOLDEN = DATA.parent / "reference" / "golden_2019_predictions.csv"


@given(st.integers(1, 30), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_accuracy_equals_counting_one_by_one(n, k, seed):
    random = np.random.default_rng(seed)
    said = top_k(random.dirichlet(np.ones(8), n).astype(np.float32))
    truth = random.integers(0, 8, n)
    right = sum(true in list(row)[:k] for true, row in zip(truth, said.classes, strict=True))
    assert accuracy(said.classes, every_image(truth), k) == right / n


def test_labels_of_some_rows_score_those_rows_in_their_own_order():
    said = top_k(np.eye(6, dtype=np.float32)[[4, 2, 5]]).classes
    right = LabelSet(np.array([2, 0]), np.array([[5], [4]]))
    assert accuracy(said, right, k=1) == 1.0
    assert accuracy(said, right.relabelled([4, 5]), k=1) == 0.0


def test_any_of_several_right_classes_counts():
    said = top_k(np.eye(6, dtype=np.float32)[[4, 2, 5]]).classes
    right = LabelSet(np.arange(3), np.array([[3, 4], [1, NO_CLASS], [5, NO_CLASS]]))
    assert correct(said, right, k=1).tolist() == [True, False, True]


def test_rows_that_the_predictions_do_not_have_are_refused():
    said = top_k(np.eye(6, dtype=np.float32)[[4, 2, 5]]).classes
    with pytest.raises(BenchmarkError, match="row 3 is not among 3 rows, 0 to 2"):
        correct(said, every_image([1, 2, 3, 4]), k=1)


def guesses(sure, hits):
    """Predictions of class 1 with these probabilities, and labels that give these hits."""
    probabilities = np.array(sure, dtype=np.float32)[:, None]
    return TopK(np.ones((len(sure), 1), int), probabilities), every_image(np.array(hits, int))


def calibration_error_bin_by_bin(sure, hits, bins):
    """Computed with fractions, so that rounding moves no probability across an edge."""
    error = Fraction(0)
    for number in range(bins):
        lower, upper = Fraction(number, bins), Fraction(number + 1, bins)
        lower, upper = lower - (number == 0), upper + (number == bins - 1)
        members = [(p, hit) for p, hit in zip(sure, hits, strict=True) if lower < p <= upper]
        error += abs(sum(hit for _, hit in members) - sum(Fraction(p) for p, _ in members))
    return float(error / len(sure))


edges = st.sampled_from([0.0, 2**-30, 0.125, 0.25, 0.5, 0.75, 1 - 2**-24, 1.0, 1 + 2**-20])
answers = st.lists(st.tuples(st.floats(0, 1, width=32) | edges, st.booleans()), min_size=1)


@given(answers, st.integers(1, 16))
def test_calibration_error_equals_a_computation_bin_by_bin(given_answers, bins):
    sure, hits = zip(*given_answers, strict=True)
    found = expected_calibration_error(*guesses(sure, hits), bins)
    assert found == pytest.approx(calibration_error_bin_by_bin(sure, hits, bins), abs=1e-12)


@pytest.mark.parametrize("bins", [1, 10, 15, 100])
def test_calibration_error_is_that_of_scikit_learns_curve(bins):
    from sklearn.calibration import calibration_curve

    random = np.random.default_rng(bins)
    sure = random.beta(2, 1, 2_000).astype(np.float32)
    hits = random.random(2_000) < sure**1.3
    accurate, probable = calibration_curve(hits, sure.astype(float), n_bins=bins)
    n, _ = np.histogram(sure, bins, (0, 1))
    expected = (n[n > 0] * np.abs(accurate - probable)).sum() / 2_000
    assert expected_calibration_error(*guesses(sure, hits), bins) == pytest.approx(expected)


def test_calibration_error_has_15_bins_unless_told():
    said, right = guesses([0.1, 0.13, 0.14, 0.9], [1, 0, 0, 1])
    assert expected_calibration_error(said, right) == expected_calibration_error(said, right, 15)
    assert expected_calibration_error(said, right) != expected_calibration_error(said, right, 10)


@pytest.mark.parametrize(
    ("neighbour", "together"), [(0.3, True), (0.5, True), (0.51, False), (0.75, False)]
)
def test_a_bin_ends_with_its_upper_edge(neighbour, together):
    # A hit at 0.5 and a miss next to it cancel out only if they are in the same bin.
    apart = (0.5 + neighbour) / 2
    expected = abs(0.5 - neighbour) / 2 if together else apart
    found = expected_calibration_error(*guesses([0.5, neighbour], [1, 0]), bins=4)
    assert found == pytest.approx(expected, abs=1e-7)


def test_a_probability_a_rounding_error_above_an_edge_is_in_the_next_bin():
    above = float(np.float32(1 / 15))
    assert Fraction(above) > Fraction(1, 15)
    found = expected_calibration_error(*guesses([above, 0.05], [1, 0]))
    assert found == pytest.approx((1 - above + 0.05) / 2)


@pytest.mark.parametrize(
    ("sure", "hit", "expected"),
    [(0.0, 0, 0.0), (0.0, 1, 1.0), (1.0, 1, 0.0), (1.0, 0, 1.0), (1 + 2**-20, 1, 2**-20)],
)
def test_probabilities_at_both_ends_have_a_bin(sure, hit, expected):
    assert expected_calibration_error(*guesses([sure], [hit])) == expected


def test_a_sum_slightly_above_1_shares_the_last_bin():
    found = expected_calibration_error(*guesses([1 + 2**-20, 0.96], [0, 1]))
    assert found == pytest.approx(0.48, abs=1e-5)


def test_calibration_error_is_about_the_first_guess():
    said = TopK(np.array([[3, 1], [1, 3]]), np.array([[0.6, 0.4], [0.75, 0.25]], np.float32))
    found = expected_calibration_error(said, every_image([1, 1]))
    assert found == pytest.approx((0.6 + 0.25) / 2)


@given(answers, st.randoms())
def test_calibration_error_of_some_rows_is_that_of_these_rows_alone(given_answers, random):
    sure, hits = zip(*given_answers, strict=True)
    rows = random.sample(range(len(sure)), random.randint(1, len(sure)))
    said, right = guesses(sure, hits)
    expected = calibration_error_bin_by_bin([sure[i] for i in rows], [hits[i] for i in rows], 15)
    found = expected_calibration_error(said, right.only(rows))
    assert found == pytest.approx(expected, abs=1e-12)


def test_calibration_errors_of_2019_are_the_known_ones(imported_2019):
    if not GOLDEN.is_file():
        pytest.skip(f"{GOLDEN} is missing: calibration errors of the 34 models of 2019")
    with GOLDEN.open(encoding="utf-8") as file:
        expected = {line["stored_file"]: line["ece15"] for line in csv.DictReader(file)}
    right = every_image(imported_2019.labels(IMAGES))
    found = {}
    for run in imported_2019.runs(IMAGES):
        error = expected_calibration_error(imported_2019.read(run), right)
        found[f"{run.model}_{run.source.removeprefix('2019-')}"] = f"{100 * error:.1f}"
    assert len(found) == 34
    assert found == expected


measures = pytest.mark.parametrize("measure", [negative_log_likelihood, brier_score])


def some_probabilities(seed, n=50, classes=7):
    """Rows without zeros that sum to exactly one, and true classes that are often likely."""
    random = np.random.default_rng(seed)
    shares = [random.multinomial(2**16 - classes, row) for row in random.dirichlet([0.3] * 7, n)]
    probabilities = ((np.array(shares) + 1) / 2**16).astype(np.float32)
    truth = [random.choice(classes, p=row) for row in probabilities.astype(float)]
    return probabilities, np.array(truth)


@pytest.mark.parametrize("seed", range(5))
def test_negative_log_likelihood_is_scikit_learns_log_loss(seed):
    from sklearn.metrics import log_loss

    probabilities, truth = some_probabilities(seed)
    expected = log_loss(truth, probabilities.astype(float), labels=range(7))
    found = negative_log_likelihood(probabilities, every_image(truth))
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_brier_score_is_scikit_learns_and_the_sum_over_classes(seed):
    from sklearn.metrics import brier_score_loss

    probabilities, truth = some_probabilities(seed)
    expected = brier_score_loss(
        truth, probabilities.astype(float), labels=range(7), scale_by_half=False
    )
    squares = (probabilities.astype(float) - np.eye(7)[truth]) ** 2
    found = brier_score(probabilities, every_image(truth))
    assert found == pytest.approx(expected, rel=1e-12)
    assert found == pytest.approx(squares.sum(axis=1).mean(), rel=1e-12)


@measures
def test_some_rows_score_as_they_do_alone_in_any_order(measure):
    probabilities, truth = some_probabilities(seed=0)
    rows = [41, 3, 17, 0]
    found = measure(probabilities, every_image(truth).only(rows))
    assert found == pytest.approx(measure(probabilities[rows], every_image(truth[rows])))
    assert found != pytest.approx(measure(probabilities, every_image(truth)))


@measures
def test_confident_right_predictions_have_a_score_of_0(measure):
    assert measure(np.eye(3, dtype=np.float32), every_image([0, 1, 2])) == 0


def test_a_probability_of_0_counts_as_the_smallest_float32():
    probabilities = np.eye(2, dtype=np.float32)
    found = negative_log_likelihood(probabilities, every_image([1, 1]))
    assert found == pytest.approx(126 * log(2) / 2, rel=1e-12)


def test_a_confident_wrong_prediction_has_a_brier_score_of_2():
    assert brier_score(np.eye(2, dtype=np.float32), every_image([1, 0])) == 2.0


@measures
def test_several_right_classes_are_refused(measure):
    right = LabelSet(np.arange(2), np.array([[0, 1], [1, NO_CLASS]]))
    with pytest.raises(BenchmarkError, match=r"^NLL and Brier score need one right class per pic"):
        measure(np.eye(2, dtype=np.float32), right)


@measures
@pytest.mark.parametrize("stranger", [3, 999])
def test_a_class_that_the_model_does_not_know_is_refused(measure, stranger):
    message = rf"^class {stranger} is none of the 3 that were kept\.$"
    with pytest.raises(BenchmarkError, match=message):
        measure(np.eye(3, dtype=np.float32), every_image([0, stranger, 2]))
