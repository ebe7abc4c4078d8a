"""The one reading of pictures before a sweep, and what a later one takes over from it."""

from collections import Counter
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pytest

from benchmarking.inference.reading import Reading, crop_together
from benchmarking.pictures.crop_cache import crop_file
from benchmarking.pictures.crop_stream import crop_of
from benchmarking.pictures.read_before import ReadBefore
from benchmarking.pictures.recipe import SCALINGS, Preprocessing
from benchmarking.pictures.sets import open_pictures

RECIPE = Preprocessing("pillow", "nearest", resize=10, crop=8, scaling=SCALINGS["tf"])
OTHER = replace(RECIPE, crop=6)


@pytest.fixture
def contents(tree):
    return open_pictures(str(tree))


@pytest.fixture
def reading(tmp_path):
    return Reading([RECIPE, OTHER], [RECIPE, OTHER], tmp_path / "crops", 2, before=ReadBefore())


def some(contents, *rows):
    return replace(contents, pictures=tuple(contents.pictures[row] for row in rows))


def crops(reading, images, recipe):
    with ExitStack() as stack:
        opened = crop_file(reading.cache, images, recipe).opened(stack)
        return [opened.crop(row) for row in range(len(images))]


def expected(images, recipe):
    return [crop_of(picture, recipe) for picture in images.pictures]


def test_a_larger_sample_reads_only_the_pictures_that_the_smaller_one_lacks(
    reading, contents, read
):
    with ExitStack() as stack:
        reading.read("small", some(contents, 0, 2, 4), stack)
        large = reading.read("large", some(contents, 0, 1, 2, 3, 5), stack)
        assert Counter(read.values()) == {1: 6}
        for recipe in (RECIPE, OTHER):
            assert np.array_equal(crops(reading, large, recipe), expected(large, recipe))


def test_the_fingerprint_is_that_of_pictures_that_are_read_at_once(reading, contents):
    with ExitStack() as stack:
        reading.read("small", some(contents, 0, 2, 4), stack)
        large = reading.read("large", contents, stack)
        alone = replace(reading, before=None).read("large", contents, stack)
    assert large == alone


def test_a_picture_whose_crop_was_damaged_is_read_again(reading, contents, read):
    with ExitStack() as stack:
        small = reading.read("small", some(contents, 0, 2, 4), stack)
        path = crop_file(reading.cache, small, OTHER).path
        data = bytearray(path.read_bytes())
        data[6 * 6 * 3 + 7] ^= 64  # of the second picture
        path.write_bytes(data)
        large = reading.read("large", contents, stack)
        assert Counter(read.values()) == {1: 5, 2: 1}
        assert read[contents.pictures[2].place.file] == 2
        assert np.array_equal(crops(reading, large, OTHER), expected(large, OTHER))


def test_crops_that_are_wanted_later_only_are_made_from_pictures_that_are_read_again(
    reading, contents, read
):
    with ExitStack() as stack:
        replace(reading, wanted=[]).read("small", some(contents, 0, 2, 4), stack)
        reading.read("large", contents, stack)
    assert Counter(read.values()) == {1: 3, 2: 3}


def test_a_sample_without_wanted_crops_needs_no_picture_again(reading, contents, read):
    with ExitStack() as stack:
        reading.read("small", some(contents, 0, 2, 4), stack)
        replace(reading, wanted=[]).read("large", contents, stack)
    assert set(read.values()) == {1}


@pytest.fixture
def images(contents, reading):
    with ExitStack() as stack:
        return replace(reading, wanted=[], before=None).read("mine", contents, stack)


def cropped_together(images, reading, stack):
    crop_together(images, reading.wanted, reading.cache, 2, stack)
    return [crop_file(reading.cache, images, recipe).is_complete for recipe in reading.wanted]


def test_several_recipes_crop_open_pictures_together(reading, images, read, decodes):
    with ExitStack() as stack:
        assert cropped_together(images, reading, stack) == [True, True]
        assert set(read.values()) == {1}
        assert decodes == {"pillow": 6}
        assert np.array_equal(crops(reading, images, OTHER), expected(images, OTHER))


def test_one_recipe_alone_is_left_to_its_model(reading, images, read):
    with ExitStack() as stack:
        alone = replace(reading, wanted=[RECIPE, replace(RECIPE, scaling=SCALINGS["torch"])])
        assert cropped_together(images, alone, stack) == [False, False]
    assert not read


def test_crops_of_pictures_that_have_changed_are_not_kept(reading, images, tree):
    next(tree.rglob("a.png")).write_bytes(next(tree.rglob("b.png")).read_bytes())
    with ExitStack() as stack:
        assert cropped_together(images, reading, stack) == [False, False]


def test_crops_are_not_kept_if_a_picture_is_broken_now(reading, images, tree):
    next(tree.rglob("a.png")).write_bytes(b"no picture")
    with ExitStack() as stack:
        assert cropped_together(images, reading, stack) == [False, False]
    assert not list(reading.cache.iterdir())
