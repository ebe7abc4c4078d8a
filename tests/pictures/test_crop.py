import io
import math
import re
import struct
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from functools import cache

import cv2
import numpy as np
import pytest
from compared_models import MODELS
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from benchmarking.errors import PictureError
from benchmarking.pictures.crop import crop, crop_corner, library_versions, resized
from benchmarking.pictures.decode import Undecodable, inspect, read_to_end
from benchmarking.pictures.recipe import SCALINGS, Preprocessing

PILLOW, OPENCV = (
    sorted(
        {
            replace(recipe, scaling=SCALINGS["identity"])
            for spec in MODELS
            for recipe in spec.recipes.values()
            if recipe.library == name
        },
        key=str,
    )
    for name in ("pillow", "opencv")
)
"""The distinct crops; the scaling comes later."""
SHORTER_SIDE = [
    next(one for one in recipes if isinstance(one.resize, int) and one.first == "resize")
    for recipes in (PILLOW, OPENCV)
]
"""One of each library that keeps the aspect ratio."""


def torchvision_crop(data: bytes, recipe: Preprocessing) -> np.ndarray:
    """The recipe applied by torchvision, the library that it is published with."""
    from torchvision.transforms import v2

    size = recipe.resize if isinstance(recipe.resize, int) else list(recipe.resize)
    steps = v2.Compose(
        [
            v2.Resize(size, v2.InterpolationMode[recipe.interpolation.upper()]),
            v2.CenterCrop(recipe.crop),
        ]
    )
    return np.asarray(steps(Image.open(io.BytesIO(data)).convert("RGB")))


def encoded(picture: Image.Image, format_: str, **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, format_, **options)
    return file.getvalue()


def noise(height: int, width: int, channels: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (height, width, channels), dtype=np.uint8)


@cache
def every_kind() -> dict[str, bytes]:
    rgb = Image.fromarray(noise(301, 417, 3))
    alpha = Image.fromarray(noise(301, 417, 4))
    rotated = Image.Exif()
    rotated[0x0112] = 6
    sixteen = noise(301, 417, 1)[..., 0].astype(np.uint16) * 257
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    return {
        "rgb": encoded(rgb, "JPEG", quality=90),
        "progressive": encoded(rgb, "JPEG", progressive=True),
        "grayscale": encoded(rgb.convert("L"), "JPEG"),
        "CMYK": encoded(rgb.convert("CMYK"), "JPEG"),
        "rotated by EXIF": encoded(rgb, "JPEG", exif=rotated),
        "with a colour profile": encoded(rgb, "JPEG", icc_profile=profile),
        "palette": encoded(rgb.convert("P"), "PNG"),
        "palette with transparency": encoded(rgb.convert("P"), "PNG", transparency=3),
        "alpha": encoded(alpha, "PNG"),
        "grey with alpha": encoded(alpha.convert("LA"), "PNG"),
        "16 bits": encoded(Image.fromarray(sixteen), "PNG"),
        "one bit": encoded(rgb.convert("1"), "PNG"),
        "PNG under any name": encoded(rgb, "PNG"),
        "lossless WebP": encoded(rgb, "WEBP", lossless=True),
        "GIF": encoded(rgb, "GIF"),
    }


@pytest.mark.parametrize("recipe", PILLOW, ids=str)
@pytest.mark.parametrize("kind", every_kind())
def test_crops_of_every_kind_of_picture_equal_those_of_the_recipes_own_library(kind, recipe):
    data = every_kind()[kind]
    assert (crop(data, recipe) == torchvision_crop(data, recipe)).all()


def opencv_crop(data: bytes, recipe: Preprocessing) -> np.ndarray:
    """The recipes of the published Keras accuracies, written with OpenCV's own calls."""
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    h, w = picture.shape[:2]
    s, c = recipe.resize, recipe.crop
    if recipe.first == "crop":  # with the arithmetic of the authors of EfficientNet
        side = int(np.float32(c / (c + 32)) * np.float32(min(h, w)))
        top, left = ((h - side) + 1) // 2, ((w - side) + 1) // 2
        picture, size = picture[top : top + side, left : left + side], (c, c)
    elif isinstance(s, tuple):
        size = s
    else:
        size = (w * s // min(h, w), h * s // min(h, w))
    if size != picture.shape[1::-1]:
        how = {"bicubic": cv2.INTER_CUBIC, "bilinear": cv2.INTER_LINEAR}[recipe.interpolation]
        picture = cv2.resize(picture, size, interpolation=how)
    h, w = picture.shape[:2]
    top, left = (h - c) // 2, (w - c) // 2
    return cv2.cvtColor(picture[top : top + c, left : left + c], cv2.COLOR_BGR2RGB)


def test_the_recipes_of_keras_crop_first_resize_alone_or_resize_first():
    kinds = [(recipe.first, type(recipe.resize).__name__) for recipe in OPENCV]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        ("crop", "int"): 8,
        ("resize", "int"): 3,
        ("resize", "tuple"): 3,
    }


SHAPES = [(8, 8), (9, 31), (200, 30), (223, 225), (224, 224), (256, 257), (333, 500), (375, 500)]
SHAPES += [(500, 375), (501, 334), (412, 412), (599, 601), (632, 640), (640, 480), (1100, 733)]
SHAPES += [(256, 256), (384, 384), (299, 341), (17, 900), (900, 17)]


@cache
def of_every_shape() -> tuple[bytes, ...]:
    return tuple(
        encoded(Image.fromarray(noise(*shape, 3, seed=n)), "JPEG") for n, shape in enumerate(SHAPES)
    )


@pytest.mark.parametrize("recipe", OPENCV, ids=str)
def test_crops_of_20_shapes_equal_those_of_opencvs_own_calls(recipe):
    assert len(of_every_shape()) == 20
    for data in of_every_shape():
        assert (crop(data, recipe) == opencv_crop(data, recipe)).all()


@pytest.mark.parametrize("recipe", OPENCV, ids=str)
@pytest.mark.parametrize("kind", [kind for kind in every_kind() if kind != "GIF"])
def test_crops_of_opencv_recipes_equal_those_of_opencvs_own_calls(kind, recipe):
    data = every_kind()[kind]
    assert (crop(data, recipe) == opencv_crop(data, recipe)).all()


@settings(deadline=None, max_examples=60)
@given(height=st.integers(8, 600), width=st.integers(8, 600), recipe=st.sampled_from(OPENCV))
def test_opencv_sizes_and_corners_are_floored(height, width, recipe):
    data = encoded(Image.fromarray(noise(height, width, 3, seed=height)), "BMP")
    assert (crop(data, recipe) == opencv_crop(data, recipe)).all()


@settings(deadline=None, max_examples=60)
@given(
    height=st.integers(8, 600),
    width=st.integers(8, 600),
    interpolation=st.sampled_from(["nearest", "bilinear", "bicubic"]),
    sizes=st.sampled_from([(256, 224), (17, 16), (16, 16), (31, 12), (30, 37), (30, 36)]),
)
def test_sizes_and_corners_round_as_torchvision_rounds(height, width, interpolation, sizes):
    resize, side = sizes
    recipe = Preprocessing(
        "pillow", interpolation, resize=resize, crop=side, scaling=SCALINGS["tf"]
    )
    data = encoded(Image.fromarray(noise(height, width, 3, seed=height)), "BMP")
    assert (crop(data, recipe) == torchvision_crop(data, recipe)).all()


@given(st.integers(20, 700), st.integers(20, 700), st.sampled_from(["floor", "half-even"]))
def test_rounding_is_the_one_that_the_recipe_names(height, width, rounding):
    recipe = Preprocessing("pillow", "nearest", 20, 15, SCALINGS["tf"], rounding, rounding)
    exact = Fraction(20 * max(height, width), min(height, width))
    longer = math.floor(exact) if rounding == "floor" else round(exact)
    size = (20, longer) if height <= width else (longer, 20)
    assert resized(height, width, recipe) == size
    corner = [Fraction(pixels - 15, 2) for pixels in size]
    whole = math.floor if rounding == "floor" else round
    assert crop_corner(*size, recipe) == tuple(map(whole, corner))


def test_a_resize_to_height_and_width_ignores_the_aspect_ratio():
    recipe = Preprocessing("pillow", "nearest", resize=(24, 24), crop=24, scaling=SCALINGS["tf"])
    picture = Image.fromarray(noise(100, 40, 3))
    expected = np.asarray(picture.resize((24, 24), Image.Resampling.NEAREST))
    assert (crop(encoded(picture, "PNG"), recipe) == expected).all()


@pytest.mark.parametrize("damage", [lambda d: b"", lambda d: b"no picture", lambda d: d[:900]])
def test_what_cannot_be_decoded_is_an_error_not_a_grey_picture(damage):
    data = encoded(Image.fromarray(noise(64, 64, 3)), "JPEG")
    with pytest.raises(
        PictureError, match="cannot be decoded by Pillow|in no format that Pillow knows"
    ):
        crop(damage(data), PILLOW[0])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is in no format that Pillow knows"),
        (b"no picture", "is in no format that Pillow knows"),
        (encoded(Image.fromarray(noise(64, 64, 3)), "JPEG")[:900], "cannot be decoded by OpenCV"),
        (b"Pf\n2 2\n-1.0\n" + bytes(16), "is not decoded into 8-bit colours by OpenCV"),
    ],
    ids=["empty", "text", "cut", "floats"],
)
def test_what_opencv_cannot_decode_is_an_error(data, message):
    with pytest.raises(PictureError, match=message):
        crop(data, OPENCV[0])


def claiming(width: int, height: int) -> bytes:
    """A small JPEG that claims another size; decoders fill missing data with grey."""
    data = encoded(Image.fromarray(noise(16, 16, 3)), "JPEG")
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_picture_that_would_fill_the_memory_is_refused_before_it_is_decoded():
    looks = (lambda data: crop(data, PILLOW[0]), lambda data: crop(data, OPENCV[0]))
    for look in (*looks, inspect, read_to_end):
        with pytest.raises(Undecodable, match="too large: it claims 9460 x 9460 .* 89,478,485 are"):
            look(claiming(9460, 9460))


def test_opencv_is_told_how_many_pixels_it_may_decode():
    """In a new process, because OpenCV reads its limits when it is imported."""
    code = f"""
from contextlib import nullcontext
from benchmarking.pictures.crop import crop
from benchmarking.pictures.decoded import Decoded
from benchmarking.pictures.recipe import SCALINGS, Preprocessing
Decoded.opened = nullcontext  # it has the same limit
recipe = Preprocessing("opencv", "bicubic", 256, 224, SCALINGS["caffe"])
crop({claiming(9460, 9460)!r}, recipe)
"""
    failed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "PictureError: cannot be decoded by OpenCV: pixels <= CV_IO_MAX" in failed.stderr


@pytest.mark.parametrize("recipe", SHORTER_SIDE, ids=lambda recipe: recipe.library)
@pytest.mark.parametrize("size", [(1, 1400), (1400, 1)], ids=["high", "wide"])
def test_a_picture_so_narrow_that_its_resize_would_fill_the_memory_is_refused(recipe, size):
    with pytest.raises(PictureError, match=r"too large: resized, it would have \d+ x \d+ pixels"):
        crop(claiming(*size), recipe)


@pytest.mark.parametrize("recipe", SHORTER_SIDE, ids=lambda recipe: recipe.library)
def test_a_narrow_picture_within_reason_is_cropped(recipe):
    data = encoded(Image.fromarray(noise(600, 20, 3)), "PNG")
    assert crop(data, recipe).shape == (recipe.crop, recipe.crop, 3)


def test_versions_name_opencvs_jpeg_library():
    found = library_versions("opencv")
    assert found["OpenCV"] == cv2.__version__
    assert re.fullmatch(r"[\d.]+", found["OpenCV's JPEG library"])


def test_versions_name_the_jpeg_library():
    assert library_versions("pillow").keys() == {"Pillow", "libjpeg-turbo"}


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("how", [{}, {"progressive": True}])
def test_the_quick_check_finds_the_same_faults_as_full_decoding(form, how):
    noise = np.random.default_rng(0).integers(0, 256, (64, 80, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, form, **how)
    data = file.getvalue()
    read_to_end(data)
    for cut in range(0, len(data), max(1, len(data) // 150)):
        refusals = []
        for look in (read_to_end, inspect):
            try:
                look(data[:cut])
            except Undecodable as error:
                refusals.append(error.kind)
        assert len(refusals) in (0, 2), f"{form} cut at {cut} of {len(data)}: {refusals}"


def test_a_format_that_pillow_passes_to_ghostscript_is_refused(tmp_path):
    file = io.BytesIO()
    Image.new("RGB", (20, 20)).save(file, "EPS")
    with pytest.raises(Undecodable, match="is in no format"):
        read_to_end(file.getvalue())


@pytest.mark.parametrize("recipe", SHORTER_SIDE, ids=lambda recipe: recipe.library)
def test_a_crop_is_a_writable_contiguous_array(recipe):
    found = crop(encoded(Image.fromarray(noise(301, 417, 3)), "JPEG"), recipe)
    assert found.flags.writeable
    assert found.flags.c_contiguous
