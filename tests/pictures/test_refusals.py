"""The check before a sweep refuses exactly the pictures that cannot be cropped."""

from __future__ import annotations

import numpy as np
import pytest
from compared_models import MODELS
from odd_pictures import encoded, noise, odd_pictures

from benchmarking.errors import PictureError
from benchmarking.pictures import jpeg_markers
from benchmarking.pictures.crop import crop, refusals
from benchmarking.pictures.decode import inspect, read_to_end
from benchmarking.pictures.decoded import Decoded
from benchmarking.pictures.recipe import SCALINGS, Preprocessing

TORCH = SCALINGS["torch"]

EVERY_RECIPE = [
    *sorted({recipe for spec in MODELS for recipe in spec.recipes.values()}, key=str),
    *(  # recipes that a user can define, but no source publishes
        Preprocessing(library, "bicubic", resize, crop, TORCH, first=first)
        for library in ("pillow", "pillow-draft", "opencv")
        for resize, crop, first in ((8, 6, "resize"), (300, 400, "resize"), (256, 224, "crop"))
    ),
    Preprocessing("pillow-draft", "area", (30, 40), 20, TORCH),
    Preprocessing("opencv", "lanczos", (40, 30), 50, TORCH),
]
ODD = odd_pictures()


def refusal(data: bytes, recipe: Preprocessing) -> str:
    """The error of a crop; "" if it succeeds."""
    try:
        made = crop(data, recipe)
    except PictureError as error:
        return str(error)
    assert (made.shape, made.dtype) == ((recipe.crop, recipe.crop, 3), np.uint8)
    return ""


def refused(data: bytes, *recipes: Preprocessing) -> dict[Preprocessing, str]:
    return {recipe: str(error) for recipe, error in refusals(Decoded(data), recipes).items()}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.filterwarnings("ignore:Palette images with Transparency:UserWarning")
@pytest.mark.parametrize("kind", ODD)
def test_the_check_refuses_a_picture_for_exactly_the_recipes_that_cannot_crop_it(kind):
    data = ODD[kind]
    expected = {recipe: why for recipe in EVERY_RECIPE if (why := refusal(data, recipe))}
    assert refused(data, *EVERY_RECIPE) == expected
    for recipe in EVERY_RECIPE:  # alone, without the result of another library
        assert refused(data, recipe).get(recipe) == expected.get(recipe)


PILLOW = Preprocessing("pillow", "bilinear", 256, 224, TORCH)
STRETCHED = Preprocessing("pillow", "nearest", (224, 224), 224, TORCH)
OPENCV = Preprocessing("opencv", "bicubic", 256, 224, TORCH)


@pytest.mark.parametrize(
    ("kind", "refusing"),
    [
        ("7 x 7 JPEG", []),
        ("1 x 1 JPEG", []),
        ("8 MB after the end", []),
        ("80 scans", []),
        ("500 scans", [PILLOW, STRETCHED, OPENCV]),
        ("1 x 5000 JPEG", [PILLOW, OPENCV]),
        ("5000 x 2 PNG", [PILLOW, OPENCV]),
        ("float TIFF", [OPENCV]),
        ("32-bit TIFF", [OPENCV]),
        ("16-bit PNG", []),
        ("float PPM", [OPENCV]),
        ("plain PPM", [OPENCV]),
        ("raw PPM", []),
        ("without an end", [PILLOW, STRETCHED, OPENCV]),
    ],
)
def test_the_recipes_that_refuse_a_picture(kind, refusing):
    assert list(refused(ODD[kind], PILLOW, STRETCHED, OPENCV)) == refusing


def test_opencv_does_not_decode_a_jpeg_that_pillow_has_read(monkeypatch):
    def decoded(self: Decoded) -> np.ndarray:
        raise AssertionError("decoded")

    monkeypatch.setattr(Decoded, "by_opencv", decoded)
    assert not refused(ODD["progressive"], PILLOW, OPENCV)
    for other in ("raw PPM", "alpha"):
        with pytest.raises(AssertionError, match="decoded"):
            refused(ODD[other], PILLOW, OPENCV)


def test_an_arithmetic_jpeg_is_not_huffman_coded():
    assert jpeg_markers.is_huffman_coded(ODD["baseline"])
    arithmetic = ODD["baseline"].replace(b"\xff\xc0", b"\xff\xc9", 1)
    assert not jpeg_markers.is_huffman_coded(arithmetic)


def test_markers_in_a_thumbnail_or_after_the_end_are_ignored():
    thumbnail = b"\xff\xd8\xff\xda\x00\x02\xff\xd9"
    start, rest = ODD["baseline"][:2], ODD["baseline"][2:]
    data = start + b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail + rest
    assert list(jpeg_markers._markers(data)).count(0xDA) == 1
    assert jpeg_markers.is_ended(data + b"\xff\xda")
    assert not jpeg_markers.is_ended(data[:-2])
    assert inspect(ODD["8 MB after the end"]).ended


def test_too_many_markers_count_as_too_many_scans():
    assert jpeg_markers.has_more_scans(ODD["many markers"], 100)


def test_the_check_returns_the_size_of_the_picture_not_of_the_reduced_one():
    assert read_to_end(encoded(noise(301, 417), "JPEG")) == (301, 417)


def test_a_header_that_ends_with_the_file_is_endless_if_it_is_long():
    assert jpeg_markers.has_endless_header(jpeg_markers.START + bytes(2**17))
    assert not jpeg_markers.has_endless_header(jpeg_markers.START + bytes(2**7))


HEADERS = {
    "padding": b"\xff" * 2**17,
    "zeros": b"\xff\x00" * 2**16,
    "comments": b"\xff\xfe\x00\x02" * 20_000,
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_a_header_that_takes_long_to_read_is_refused(header):
    """Pillow reads markers and padding in Python, before it knows anything of the picture."""
    data = encoded(noise(30, 40), "JPEG")
    longer = data[:2] + header + data[2:]
    for recipe, error in refusals(Decoded(longer), EVERY_RECIPE).items():
        assert "before its first scan" in str(error)
        assert refusal(longer, recipe) == str(error)
    assert len(refusals(Decoded(longer), EVERY_RECIPE)) == len(EVERY_RECIPE)
    usual = data[:2] + header[:400] + data[2:]
    assert not jpeg_markers.has_endless_header(usual)
    assert not jpeg_markers.has_endless_header(data)
