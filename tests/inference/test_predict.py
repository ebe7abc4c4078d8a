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


def predicted(*outputs, classes=3):
    """Probabilities of a model that gives these outputs, one batch after the other."""
    left = iter(outputs)
    pictures = np.zeros((sum(map(len, outputs)), 4, 4, 3), np.uint8)
    batches = predict(lambda pixels: next(left), pictures, len(outputs[0]), classes)
    return np.concatenate([batch.probabilities for batch in batches])


UNIFORM = np.full((2, 3), 1 / 3, np.float32)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (UNIFORM[:, :2], r"the model has 2 outputs; expected 3, one for each class"),
        (np.full((2, 4), 1 / 4), r"has 4 outputs, one more than .* a background class"),
        (np.zeros((2, 21843)), r"has 21,843 outputs, the classes of .* such as ImageNet-21k"),
        (UNIFORM[..., None], r"gives an output of shape \(2, 3, 1\); expected \(pictures, 3\)"),
        (np.full((2, 3), np.nan), "contains NaN or infinity for 2 of 2 pictures"),
        (np.array([[1, -np.inf, 0], [1, 0, 0]]), "contains NaN or infinity for 1 of 2 pictures"),
        (UNIFORM * 2, "neither probabilities nor logits: values from 0.6667 to 0.6667, and the ro"),
        (UNIFORM * 100, "neither .* rows sum to 100 to 100"),
        (np.array([[0.9, 0.8, 0.1], [0.1, 0.1, 0.1]]), "neither .* rows sum to 0.3 to 1.8"),
        (np.array([[0.9, 0.10001, -1e-5]] * 2), "neither .* values from -1e-05"),
    ],
)
def test_outputs_that_are_neither_logits_nor_probabilities_are_refused(output, message):
    with pytest.raises(BenchmarkError, match=message):
        predicted(output.astype(np.float32))


def test_logits_become_probabilities_by_softmax_and_probabilities_are_kept():
    logits = np.array([[3, -1, -1], [0, 700, 2]], np.float32)
    expected = np.exp(logits.astype(float) - logits.max(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)
    assert np.abs(predicted(logits) - expected).max() < 1e-7
    assert (predicted(UNIFORM) == UNIFORM).all()
    assert (predicted(np.log(UNIFORM)) - UNIFORM < 1e-7).all()


@pytest.mark.parametrize(
    ("later", "message"),
    [
        (np.array([[1.5, 0, -0.5]] * 2), r"no probabilities: .* lie outside \[0, 1\]"),
        (UNIFORM / 2, "sums to one only within 0.5"),
    ],
)
def test_later_outputs_must_be_of_the_kind_of_the_first(later, message):
    with pytest.raises(BenchmarkError, match=message):
        predicted(UNIFORM, later.astype(np.float32))


def test_a_model_that_gives_fewer_outputs_than_pictures_is_refused():
    pictures = np.zeros((2, 4, 4, 3), np.uint8)
    with pytest.raises(BenchmarkError, match="gave 1 outputs for 2 pictures; expected one for eac"):
        list(predict(lambda pixels: UNIFORM[:1], pictures, 2, 3))
