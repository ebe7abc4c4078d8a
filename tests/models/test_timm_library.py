"""All pretrained tags of timm, compared with the library itself: facts, inputs and outputs.

torch runs in one process of its own, which writes arrays that the tests compare. With --full, these
are all parameters, all recipes with 20 pictures, and one model of each of timm's 91 families.
"""

import subprocess
import sys

import numpy as np
import pytest
import timm_alone

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def alone(full, tmp_path_factory):
    folder = tmp_path_factory.mktemp("timm")
    command = [sys.executable, timm_alone.__file__, str(folder), "full" if full else "short"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(np.load(folder / "results.npz"))


def test_the_shipped_list_is_that_of_the_pinned_timm(alone):
    """If it is not: python -m benchmarking.models.sources._timm_configs > NEW.json, then replace
    the shipped file; the numbers of parameters of known tags are taken from it.
    """
    assert alone["shipped"]


def test_models_have_as_many_parameters_as_the_shipped_list_says(alone):
    assert alone["unequal counts"].tolist() == []


def test_files_of_torchvision_are_the_origin_of_the_weights_that_are_called_the_same(alone):
    assert alone["other origins"].tolist() == []


def test_inputs_are_those_of_the_librarys_transform(alone, full):
    assert alone["recipes"] == (117 if full else 11)
    assert alone["unequal crops"].tolist() == []
    assert alone["scalings"] == 5
    assert alone["input"] <= 1e-6


def test_the_whole_command_predicts_what_the_library_alone_does(alone, full):
    assert alone["failed"].tolist() == []
    differences = {k: v for k, v in alone.items() if k.endswith(" difference")}
    assert len(differences) == (91 if full else len(timm_alone.SHORT))
    assert {name: value for name, value in differences.items() if value >= 1e-5} == {}
    assert all(value for name, value in alone.items() if name.endswith(" top"))
    assert min(value for name, value in alone.items() if name.endswith(" spread")) > 1e-2


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("another model", "does not fit test_resnet.r160_in1k: "),
        ("1,001 classes", "does not fit test_vit.r160_in1k: "),
        ("a tensor is missing", "it lacks 1 tensors, such as level2.tree1.conv1.weight"),
        ("truncated", "test_vit.r160_in1k.safetensors is not an intact safetensors file: "),
        ("text", "seresnet18-4bb0ce65.pth cannot be read: it is damaged"),
        ("code", "seresnet18-4bb0ce65.pth holds more than tensors; it was not run."),
        ("old code", "seresnet18-4bb0ce65.pth holds more than tensors; it was not run."),
        ("unknown", "has no pretrained test_vit.never; install a version that has it."),
    ],
)
def test_a_file_that_is_not_the_tags_is_refused_by_a_sentence_of_its_own(alone, what, message):
    assert message in str(alone[f"refused: {what}"])


def test_checkpoints_of_the_users_own_fit_the_architectures(alone):
    assert alone["model_best.pth.tar"]
    assert alone["mine.safetensors"]


def test_real_weights_of_google_give_the_predictions_of_the_package_of_pytorch(alone):
    assert alone["lite0 classes"].shape == (20, 5)
    assert not alone["lite0 classes"].any()
    assert alone["lite0 difference of probabilities"] < 1e-5
