from dataclasses import replace

import pytest

from benchmarking.errors import BenchmarkError, MissingDependency, requires
from benchmarking.models.spec import Weights
from benchmarking.pictures.recipe import SCALINGS, Preprocessing
from benchmarking.predictions.run import Run


@pytest.mark.parametrize("name", ["", "..", ".hidden", "a/b", "a\\b", "a b", "a\n", "<b>", "a..b"])
def test_names_that_are_not_plain_file_names_are_refused(name):
    with pytest.raises(BenchmarkError, match="use letters, digits"):
        Run(name, "source", "model", "recipe")


def test_a_recipe_has_no_dot_since_file_names_split_there():
    with pytest.raises(BenchmarkError, match=r"'a\.b' contains a dot"):
        Run("images", "source", "model-v1.0", "a.b")


def test_a_recipe_that_pads_says_so():
    recipe = Preprocessing("pillow", "bicubic", resize=256, crop=299, scaling=SCALINGS["torch"])
    assert recipe.pads
    assert "centre crop 299 padded with a black border" in str(recipe)
    assert not replace(recipe, resize=299).pads


def test_sizes_below_one_pixel_are_refused():
    with pytest.raises(BenchmarkError, match="sizes 256 and 0 must be 1 pixel or more"):
        Preprocessing("pillow", "bicubic", resize=256, crop=0, scaling=SCALINGS["torch"])


@pytest.mark.parametrize("wrong", [{"sha256": "0cc3c7b"}, {"sha256": "xyz" * 4}, {"md5": "00"}])
def test_a_malformed_digest_is_refused(wrong):
    with pytest.raises(BenchmarkError, match="hex digits"):
        Weights("name", "file", **wrong)


@pytest.mark.parametrize(
    "wrong", [{"library": "gimp"}, {"first": "scaling"}, {"crop_rounding": "up"}]
)
def test_unknown_preprocessing_is_refused_with_what_is_known(wrong):
    good = {
        "library": "pillow",
        "interpolation": "bicubic",
        "resize": 8,
        "crop": 8,
        "scaling": SCALINGS["tf"],
    }
    with pytest.raises(BenchmarkError, match="is none of"):
        Preprocessing(**(good | wrong))


def test_a_missing_library_becomes_advice_on_what_to_install():
    with (
        pytest.raises(MissingDependency, match=r"run: pip install 'keras>=3\.\d+' 'opencv"),
        requires("keras"),
    ):
        import no_such_library  # noqa: F401
