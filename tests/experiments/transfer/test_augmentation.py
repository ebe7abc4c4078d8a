"""Augmentation: compared with Keras' own generator, Pillow through torchvision, and SciPy."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from benchmarking.errors import BenchmarkError
from benchmarking.experiments.transfer.augmentation import (
    Augmentation,
    Change,
    augmented,
    change_of,
    changed,
)
from benchmarking.models.frameworks._keras import scaled
from benchmarking.pictures.recipe import SCALINGS

CHANGES = (
    Change(8.0, (0.85, 0.85)),
    Change(-10.0, (1.2, 0.8), flipped=True),
    Change(0.0, (1.17, 1.17), flipped=True),
    Change(573.0, (1.0, 1.0)),  # ten radians, as Keras read it before 2018
)
KERAS = Augmentation(1)
TORCHVISION = Augmentation(1, geometry="torchvision", fill="black", sampling="nearest")


def smooth(height: int = 48, width: int = 48) -> np.ndarray:
    """A picture of waves, whose neighbouring pixels differ little but everywhere."""
    rows, columns = np.mgrid[:height, :width]
    waves = [np.sin(rows / (4 + c) + c) + np.cos(columns / (5 + c)) for c in range(3)]
    return np.rint(127.5 + 60 * np.stack(waves, axis=2)).astype(np.uint8)


KERAS_ALONE = """
import sys
import numpy as np
from keras.src.legacy.preprocessing.image import apply_affine_transform

picture = np.load(sys.argv[1])
axes = {"row_axis": 0, "col_axis": 1, "channel_axis": 2}
found = []
for shear, height, width, flipped in np.load(sys.argv[2]):
    for fill in ("nearest", "reflect"):
        seen = apply_affine_transform(
            picture, shear=shear, zx=width, zy=height, fill_mode=fill, order=1, **axes
        )
        found.append(seen[:, ::-1] if flipped else seen)
np.save(sys.argv[3], found)
"""


@pytest.fixture(scope="module")
def of_keras(tmp_path_factory) -> np.ndarray:
    """The changes as Keras makes them, in a process of its own: (changes, fills, 48, 48, 3)."""
    folder = tmp_path_factory.mktemp("keras")
    paths = [folder / name for name in ("picture.npy", "changes.npy", "seen.npy")]
    np.save(paths[0], smooth().astype(np.float64))
    np.save(paths[1], [(one.shear, *one.zoom, one.flipped) for one in CHANGES])
    subprocess.run(
        [sys.executable, "-c", KERAS_ALONE, *map(str, paths)],
        env=os.environ | {"KERAS_BACKEND": "numpy"},
        check=True,
        capture_output=True,
    )
    return np.load(paths[2]).reshape(len(CHANGES), 2, *smooth().shape)


@pytest.mark.parametrize("number", range(len(CHANGES)))
@pytest.mark.parametrize(("theirs", "fill"), [(0, "edge"), (1, "reflect")])
def test_shear_and_zoom_are_those_of_keras(number, theirs, fill, of_keras):
    expected, how = of_keras[number, theirs], replace(KERAS, fill=fill)

    as_float = changed(smooth().astype(np.float64), CHANGES[number], how)
    np.testing.assert_allclose(as_float, expected, atol=1e-9)
    assert (changed(smooth(), CHANGES[number], how) == np.rint(as_float)).all()


@pytest.mark.parametrize("sampling", ["nearest", "bilinear"])
@pytest.mark.parametrize("change", [c for c in CHANGES if c.zoom[0] == c.zoom[1]], ids=str)
def test_shear_zoom_and_black_border_are_those_of_torchvision_on_pillow(change, sampling):
    from PIL import Image
    from torchvision.transforms import functional
    from torchvision.transforms.functional import InterpolationMode

    theirs = functional.affine(
        Image.fromarray(smooth(41, 56)),
        0,
        [0, 0],
        change.zoom[0],
        [change.shear, 0.0],
        InterpolationMode(sampling),
        [0],
    )
    if change.flipped:
        theirs = functional.hflip(theirs)

    ours = changed(smooth(41, 56), change, replace(TORCHVISION, sampling=sampling))
    apart = np.abs(ours.astype(int) - np.asarray(theirs, dtype=int))
    if sampling == "bilinear":  # Pillow cuts off what is behind the point
        assert apart.max() <= 1
    else:  # a place between two pixels can be rounded to either
        assert (apart.max(axis=2) > 0).mean() < 0.01
    assert ((ours == 0).all(axis=2) == (np.asarray(theirs) == 0).all(axis=2)).mean() > 0.99


def test_a_zoom_of_keras_above_one_shows_more_and_one_of_torchvision_less():
    bright = np.zeros((40, 40, 3), np.uint8)
    bright[10:30, 10:30] = 255
    larger = Change(0.0, (1.2, 1.2))
    assert changed(bright, larger, KERAS).mean() < bright.mean()
    assert changed(bright, larger, TORCHVISION).mean() > bright.mean()


def test_versions_depend_on_seed_row_and_draw_only_and_all_differ():
    several = Augmentation(draws=3, seed=7)
    versions = [
        augmented(smooth(), one, row, draw).tobytes()
        for one in (several, replace(several, seed=8))
        for row in (0, 1)
        for draw in range(3)
    ]
    assert len(set(versions)) == 12
    assert augmented(smooth(), several, 1, 2).tobytes() == versions[5]
    assert augmented(smooth(), replace(several, draws=9), 1, 2).tobytes() == versions[5]


def test_drawn_changes_fill_their_ranges():
    each = Augmentation(1, zoom_axes="each", flip=0.25)
    drawn = [change_of(each, row, 0) for row in range(2000)]
    shears = np.array([one.shear for one in drawn])
    zooms = np.array([one.zoom for one in drawn])

    assert (shears.min() < -9.9, shears.max() > 9.9) == (True, True)
    assert np.abs(shears).max() <= 10
    assert (zooms >= 0.8).all()
    assert (zooms <= 1.2).all()
    assert abs(np.corrcoef(zooms.T)[0, 1]) < 0.1
    assert 0.22 < np.mean([one.flipped for one in drawn]) < 0.28
    isotropic = [change_of(replace(each, zoom_axes="both"), row, 0) for row in range(9)]
    assert all(one.zoom[0] == one.zoom[1] for one in isotropic)


def test_without_draws_or_changes_pictures_stay_as_they_are():
    assert augmented(smooth(), Augmentation(), 3, 0) is not None
    assert (augmented(smooth(), Augmentation(), 3, 0) == smooth()).all()
    assert (changed(smooth(), Change(), KERAS) == smooth()).all()
    assert (augmented(smooth(), Augmentation(1, 0, 0, 0, 1.0), 3, 0) == smooth()[:, ::-1]).all()


@pytest.mark.parametrize("name", ["torch", "tf", "caffe", "identity"])
@pytest.mark.parametrize("fill", ["edge", "black"])
def test_a_change_after_scaling_is_that_of_the_scaled_pixels(name, fill):
    after, scaling = replace(KERAS, order="after-scaling", fill=fill), SCALINGS[name]
    changed_then_scaled = scaled(augmented(smooth(), after, 0, 0, scaling)[None], scaling)
    expected = changed(scaled(smooth()[None], scaling)[0], change_of(after, 0, 0), after)
    np.testing.assert_allclose(changed_then_scaled[0], expected, atol=1e-4)
    before = augmented(smooth(), replace(after, order="before-scaling"), 0, 0, scaling)
    assert before.dtype == np.uint8
    assert (scaled(before[None], scaling) != changed_then_scaled).any()


@pytest.mark.parametrize(
    ("option", "value", "wanted"),
    [
        ("zoom", 1.0, "a number from 0 to below 1"),
        ("flip", 2, "a probability from 0 to 1"),
        ("shear", math.inf, "degrees, 0 or more"),
        ("fill", "nearest", "edge, reflect or black"),
        ("draws", -1, "a number of versions, or 0 for none"),
    ],
)
def test_values_out_of_range_are_refused(option, value, wanted):
    with pytest.raises(BenchmarkError) as error:
        Augmentation(**{option: value})
    assert str(error.value) == f"{option} is {value!r}; expected {wanted}."
