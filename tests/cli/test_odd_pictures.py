"""A picture that a recipe cannot crop is named or left out before any model runs."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarking import plugins
from benchmarking.cli import main
from benchmarking.errors import PictureError
from benchmarking.inference import verbs
from benchmarking.labels.imagenet import wnids
from benchmarking.pictures.recipe import SCALINGS, Preprocessing
from benchmarking.predictions.store import Store
from benchmarking.reports.shown_table import evaluate

SOURCE = """
import numpy as np

from benchmarking.models.spec import ModelSpec, Weights
from benchmarking.pictures.recipe import SCALINGS, Preprocessing

PLUGIN = "sources"
NAME = "two-recipes"
MODULES = ()
EXTRA = "dev"
DISTRIBUTIONS = ()


def specs():
    return tuple(
        ModelSpec(
            NAME,
            name,
            "arithmetic",
            Weights("none", "none.bin"),
            {"published": Preprocessing(*recipe, SCALINGS["torch"])},
            1,
        )
        for name, recipe in {
            "stretched": ("pillow", "nearest", (8, 8), 8),
            "shorter": ("pillow", "bilinear", 256, 224),
            "opencv": ("opencv", "bicubic", 256, 224),
        }.items()
    )


def weights_folder(spec):
    raise AssertionError("these models need no weights")


def build(spec, weights):
    return lambda crops: np.full((len(crops), 1000), 1 / 1000, np.float32)
"""

OPENCV = "shorter side 256, opencv bicubic, centre crop 224, scaling torch"
SHORTER = "shorter side 256, pillow bilinear, centre crop 224, scaling torch"


@pytest.fixture(autouse=True)
def _sources(light: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "two_recipes.py"
    path.write_text(SOURCE)
    both = [os.environ[plugins.FILES_VARIABLE], str(path)]
    monkeypatch.setenv(plugins.FILES_VARIABLE, os.pathsep.join(both))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs-random")


@pytest.fixture
def predict(tree, tmp_path):
    def predict(*models, skip=False):
        more = ["--on-bad-image", "skip"] if skip else []
        place = ["predict", str(tree), "--images", "grey", "--store", str(tmp_path / "runs")]
        names = [f"two-recipes/{name}" for name in models]
        return main([*place, "--weights", "random", "--models", *names, *more])

    return predict


def put(tree: Path, name: str, data: bytes | Image.Image) -> Path:
    path = tree / wnids()[7] / name
    if isinstance(data, bytes):
        path.write_bytes(data)
    else:
        data.save(path)
    return path


@pytest.fixture
def odd(tree):
    """Six usual pictures, four that some recipes cannot crop, and two odd ones that all can."""
    values = np.arange(64 * 64).reshape(64, 64)
    put(tree, "high.png", Image.new("RGB", (2, 5000)))
    put(tree, "wide.jpg", Image.new("RGB", (5000, 1)))
    put(tree, "float.tif", Image.fromarray((values / 4096).astype(np.float32)))
    put(tree, "long.tif", Image.fromarray(values.astype(np.int32)))
    put(tree, "small.jpg", Image.new("RGB", (7, 7)))
    file = io.BytesIO()
    Image.new("RGB", (30, 20)).save(file, "JPEG")
    put(tree, "tail.jpg", file.getvalue() + b"\xff\xda" * 500)
    return tree


def test_a_picture_that_a_recipe_cannot_crop_stops_the_sweep_and_the_error_names_the_recipe(
    predict, store, odd, capsys
):
    assert predict("stretched", "opencv") == 2
    err = capsys.readouterr().err
    assert "4 of 12 pictures cannot be used:" in err
    for name in ("high.png", "wide.jpg", "float.tif", "long.tif"):
        (line,) = (line for line in err.splitlines() if f"({name})" in line)
        assert str(odd) in line
        assert line.endswith(f" (recipe: {OPENCV}).")
    assert not store.folder.exists()


def test_the_error_names_the_first_recipe_and_counts_the_others(predict, odd, capsys):
    assert predict("stretched", "opencv", "shorter") == 2
    err = capsys.readouterr().err
    assert err.count(f" (recipe: {SHORTER} and 1 more).") == 2
    put(odd, "text.png", b"no picture")
    assert predict("stretched", "opencv", "shorter") == 2
    assert (
        "(text.png): is in no format that Pillow knows (every recipe)." in capsys.readouterr().err
    )


def test_a_picture_that_one_recipe_cannot_crop_is_left_out_for_all_models_of_the_sweep(
    predict, store, odd, capsys
):
    assert predict("stretched", "shorter", "opencv", skip=True) == 0
    assert "8 pictures remain: image set grey-without-4" in capsys.readouterr().err
    assert store.image_sets() == ["grey-without-4"]
    assert {"small.jpg", "tail.jpg"} <= set(store.rows("grey-without-4").keys)
    assert [len(store.read(run)) for run in store.runs("grey-without-4")] == [8, 8, 8]


def test_a_picture_that_all_recipes_of_a_sweep_can_crop_is_not_left_out(predict, store, odd):
    assert predict("stretched", skip=True) == 0
    assert store.image_sets() == ["grey"]
    assert len(store.rows("grey").keys) == 12


def test_grey_pictures_of_more_than_8_bits_are_used_with_a_warning(predict, odd, capsys):
    assert predict("stretched") == 0
    err = capsys.readouterr().err
    assert "warning: grey pictures of more than 8 bits: 2 (float.tif is F, long.tif is I);" in err
    assert "cannot be used" not in err


def test_messages_of_opencv_are_not_shown(tree):
    """In a new process, because OpenCV reads its log level when it is imported."""
    put(tree, "float.tif", Image.fromarray(np.ones((20, 30), np.float32)))
    line = ["predict", str(tree), "--store", str(tree / "runs"), "--weights", "random"]
    line += ["--models", "two-recipes/opencv"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarking", *line], capture_output=True, text=True, check=False
    )
    assert "OpenCV TIFF" not in done.stderr
    assert done.stderr.startswith("imagenet-benchmark: 1 of 7 pictures cannot be used:")


def test_python_functions_check_pictures_with_the_recipes_of_their_models(odd, store):
    recipe = Preprocessing("opencv", "bicubic", 256, 224, SCALINGS["torch"])

    def mine(crops):
        raise AssertionError("a model ran")

    for call in (
        lambda: verbs.predict("two-recipes/opencv", odd, store, seed=0),
        lambda: list(verbs.sweep("two-recipes/opencv", odd, store, seed=0)),
        lambda: verbs.predict(mine, odd, store, recipe=recipe),
        lambda: evaluate("two-recipes/opencv", odd, seed=0),
        lambda: evaluate(mine, odd, recipe=recipe),
    ):
        with pytest.raises(PictureError, match=r"4 of 12 pictures cannot be used:\n.*opencv bicub"):
            call()
    assert not store.folder.exists()
