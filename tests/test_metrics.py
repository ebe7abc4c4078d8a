import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarking.errors import BenchmarkError
from benchmarking.labels import NO_CLASS, LabelSet, every_image
from benchmarking.metrics import accuracy, correct
from benchmarking.predictions import top_k


@given(st.integers(1, 30), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_accuracy_is_what_counting_one_by_one_gives(n, k, seed):
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


def test_of_several_right_classes_any_one_will_do():
    said = top_k(np.eye(6, dtype=np.float32)[[4, 2, 5]]).classes
    right = LabelSet(np.arange(3), np.array([[3, 4], [1, NO_CLASS], [5, NO_CLASS]]))
    assert correct(said, right, k=1).tolist() == [True, False, True]


def test_rows_that_the_predictions_do_not_have_are_refused():
    said = top_k(np.eye(6, dtype=np.float32)[[4, 2, 5]]).classes
    with pytest.raises(BenchmarkError, match="row 3 is not among 3 rows, 0 to 2"):
        correct(said, every_image([1, 2, 3, 4]), k=1)
