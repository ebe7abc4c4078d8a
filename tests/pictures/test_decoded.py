"""Recipes share the pixels of a decoded picture, and make the crops that they make alone."""

import io

import cv2
import numpy as np
import pytest
from odd_pictures import encoded, noise, odd_pictures
from PIL import Image

from benchmarking.errors import PictureError
from benchmarking.labels.imagenet import wnids
from benchmarking.pictures.crop import cropped, refusals
from benchmarking.pictures.decoded import Decoded
from benchmarking.pictures.kept_crops import keep_crops
from benchmarking.pictures.reading import read_images
from benchmarking.pictures.recipe import SCALINGS, Preprocessing
from benchmarking.pictures.sets import open_pictures

TORCH = SCALINGS["torch"]
SIZES = ((256, 224), (341, 299), (378, 331))
OPENCV = [Preprocessing("opencv", "bicubic", *size, TORCH) for size in SIZES]
PILLOW = [Preprocessing("pillow", "bilinear", *size, TORCH) for size in SIZES]
MIXED = [
    Preprocessing("pillow-draft", "area", 60, 50, TORCH),
    PILLOW[0],
    OPENCV[0],
    Preprocessing("pillow-draft", "bilinear", 256, 224, TORCH),
    Preprocessing("pillow", "bicubic", 256, 224, TORCH, first="crop"),
    Preprocessing("opencv", "area", 256, 224, TORCH, first="crop"),
    OPENCV[1],
    PILLOW[2],
]
ODD = odd_pictures()


def outcome(picture: Decoded, recipe: Preprocessing) -> bytes | str:
    """A crop, or why there is none."""
    try:
        return cropped(picture, recipe).tobytes()
    except PictureError as error:
        return str(error)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.filterwarnings("ignore:Palette images with Transparency:UserWarning")
@pytest.mark.parametrize("kind", ODD)
def test_recipes_that_share_a_picture_make_the_crops_that_they_make_alone(kind):
    alone = [outcome(Decoded(ODD[kind]), recipe) for recipe in MIXED]
    shared = Decoded(ODD[kind])
    assert [outcome(shared, recipe) for recipe in MIXED] == alone
    assert {str(error) for error in refusals(shared, MIXED).values()} == {
        one for one in alone if isinstance(one, str)
    }


def test_shared_crops_are_those_of_the_libraries():
    """An independent implementation: Pillow and OpenCV used plainly, for each size by itself."""
    data = encoded(noise(500, 400), "JPEG")
    shared = Decoded(data)
    for (resize, crop), pillow, opencv in zip(SIZES, PILLOW, OPENCV, strict=True):
        height = resize * 500 // 400
        top, left = round((height - crop) / 2), round((resize - crop) / 2)
        box = (left, top, left + crop, top + crop)
        with Image.open(io.BytesIO(data)) as file:
            resized = file.resize((resize, height), Image.Resampling.BILINEAR)
        assert (cropped(shared, pillow) == np.asarray(resized.crop(box))).all()
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        resized = cv2.resize(picture, (resize, height), interpolation=cv2.INTER_CUBIC)
        expected = resized[top : top + crop, left : left + crop, ::-1]
        assert (cropped(shared, opencv) == expected).all()


def test_each_library_decodes_a_picture_once(decodes):
    shared = Decoded(encoded(noise(400, 500), "JPEG"))
    for recipe in (*OPENCV, *PILLOW, MIXED[3]):
        cropped(shared, recipe)
    assert decodes == {"pillow": 1, "opencv": 1}
    assert not refusals(shared, [*OPENCV, *PILLOW])
    assert decodes == {"pillow": 1, "opencv": 1}


def test_a_decoder_that_shrinks_decodes_a_large_picture_apart(decodes):
    shared = Decoded(encoded(noise(400, 480), "JPEG"))
    smaller = Preprocessing("pillow-draft", "bilinear", 60, 50, TORCH)
    other = Preprocessing("pillow-draft", "bilinear", 99, 50, TORCH)
    recipes = (smaller, PILLOW[0], other, smaller)
    found = [outcome(shared, recipe) for recipe in recipes]
    assert decodes == {"pillow": 2}
    assert found == [outcome(Decoded(shared.data), recipe) for recipe in recipes]


def test_a_sweep_of_three_sizes_and_two_libraries_reads_and_decodes_each_picture_once(
    tmp_path, decodes, read
):
    folder = tmp_path / "pictures" / wnids()[0]
    folder.mkdir(parents=True)
    for number in range(4):
        (folder / f"{number}.jpg").write_bytes(encoded(noise(300, 400 + number), "JPEG"))
    contents = open_pictures(str(folder.parent))
    kept = keep_crops(tmp_path, "mine", 4, [*OPENCV, *PILLOW], 2**30)
    images = read_images("mine", contents, "stop", 2, recipes=[*OPENCV, *PILLOW], kept=kept)
    assert [one.publish(images, None) for one in kept] == [True] * 6
    assert decodes == {"pillow": 4, "opencv": 4}
    assert list(read.values()) == [1] * 4
