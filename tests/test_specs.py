import pytest

from benchmarking.errors import BenchmarkError, MissingDependency, requires
from benchmarking.specs import Preprocessing, Run


@pytest.mark.parametrize("name", ["", "..", ".hidden", "a/b", "a\\b", "a b", "a\n", "<b>", "a..b"])
def test_names_that_are_not_plain_file_names_are_refused(name):
    with pytest.raises(BenchmarkError, match="use letters, digits"):
        Run(name, "source", "model", "recipe")


def test_a_recipe_has_no_dot_since_file_names_split_there():
    with pytest.raises(BenchmarkError, match=r"'a\.b' contains a dot"):
        Run("images", "source", "model-v1.0", "a.b")


def test_a_crop_that_would_reach_over_the_border_is_refused():
    with pytest.raises(BenchmarkError, match="a crop of 299 does not fit into 256 pixels"):
        Preprocessing("pillow", "bicubic", resize=256, crop=299, scaling="torch")


@pytest.mark.parametrize("wrong", [{"library": "gimp"}, {"scaling": "z"}, {"crop_rounding": "up"}])
def test_unknown_preprocessing_is_refused_with_what_is_known(wrong):
    good = {
        "library": "pillow",
        "interpolation": "bicubic",
        "resize": 8,
        "crop": 8,
        "scaling": "tf",
    }
    with pytest.raises(BenchmarkError, match="is none of"):
        Preprocessing(**(good | wrong))


def test_a_missing_library_becomes_advice_on_what_to_install():
    with (
        pytest.raises(MissingDependency, match=r"pip install 'imagenet-benchmarking\[keras\]'"),
        requires("keras"),
    ):
        import no_such_library  # noqa: F401
