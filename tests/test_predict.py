from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchmarking.errors import BenchmarkError, PictureError
from benchmarking.image_sets import Picture
from benchmarking.predict import crops, predict
from benchmarking.specs import Preprocessing

RECIPE = Preprocessing("pillow", "nearest", resize=10, crop=8, scaling="tf")


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


def pictures_of(folder: Path, n: int) -> list[Picture]:
    found = []
    for number in range(n):
        path = folder / f"{number}.png"
        Image.fromarray(np.full((10, 10, 3), number, np.uint8)).save(path)
        found.append(Picture(path.name, 0, path))
    return found


@pytest.mark.parametrize("workers", [1, 3])
def test_crops_come_in_the_order_of_the_pictures(tmp_path, workers):
    found = [int(crop[0, 0, 0]) for crop in crops(pictures_of(tmp_path, 200), RECIPE, workers)]
    assert found == list(range(200))


def test_a_broken_picture_is_named_in_its_place(tmp_path):
    pictures = pictures_of(tmp_path, 9)
    pictures[5].path.write_bytes(b"broken")
    stream = crops(pictures, RECIPE, workers=2)
    assert [int(next(stream)[0, 0, 0]) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(PictureError, match=r"5.png in .* is in no format that Pillow knows"):
        next(stream)


def test_a_picture_that_vanishes_is_named(tmp_path):
    (picture,) = pictures_of(tmp_path, 1)
    picture.path.unlink()
    with pytest.raises(PictureError, match=r"0.png cannot be read: No such file"):
        next(crops([picture], RECIPE, workers=1))
