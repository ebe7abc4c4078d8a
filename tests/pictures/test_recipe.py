"""Recipes as data, and their steps compared with the libraries that define them."""

import json
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from compared_models import MODELS
from PIL import Image

from benchmarking.errors import BenchmarkError
from benchmarking.pictures.crop import crop, square_before_resize
from benchmarking.pictures.recipe import SCALINGS, Preprocessing, Scaling, recipe_from

TORCH = Preprocessing("pillow", "bilinear", 256, 224, SCALINGS["torch"])
HALF = Scaling(255.0, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
CROP_FIRST = Preprocessing(
    *("pillow", "bicubic", 256, 224, SCALINGS["identity"]), crop_rounding="ceil", first="crop"
)


def picture(height: int, width: int) -> tuple[bytes, Image.Image]:
    pixels = np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8)
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue(), Image.fromarray(pixels)


RECIPES = {
    "as published": TORCH,
    "other scaling": replace(TORCH, scaling=HALF),
    "identity": replace(TORCH, scaling=Scaling()),
    "squashed": replace(TORCH, resize=(224, 224)),
    "crop first": CROP_FIRST,
    "all else": Preprocessing("opencv", "lanczos", 300, 224, HALF, "ceil", "floor"),
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_recipe_is_the_same_once_it_has_been_stored_as_json(recipe):
    assert recipe_from(json.loads(json.dumps(recipe.as_document()))) == recipe


OLD = [spec for spec in MODELS if spec.source != "keras" or "northcutt2019" in spec.recipes]


@pytest.mark.parametrize("spec", OLD, ids=lambda spec: spec.full_name)
def test_recipes_of_known_models_are_stored_as_before_scalings_were_values(spec):
    for recipe in spec.recipes.values():
        document = recipe.as_document()
        assert list(document) == [
            *("library", "interpolation", "resize", "crop", "scaling"),
            *("resize_rounding", "crop_rounding"),
        ]
        assert document["scaling"] in ("tf", "torch", "caffe")


def test_a_scaling_without_a_name_is_stored_in_full():
    assert replace(TORCH, scaling=HALF).as_document()["scaling"] == {
        "divisor": 255.0,
        "mean": (0.5, 0.5, 0.5),
        "std": (0.5, 0.5, 0.5),
        "channels": "rgb",
    }


def test_a_part_of_a_scaling_that_is_left_out_is_that_of_the_identity():
    assert recipe_from({**TORCH.as_document(), "scaling": {"divisor": 255}}).scaling == Scaling(255)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 3}, "a recipe has no 'size'; it has crop, crop_rounding, first, inter"),
        ({"scaling": "imagenet"}, "scaling 'imagenet' is none of tf, torch, caffe"),
        ({"scaling": 7}, "a part of the recipe has no such value"),
        ({"scaling": {"divisor": 255, "stdev": [1, 1, 1]}}, "must have some of channels, divisor"),
        ({"scaling": {}}, "must have some of channels, divisor, mean, std, and nothing else"),
        ({"scaling": {"mean": [0.5, 0.5]}}, "a part of the recipe has no such value"),
        ({"crop": "224"}, "a part of the recipe has no such value: Expected `int`"),
        ({"crop": True}, "a part of the recipe has no such value: Expected `int`"),
        ({"interpolation": "cubic"}, "a part of the recipe has no such value: Invalid enum value"),
        ({"first": "crop", "resize": [256, 256]}, "crop 224 before resize"),
        ({"first": "crop", "resize": 200}, "crop 224 before resize 200: the resize must be one"),
    ],
)
def test_a_document_that_is_no_recipe_is_refused(change, message):
    with pytest.raises(BenchmarkError) as error:
        recipe_from({**TORCH.as_document(), **change})
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"divisor": "255"}, "divisor '255' must be a number"),
        ({"mean": 0.4}, "must be tuples of three numbers, one per channel"),
        ({"divisor": 0.0}, "must be above 0: pixels are divided by them"),
        ({"std": (0.2, 0.0, 0.2)}, "must be above 0"),
        ({"divisor": float("nan")}, "divisor nan must be a number"),
        ({"std": (1.0, float("nan"), 1.0)}, "must be tuples of three numbers"),
        ({"mean": (0.5, 0.5)}, "must be tuples of three numbers, one per channel"),
        ({"channels": "gbr"}, "channels 'gbr' are none of rgb, bgr"),
    ],
)
def test_an_invalid_scaling_is_refused(parts, message):
    with pytest.raises(BenchmarkError, match=message):
        Scaling(**parts)


def test_the_name_of_a_scaling_is_refused_in_place_of_a_scaling():
    with pytest.raises(BenchmarkError, match="scaling 'torch' is no Scaling; take one of SCALINGS"):
        replace(TORCH, scaling="torch")


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"crop": "224"}, "and crop '224' a whole number, in pixels"),
        ({"resize": (256,)}, None),
        ({"resize": (256, 256, 256)}, "must be a whole number or a pair of them"),
        ({"resize": 256.5}, "must be a whole number or a pair of them"),
        ({"interpolation": "bicubc"}, "interpolation 'bicubc' is none of nearest, bilinear"),
    ],
)
def test_an_invalid_recipe_is_refused(parts, message):
    with pytest.raises(BenchmarkError, match=message):
        replace(TORCH, **parts)


def test_recipes_are_described_in_words():
    assert str(TORCH).endswith("shorter side 256, pillow bilinear, centre crop 224, scaling torch")
    assert str(CROP_FIRST) == (
        "centre crop of 224/256 of the shorter side, then resized to 224, pillow bicubic, "
        "scaling identity"
    )
    squashed = replace(TORCH, resize=(256, 256))
    assert (
        "resized to 256 x 256 without keeping the aspect ratio, pillow bilinear, centre crop 224"
        in (str(squashed))
    )
    assert "centre crop" not in str(replace(squashed, resize=(224, 224)))
    assert str(HALF) == "x / 255, mean (0.5, 0.5, 0.5), std (0.5, 0.5, 0.5), rgb"


def tensorflow_square(height: int, width: int, size: int, padding: int) -> tuple[int, int, int]:
    """The square of TensorFlow's EfficientNet preprocessing, in float32 like the original."""
    shorter = np.float32(min(height, width))
    side = int(np.int32(np.float32(size / (size + padding)) * shorter))
    return ((height - side) + 1) // 2, ((width - side) + 1) // 2, side


@pytest.mark.parametrize("size", [224, 240, 260, 300, 380])
def test_the_crop_before_the_resize_is_where_tensorflow_puts_it(size):
    recipe = replace(CROP_FIRST, resize=size + 32, crop=size)
    off = 0
    for height in range(60, 700, 7):
        for width in (height, height + 1, 333, 500):
            ours = square_before_resize(height, width, recipe)
            theirs = tensorflow_square(height, width, size, 32)
            off += ours != theirs
            assert max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) <= 1
    assert off <= 4  # of 368 sizes, because float32 can round below an integer


@pytest.mark.parametrize(("height", "width"), [(375, 500), (500, 333), (64, 64), (90, 301)])
@pytest.mark.parametrize("interpolation", ["bicubic", "lanczos"])
def test_a_crop_before_the_resize_is_pillows_own(height, width, interpolation):
    data, image = picture(height, width)
    recipe = replace(CROP_FIRST, interpolation=interpolation)
    top, left, side = square_before_resize(height, width, recipe)
    square = image.crop((left, top, left + side, top + side))
    expected = square.resize((224, 224), Image.Resampling[interpolation.upper()])
    assert (crop(data, recipe) == np.array(expected)).all()


@pytest.mark.parametrize(("height", "width"), [(375, 500), (500, 333), (90, 301)])
def test_a_crop_before_the_resize_is_opencvs_own(height, width):
    import cv2

    data, image = picture(height, width)
    recipe = replace(CROP_FIRST, library="opencv", interpolation="lanczos")
    top, left, side = square_before_resize(height, width, recipe)
    square = np.array(image)[top : top + side, left : left + side, ::-1]
    expected = cv2.resize(
        np.ascontiguousarray(square), (224, 224), interpolation=cv2.INTER_LANCZOS4
    )
    assert (crop(data, recipe) == expected[:, :, ::-1]).all()


def test_the_filter_lanczos_is_pillows():
    data, image = picture(300, 400)
    recipe = replace(TORCH, interpolation="lanczos")
    resized = np.array(image.resize((341, 256), Image.Resampling.LANCZOS))
    assert (crop(data, recipe) == resized[16:240, 58:282]).all()
