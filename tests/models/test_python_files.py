"""Models that a Python file of the user's defines."""

import json
from dataclasses import replace

import numpy as np
import pytest

from benchmarking import BenchmarkError, Run, Store, evaluate, load_model, open_images, predict
from benchmarking.models.own.python_files import described, load
from benchmarking.models.sources.model_file import spec_of_model_file
from benchmarking.pictures.recipe import SCALINGS, Preprocessing

RECIPE = Preprocessing("pillow", "bilinear", resize=10, crop=8, scaling=SCALINGS["torch"])
RUN = Run("grey", "model-file", "mine", "published")

GOOD = """
import numpy as np
from benchmarking import SCALINGS, Recipe
print("a file may print")

def by_brightness(crops):
    logits = np.zeros((len(crops), 1000))
    logits[np.arange(len(crops)), crops.mean(axis=(1, 2, 3)).astype(int) // 25] = 9
    return logits - 1

def model():
    return by_brightness, Recipe("pillow", "bilinear", 10, 8, SCALINGS["torch"])
"""


@pytest.fixture
def images(tree):
    return open_images(tree, name="grey")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def written(folder, text, name="mine.py"):
    path = folder / name
    path.write_text(text)
    return path


def test_a_function_in_a_file_is_run_by_the_command_in_a_process_of_its_own(
    images, store, tmp_path, tree, call
):
    path = written(tmp_path, GOOD)
    command = ["predict", tree, "--images", "grey", "--model-file", path, "--store", store.folder]
    status, out, err = call(*command)
    assert (status, out.splitlines()[0][:19]) == (0, "1 model (1 Python),")
    assert "note: the sha256 of mine.py alone is recorded; after a change of other files" in err
    made = store.provenance(RUN)
    assert (made.executor, made.weights["name"]) == ("fresh-process", "py file")
    assert made.preprocessing == RECIPE.as_document()
    assert (store.read(RUN).classes[:, 0] == images.labels).sum() == 5
    assert "complete since" in call(*command)[1]
    path.write_text(GOOD.replace("// 25", "// 40"))
    status, _, err = call(*command)
    assert (status, "of another file (sha256" in err) == (2, True)


def test_the_same_from_python(images, store, tmp_path):
    path = written(tmp_path, GOOD)
    (row,) = evaluate(path, images, store=store, name="other").rows
    assert (row.run, row.scores["Acc@1"].right) == (replace(RUN, model="other"), 5)
    model = load_model(path)
    crops = np.full((2, 8, 8, 3), 110, np.uint8)
    assert model.probabilities(crops).argmax(axis=1).tolist() == [4, 4]


def test_a_file_may_import_others_of_its_folder_and_leave_its_recipe_to_the_caller(tmp_path):
    written(tmp_path, "def net(crops):\n    return crops\n", "my_layers.py")
    path = written(tmp_path, "def model():\n    import my_layers\n    return my_layers.net\n")
    assert spec_of_model_file(path, recipe=RECIPE).recipes == {"published": RECIPE}
    with pytest.raises(BenchmarkError, match="mine.py does not say how .* mine.recipe.json"):
        spec_of_model_file(path)
    written(tmp_path, json.dumps(RECIPE.as_document()), "mine.recipe.json")
    assert spec_of_model_file(path).recipes == {"published": RECIPE}
    named = written(tmp_path, "def model():\n    return print, 'torchvision/resnet50'\n", "b.py")
    assert spec_of_model_file(named).recipes["published"].crop == 224


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("net = 3", r"mine.py defines no function model\(\); expected\ndef model\(\):"),
        ("model = 3", r"mine.py defines no function model\(\)"),
        ("def model(:", "mine.py cannot be run: SyntaxError in line 1: "),
        ("\nimport nothing_there", "cannot be run: ModuleNotFoundError in line 2: No module named"),
        ("import sys\nsys.exit(3)", "mine.py cannot be run: SystemExit in line 2: 3"),
        (
            "def model():\n    return [][0]",
            r"model\(\) in mine.py raised IndexError in line 2: list index out of range",
        ),
        ("def model(net):\n    return net", r"model\(\) in mine.py raised TypeError"),
        ("def model():\n    pass", r"returned None; expected a model and its recipe:\ndef model"),
        ("def model():\n    return 1, 2, 3", r"returned \(1, 2, 3\); expected a model and its rec"),
        ("def model():\n    return 3", r"model\(\) in mine.py: 3 cannot be called"),
        ("def model():\n    return dict", r"model\(\) in mine.py: dict is a class; give an inst"),
        ("def model():\n    return len, len", r"in mine.py: the step builtin_function_or_method"),
        ("def model():\n    return len, 'resnet5'", "in mine.py: unknown model 'resnet5'"),
    ],
)
def test_a_file_without_a_usable_model_is_refused_with_its_line(tmp_path, text, message):
    with pytest.raises(BenchmarkError, match=message):
        load(written(tmp_path, text))


def test_errors_in_the_process_that_describes_a_file_are_passed_on(tmp_path):
    with pytest.raises(
        BenchmarkError, match="mine.py cannot be run: NameError in line 1: name 'x'"
    ):
        described(written(tmp_path, "x"))
    with pytest.raises(BenchmarkError, match="mine.py ended its process with status 9"):
        described(written(tmp_path, "import os\nos._exit(9)"))


def test_a_file_that_gives_another_model_the_second_time_is_refused(images, store, tmp_path):
    chance = "__import__('os').getpid()"
    path = written(tmp_path, GOOD.replace('"bilinear", 10', f'"bilinear", 10 + {chance} % 99'))
    with pytest.raises(BenchmarkError, match="another recipe when it was run a second time; load"):
        predict(path, images, store)


IMPORTS = """
import numpy.linalg
from os import path

def model():
    return print

def never():
    import PIL.Image
    import nothing_there
    from . import mine
"""


def test_the_distributions_that_a_file_imports_are_recorded(tmp_path):
    path = written(tmp_path, IMPORTS)
    assert described(path).distributions == ("numpy", "pillow")
    assert spec_of_model_file(path, recipe=RECIPE).distributions == ("numpy", "pillow")


def test_a_second_recipe_is_refused(tmp_path):
    with pytest.raises(BenchmarkError, match="mine.py returns its own recipe, and another one was"):
        spec_of_model_file(written(tmp_path, GOOD), recipe="torchvision/resnet50")


def test_an_error_of_the_model_itself_is_reported_with_the_users_line(images, store, tmp_path):
    path = written(tmp_path, GOOD.replace("    logits = ", "    1 / 0\n    logits = "))
    with pytest.raises(BenchmarkError, match=r"ZeroDivisionError: (.|\n)*mine.py\", line 7"):
        predict(path, images, store)


TORCH = """
import torch
from torchvision.transforms import CenterCrop, Compose, Normalize, Resize, ToTensor

def model():
    net = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
                              torch.nn.Dropout(0.9), torch.nn.Linear(3, 1000))
    net.load_state_dict(torch.load(__file__.replace("mine.py", "net.pth")))
    transform = Compose([Resize(10), CenterCrop(8), ToTensor(),
                         Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))])
    return net, transform
"""


@pytest.mark.models
def test_weights_that_a_file_reads_are_digested_with_it(images, store, tmp_path):
    import torch

    def write_weights():
        weights = {"3.weight": torch.randn(1000, 3), "3.bias": torch.randn(1000)}
        torch.save(weights, tmp_path / "net.pth")

    path = written(tmp_path, TORCH)
    write_weights()
    (run,) = predict(path, images, store)
    made = store.provenance(run)
    assert (made.platform, made.executor) == ("PyTorch", "worker-process")
    assert made.preprocessing == RECIPE.as_document()
    assert len(made.weights["parameters_sha256"]) == 64
    assert {"torch", "torchvision"} <= made.versions.keys()
    write_weights()
    with pytest.raises(BenchmarkError, match=r"of another file \(parameters_sha256 "):
        predict(path, images, store)
