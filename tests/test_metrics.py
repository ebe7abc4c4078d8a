import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarking.errors import BenchmarkError
from benchmarking.labels import LabelSet, every_image
from benchmarking.metrics import accuracy
from benchmarking.predictions import top_k


@given(st.integers(1, 30), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_accuracy_is_what_counting_one_by_one_gives(n, k, seed):
    random = np.random.default_rng(seed)
    said = top_k(random.dirichlet(np.ones(8), n).astype(np.float32))
    truth = random.integers(0, 8, n)
    right = sum(true in list(row)[:k] for true, row in zip(truth, said.classes, strict=True))
    assert accuracy(said, every_image(truth), k) == right / n


def test_labels_of_some_rows_score_those_rows_in_their_own_order():
    said = top_k(np.eye(6, dtype=np.float32)[[4, 2, 5]])
    assert accuracy(said, LabelSet(np.array([2, 0]), np.array([5, 4])), k=1) == 1.0
    assert accuracy(said, LabelSet(np.array([0, 2]), np.array([5, 4])), k=1) == 0.0


def test_each_row_needs_one_label():
    with pytest.raises(BenchmarkError, match="2 labels for 3 rows"):
        LabelSet(np.arange(3), np.arange(2))
