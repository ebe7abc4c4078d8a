import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarking.errors import BenchmarkError
from benchmarking.inference.predict import predict


def brightest_channel(pixels):
    bright = pixels.mean(axis=(1, 2), dtype=np.float32) + 1
    return bright / bright.sum(axis=1, keepdims=True)


@given(n=st.integers(1, 40), batch_size=st.integers(1, 50))
def test_batch_size_never_changes_the_answer(n, batch_size):
    pictures = np.random.default_rng(n).integers(0, 256, (n, 4, 4, 3), dtype=np.uint8)
    batches = list(predict(brightest_channel, pictures, batch_size, classes=3))
    together = np.concatenate([batch.probabilities for batch in batches])
    assert (together == brightest_channel(pictures)).all()
    sizes = [batch.input_shape[0] for batch in batches]
    assert sizes == [batch_size] * (n // batch_size) + [n % batch_size] * (n % batch_size > 0)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (np.ones((2, 4), np.float32) / 4, r"has shape \(2, 4\); expected \(2, 3\)"),
        (np.full((2, 3), np.nan, np.float32), "contain NaN or infinity"),
        (np.full((2, 3), 0.2, np.float32), "sums to one only within 0.4"),
        (np.array([[3, -1, -1]] * 2, np.float32), r"lie outside \[0, 1\]"),
    ],
)
def test_output_that_is_no_distribution_is_an_error(output, message):
    pictures = np.zeros((2, 4, 4, 3), np.uint8)
    with pytest.raises(BenchmarkError, match=message):
        list(predict(lambda pixels: output, pictures, 2, classes=3))
