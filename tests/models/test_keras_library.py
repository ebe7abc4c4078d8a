"""Classifiers of keras.applications beyond those of 2019, compared with Keras alone.

Keras runs in one process of its own, which writes arrays that the tests compare.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarking.models.sources import select

ROOT = Path(__file__).parents[2]
SPECS = select(["keras/*"])
# A small model of each family that is built otherwise; those of 2019 are in test_models_2019.py.
FAMILIES = ["EfficientNetB0", "EfficientNetV2B0", "ResNet50V2"]
COUNTED = ["ConvNeXtTiny", "MobileNetV3Small", "MobileNetV3Large"]

ALONE = """
import dataclasses, hashlib, importlib, inspect, sys
from pathlib import Path
import cv2
import h5py
import numpy as np
from benchmarking.models.frameworks import _keras
from benchmarking.models.frameworks import keras as framework
from benchmarking.models.loaded import load
from benchmarking.models.sources import select, source_of
from benchmarking.pictures.crop import crop
from benchmarking.pictures.image_set import spread
from benchmarking.pictures.sets import open_pictures

framework.prepare(-1)
import keras
from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group
from keras.src.applications import resnet
from keras.src.backend.common.stateless_scope import StatelessScope
from keras.src.utils import file_utils

folder, families, counted = Path(sys.argv[1]), *map(str.split, sys.argv[2:])
results = {}
specs = {spec.name: spec for spec in select(["keras/*"])}


def pretrained(name, path=None):
    '''What Keras makes of weights="imagenet" if its download gives this file, or has no values.'''
    real = file_utils.get_file, keras.Model.load_weights
    file_utils.get_file = lambda *_, **__: path
    if path is None:
        keras.Model.load_weights = lambda *_, **__: None
    try:
        return getattr(keras.applications, name)(weights="imagenet")
    finally:
        file_utils.get_file, keras.Model.load_weights = real


for name in counted:
    with StatelessScope(initialize_variables=False):  # which makes no values
        built = source_of(specs[name]).build(specs[name], None)
    results[name + " parameters"] = built.count_params()

modules = {function.__module__ for function in map(keras.applications.__dict__.get, specs)}
code = "".join(inspect.getsource(sys.modules[name]) for name in modules | {resnet.__name__})
for name, spec in specs.items():
    results[name + " digest"] = (spec.weights.sha256 or spec.weights.md5) in code


def calibrate(model, batch):
    '''Statistics from the batch, and logits that differ between pictures by about one.'''
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
        if isinstance(layer, keras.layers.Normalization) and layer.weights:
            count = layer.get_weights()[-1]
            layer.set_weights([np.float32([0.4, 0.5, 0.6]), np.float32([0.2, 0.3, 0.4]), count])
            layer.finalize_state()
    model(batch, training=True)
    last = [layer for layer in model.layers if layer.weights][-1]
    logits = np.log(np.asarray(model(batch, training=False)) + 1e-30)
    apart = logits - logits.mean(0)
    kernel, bias = last.get_weights()
    last.set_weights([kernel / apart.std(), (bias - logits.mean(0)) / apart.std()])


def picture(path, recipe):
    '''The input that the authors of the weights give to the model.'''
    x = cv2.imread(str(path))[:, :, ::-1]
    h, w = x.shape[:2]
    s, c = recipe.resize, recipe.crop
    if recipe.first == "crop":
        side = int(c / (c + 32) * min(h, w))
        top, left = (h - side + 1) // 2, (w - side + 1) // 2
        x = x[top:top + side, left:left + side]
        return cv2.resize(x, (c, c), interpolation=cv2.INTER_CUBIC)
    x = cv2.resize(x, (w * s // min(h, w), h * s // min(h, w)), interpolation=cv2.INTER_CUBIC)
    top, left = (x.shape[0] - c) // 2, (x.shape[1] - c) // 2
    return x[top:top + c, left:left + c]


two = [picture.place.path for picture in spread(open_pictures("demo").pictures, 2)]
for name in families:
    spec = specs[name]
    recipe, application = spec.recipes["published"], getattr(keras.applications, name)
    side, family = recipe.crop, sys.modules[application.__module__]
    batch = np.stack([picture(path, recipe).astype("float32") for path in two])
    batch = family.preprocess_input(batch)
    keras.utils.set_random_seed(0)
    # For weights="imagenet", Keras refuses any input but its default of 224.
    other = application(weights=None, input_shape=(side, side, 3))
    plain = pretrained(name) if side == 224 else other
    calibrate(plain, batch)
    path = folder / spec.weights.file
    with h5py.File(path, "w") as file:
        save_weights_to_hdf5_group(file, plain)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    weights = dataclasses.replace(spec.weights, sha256=digest, md5="")
    loaded = load(dataclasses.replace(spec, weights=weights), -1, weights_folder=folder)
    results[name + " scaled"] = np.abs(
        batch - _keras.scaled(np.stack([crop(p.read_bytes(), recipe) for p in two]),
                                 recipe.scaling)).max()
    predict = loaded.predictor(recipe.scaling)
    ours = np.concatenate([predict(crop(p.read_bytes(), recipe)[None]) for p in two])
    again = pretrained(name, path) if side == 224 else plain
    theirs = np.asarray(again(batch, training=False))
    results[name + " parameters"] = loaded.model.count_params()
    results[name + " spread"] = np.abs(theirs - theirs[::-1]).max()
    results[name + " difference"] = np.abs(ours - theirs).max()
    if side == 224:
        other.load_weights(path)
        without = np.asarray(other(batch, training=False))
        results[name + " without"] = np.abs(without - theirs).max()
    path.unlink()
np.savez(folder / "results.npz", **results)
"""


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keras")
    command = [sys.executable, "-c", ALONE, str(folder), " ".join(FAMILIES), " ".join(COUNTED)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(np.load(folder / "results.npz"))


def test_there_are_40_models_and_all_but_mobilenetv3_have_a_published_recipe_and_accuracy():
    assert len(SPECS) == 40
    without = ["MobileNetV3Small", "MobileNetV3Large"]
    assert [spec.name for spec in SPECS if "published" not in spec.recipes] == without
    assert [spec.name for spec in SPECS if not spec.published] == without


@pytest.mark.models
def test_digests_are_those_in_the_code_of_keras(alone):
    """MobileNet and MobileNetV2 have none."""
    assert all(alone[f"{spec.name} digest"] for spec in SPECS)
    assert [spec.name for spec in SPECS if spec.weights.published_digest == "none"] == [
        *("MobileNet", "MobileNetV2")
    ]


@pytest.mark.models
@pytest.mark.parametrize("name", [*FAMILIES, *COUNTED])
def test_a_model_has_the_number_of_parameters_of_its_spec(alone, name):
    (spec,) = select([f"keras/{name}"])
    assert alone[f"{name} parameters"] == spec.parameters


@pytest.mark.models
@pytest.mark.parametrize("name", FAMILIES)
def test_a_file_of_weights_predicts_as_keras_alone_does_with_its_imagenet_weights(alone, name):
    assert alone[f"{name} scaled"] == 0
    assert alone[f"{name} spread"] > 0.01
    assert alone[f"{name} difference"] < 1e-5


@pytest.mark.models
def test_a_layer_that_keras_adds_for_its_weights_of_efficientnet_is_not_forgotten(alone):
    """weights=None and load_weights silently give another model."""
    assert alone["EfficientNetB0 without"] > 0.01
    assert alone["EfficientNetV2B0 without"] < 1e-5


def test_models_without_a_known_recipe_are_listed_but_not_run(call, tmp_path):
    _, out, _ = call("models", "keras/MobileNetV3*")
    assert "keras: no recipe published, because it is not known how the authors" in out
    assert [line.split()[4:] for line in out.splitlines()[1:3]] == [
        ["2,554,968", "-", "-", "-", "-", "-"],
        ["5,507,432", "-", "-", "-", "-", "-"],
    ]
    command = ["predict", "demo", "--models", "keras/MobileNetV3*", "--store", tmp_path]
    status, _, err = call(*command, "--weights", "random")
    assert status == 2
    assert "no recipe 'published', because it is not known how the authors" in err


def test_the_listing_says_how_each_picture_becomes_an_input(call):
    names = ["EfficientNetB1", "EfficientNetV2S", "ConvNeXtTiny", "Xception"]
    _, out, _ = call("models", *(f"keras/{name}" for name in names))
    said = out.splitlines()
    for line in (
        "keras, published, 240: centre crop of 240/272 of the shorter side, then resized to 240, "
        "opencv bicubic, scaling identity",
        "keras, published, 384: resized to 384 x 384 without keeping the aspect ratio, opencv "
        "bilinear, scaling identity",
        "keras, published, 224: resized to 256 x 256 without keeping the aspect ratio, opencv "
        "bicubic, centre crop 224, scaling identity",
        "keras, published, 299: shorter side 341, opencv bicubic, centre crop 299, scaling tf",
    ):
        assert line in said
