import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmarking.errors import BenchmarkError
from benchmarking.predictions.top_k import TopK, best_first, join, top_k, top_k_among

# Few distinct values, so that ties are common.
distributions = st.integers(1, 6).flatmap(
    lambda n: arrays(np.float32, (n, 7), elements=st.sampled_from([0.0, 0.125, 0.25, 0.5, 1.0]))
)


@given(distributions, st.integers(1, 7))
def test_top_k_is_what_sorting_pairs_gives(probabilities, k):
    said = top_k(probabilities, k)
    for row, classes in zip(probabilities, said.classes, strict=True):
        best_first = sorted(range(7), key=lambda c: (-row[c], c))
        assert classes.tolist() == best_first[:k]


@given(distributions)
def test_joining_the_top_of_parts_is_the_top_of_the_whole(probabilities):
    whole = top_k(probabilities, 3)
    parts = join([top_k(probabilities[i : i + 2], 3) for i in range(0, len(probabilities), 2)])
    assert (parts.classes == whole.classes).all()
    assert (parts.probabilities == whole.probabilities).all()


@given(distributions, st.randoms())
def test_guesses_in_any_order_are_sorted_and_ties_keep_their_order(probabilities, random):
    classes = np.array([random.sample(range(60_000), 7) for _ in probabilities])
    said = best_first(classes, probabilities)
    order = np.argsort(-probabilities, axis=1, kind="stable")
    assert (said.classes == np.take_along_axis(classes, order, axis=1)).all()
    assert (said.probabilities == np.take_along_axis(probabilities, order, axis=1)).all()


def test_a_negative_zero_is_a_zero():
    said = best_first(np.array([[7, 3, 5]]), np.array([[-0.0, 0.0, 0.5]], np.float32))
    assert said.classes.tolist() == [[5, 7, 3]]


@pytest.mark.parametrize(
    ("classes", "probabilities", "message"),
    [
        ([[1, 2]], [[0.2, 0.4]], "not sorted, best first"),
        ([[1, 1]], [[0.4, 0.4]], "name a class twice"),
        ([[3, 1, 3]], [[0.4, 0.3, 0.2]], "name a class twice"),
        ([[3, 1, 2, 4, 3]], [[0.5, 0.4, 0.3, 0.2, 0.1]], "name a class twice"),
        ([[1, 2]], [[np.nan, 0.4]], "1 of 1 pictures contain NaN"),
        ([[1, 2], [1, 2]], [[0.5, 0.4], [1.5, 0.4]], r"1 of 2 pictures lie outside \[0, 1\]"),
        ([[1, 2]], [[0.5]], "must be two arrays of the same shape"),
    ],
)
def test_wrong_predictions_are_refused_by_name(classes, probabilities, message):
    with pytest.raises(BenchmarkError, match=message):
        TopK(np.array(classes), np.array(probabilities, dtype=np.float32))


def test_top_k_refuses_nan_and_names_the_first_row():
    probabilities = np.full((4, 10), 0.1, np.float32)
    probabilities[2:, 3] = np.nan
    with pytest.raises(BenchmarkError, match=r"2 of 4 pictures contain NaN.*first is row 2"):
        top_k(probabilities)


def test_the_best_of_few_classes_are_those_of_sorting_and_scipy_in_1000_random_cases():
    """Logits differ by up to 400, so that float32 probabilities of most classes would be 0."""
    from scipy.special import softmax

    random = np.random.default_rng(0)
    for _ in range(1000):
        n, many = random.integers(1, 4), random.integers(6, 30)
        scale = random.choice([0.5, 5.0, 200.0])
        logits = random.normal(0, scale, (n, many)).astype(np.float32)
        logits[:, random.integers(0, many)] = logits[:, 0]  # a tie
        classes = np.sort(random.choice(many, random.integers(1, many + 1), replace=False)).tolist()
        found = top_k_among(logits, classes)
        k = min(5, len(classes))
        for row, said, sure in zip(logits, found.classes, found.probabilities, strict=True):
            expected = sorted(classes, key=lambda one, row=row: (-row[one], one))[:k]
            assert said.tolist() == expected
            shares = dict(zip(classes, softmax(row[classes].astype(np.float64)), strict=True))
            np.testing.assert_allclose(sure, [shares[one] for one in expected], 1e-5, 1e-38)


def test_the_order_of_classes_whose_probabilities_are_zero_is_refused_not_invented():
    with np.errstate(divide="ignore"):
        logits = np.log(
            np.array([[1.0, 0, 0, 0, 0, 0], [0.5, 0.1, 0.1, 0.1, 0.1, 0.1]], np.float32)
        )
    with pytest.raises(BenchmarkError, match="best 5 of 5 classes are unknown for 1 of 2 pictures"):
        top_k_among(logits, [1, 2, 3, 4, 5])


def test_a_model_with_fewer_classes_than_the_image_set_is_refused():
    with pytest.raises(BenchmarkError, match="the model has 3 classes, but .* has class 7"):
        top_k_among(np.zeros((1, 3), np.float32), [0, 7])
