"""The 34 models of 2019, compared with the plain frameworks: inputs, random and stored weights.

Each framework runs in its own process and writes arrays that the tests compare. The inputs of
torchvision's models are compared in test_torchvision_library.py.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarking.models.sources import select
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store

ROOT = Path(__file__).parents[2]
TORCHVISION, KERAS = (
    [spec for spec in select([pattern]) if "northcutt2019" in spec.recipes]
    for pattern in ("torchvision/*", "keras/*")
)
SMALLEST = ["torchvision/alexnet", "torchvision/densenet121", "torchvision/inception_v3"]
SMALLEST += ["torchvision/resnet18", "torchvision/squeezenet1_1"]
SMALLEST += ["keras/DenseNet121", "keras/MobileNetV2", "keras/ResNet50"]
"""A model of each way to build, scale and crop, which is built, loaded and run.

Of the others, facts are compared: weights, parameters, inputs.
"""
FAMILIES = select(SMALLEST)
RANDOM = ["torchvision/resnet18", "torchvision/squeezenet1_1", "keras/MobileNetV2"]
RANDOM += ["keras/ResNet50"]
"""Those that the command runs with random weights, too."""
IDS = {"ids": lambda spec: spec.name}

pytestmark = pytest.mark.models

PREPARATION = """
import dataclasses, hashlib, io, sys
from pathlib import Path
import numpy as np
from PIL import Image
from benchmarking.pictures.sets import open_pictures
from benchmarking.errors import WeightsError
from benchmarking.models.frameworks import {framework} as framework
from benchmarking.pictures.image_set import spread
from benchmarking.pictures.crop import crop
from benchmarking.models.sources import select, source_of
from benchmarking.pictures.recipe import SCALINGS
from benchmarking.models.weights import verified_sha256

folder, where, smallest = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
device = framework.prepare(-1)
results = {{}}


def of_2019(pattern):
    return [spec for spec in select([pattern]) if "northcutt2019" in spec.recipes]


def reload(spec, save):
    '''A file under the framework's name, through our own path, into a model of another seed.'''
    path = folder / spec.weights.file
    save(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    ours = dataclasses.replace(spec.weights, sha256=digest, md5="")
    assert verified_sha256(path, ours) == digest
    if spec.weights.published_digest != "none" and path.stat().st_size < 60e6:
        kind, published = spec.weights.published_digest.split()
        found = hashlib.new(kind, path.read_bytes()).hexdigest()
        try:
            verified_sha256(path, spec.weights)
        except WeightsError as refusal:
            assert found in str(refusal) and published in str(refusal)
        else:
            raise AssertionError("a file of another digest was taken for the published one")
        assert path.exists()
    framework.seed(1)
    model = source_of(spec).build(spec, path)
    path.unlink()
    return model


def compare(spec, ours, alone):
    '''Calibrated nets tell pictures apart; without that, equality would say nothing.'''
    results[spec.name + " difference"] = np.abs(ours - alone).max()
    results[spec.name + " spread"] = np.abs(alone - alone[::-1]).max()
"""

TORCHVISION_ALONE = """
import re
import torch
import torchvision

def standardise(layer, inputs, output):
    others = [axis for axis in range(output.dim()) if axis != 1]
    mean, deviation = output.mean(others), output.std(others) + 1e-6
    layer.weight /= deviation.view(-1, *[1] * (layer.weight.dim() - 1))
    layer.bias -= mean
    layer.bias /= deviation
    shape = [1, -1] + [1] * (output.dim() - 2)
    return (output - mean.view(shape)) / deviation.view(shape)


def calibrate(model, batch):
    '''Outputs of every layer with mean 0 and deviation 1, as a trained net tells pictures apart.'''
    layers = [m for m in model.modules() if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear))]
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    hooks = [m.register_forward_hook(standardise) for m in (norms or layers[:-1]) + layers[-1:]]
    with torch.no_grad():
        model(batch)
    for hook in hooks:
        hook.remove()
    return model


def alone(model, batch, layout):
    model.to(memory_format=layout)
    with torch.inference_mode():
        return model(batch.contiguous(memory_format=layout)).softmax(dim=1).numpy()


# What torchvision's builders set where they load weights.
ARGUMENTS = {
    "inception_v3": {"init_weights": False, "transform_input": True},
    "vgg11_bn": {"init_weights": False},
}
DENSENETS = {"densenet121", "densenet161", "densenet169", "densenet201"}
four = [p.read() for p in spread(open_pictures("demo").pictures, 4)]
for spec in of_2019("torchvision/*"):
    weights = torchvision.models.get_model_weights(spec.name).IMAGENET1K_V1
    accuracy = weights.meta["_metrics"]["ImageNet-1K"]
    assert weights.url == spec.weights.url
    assert weights.meta["num_params"] == spec.parameters
    assert accuracy == {"acc@1": spec.published.acc1, "acc@5": spec.published.acc5}
    if spec.full_name not in smallest:
        continue
    transform = weights.transforms()
    batch = torch.stack([transform(Image.open(io.BytesIO(d)).convert("RGB")) for d in four])
    framework.seed(0)
    arguments = ARGUMENTS.get(spec.name, {})
    model = torchvision.models.get_model(spec.name, weights=None, **arguments).eval()
    assert sum(p.numel() for p in model.parameters()) == spec.parameters
    results[spec.name] = alone(model, batch[::2], torch.channels_last)  # as the two of --limit 2
    state = calibrate(model, batch).state_dict()
    old = state
    if spec.name in DENSENETS:  # the published files are as an older PyTorch wrote them
        old = {re.sub(r"(denselayer\\d+\\.(?:norm|relu|conv))([12])", r"\\1.\\2", k): v
               for k, v in state.items() if not k.endswith("num_batches_tracked")}
        assert old.keys() != state.keys()
    loaded = reload(spec, lambda path: torch.save(old, path))
    again = loaded.state_dict()
    # What torchvision sets where it loads these weights: the file was trained on other inputs.
    assert getattr(loaded, "transform_input", False) is (spec.name == "inception_v3")
    recipe = spec.recipes["published"]
    predict = framework.predictor(loaded, recipe.scaling, device)
    ours = predict(np.stack([crop(data, recipe) for data in four]))
    compare(spec, ours, alone(model, batch, torch.channels_last))
    plain = alone(model, batch, torch.contiguous_format)
    # Classes that the plain layout gives the same probability may change places.
    best = [np.take_along_axis(plain, np.argsort(-said)[:, :5], 1) for said in (ours, plain)]
    results[spec.name + " top-5"] = np.array(np.abs(best[0] - best[1]).max() < 2e-5)
    results[spec.name + " layout"] = np.abs(ours - plain).max()
    results[spec.name + " reloaded"] = np.array(
        state.keys() == again.keys() and all(torch.equal(state[k], again[k]) for k in state)
    )
np.savez(folder / "results.npz", **results)
"""

KERAS_ALONE = """
import importlib
from contextlib import nullcontext
import cv2
import h5py
import keras
from keras.src.backend.common.stateless_scope import StatelessScope
from keras.src.utils import file_utils
from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

MODULES = {
    "VGG16": "vgg16",
    "VGG19": "vgg19",
    "ResNet50": "resnet50",
    "InceptionV3": "inception_v3",
    "InceptionResNetV2": "inception_resnet_v2",
    "Xception": "xception",
    "MobileNet": "mobilenet",
    "MobileNetV2": "mobilenet_v2",
    "NASNetMobile": "nasnet",
    "NASNetLarge": "nasnet",
    "DenseNet121": "densenet",
    "DenseNet169": "densenet",
    "DenseNet201": "densenet",
}


def literal(path, s, c):
    x = cv2.imread(str(path))
    h, w = x.shape[:2]
    size = (w * s // min(h, w), h * s // min(h, w))
    if size != (w, h):
        x = cv2.resize(x, size, interpolation=cv2.INTER_CUBIC)
    h, w = x.shape[:2]
    top, left = (h - c) // 2, (w - c) // 2
    return cv2.cvtColor(x[top:top + c, left:left + c], cv2.COLOR_BGR2RGB)


def calibrate(model, batch):
    '''Statistics from the batch, and logits about one apart, as a trained net has them.'''
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(batch, training=True)
    last = [layer for layer in model.layers if layer.weights][-1]
    scale = 1 / np.log(np.asarray(model(batch, training=False)) + 1e-30).std(axis=1).mean()
    last.set_weights([scale * array for array in last.get_weights()])


def constructed(spec):
    '''A model with random weights, and the cached name, address and digest that Keras asks for.'''
    asked = []

    def get_file(fname, origin, *, file_hash=None, **kwargs):
        asked.append((fname, origin, file_hash))

    real = file_utils.get_file, keras.Model.load_weights
    file_utils.get_file, keras.Model.load_weights = get_file, lambda *_, **__: None
    try:
        return getattr(keras.applications, spec.name)(weights="imagenet"), *asked
    finally:
        file_utils.get_file, keras.Model.load_weights = real


def predicted(model, inputs):
    return np.asarray(model(np.concatenate(inputs), training=False))


def save(model, path):
    with h5py.File(path, "w") as file:
        save_weights_to_hdf5_group(file, model)


def crops_of(path, published, old):
    '''Our crop and the library's own, for both recipes.'''
    data, c = path.read_bytes(), published.crop
    yield crop(data, published), literal(path, published.resize, c)
    yield crop(data, old), keras.utils.img_to_array(keras.utils.load_img(path, target_size=(c, c)))


pairs = {}
two = [p.place.path for p in spread(open_pictures("demo").pictures, 2)]
many = [p.place.path for p in spread(open_pictures(where).pictures, 20)]
for spec in of_2019("keras/*"):
    published, old = spec.recipes["published"], spec.recipes["northcutt2019"]
    c, s = published.crop, published.resize
    family = importlib.import_module("keras.applications." + MODULES[spec.name])
    inputs = keras.Input((c, c, 3))
    same = keras.Model(inputs, keras.layers.Activation("linear")(inputs))
    see = framework.predictor(same, published.scaling, device)
    if (published, old) not in pairs:
        found = [pair for path in many for pair in crops_of(path, published, old)]
        pairs[published, old] = [np.stack(crops) for crops in zip(*found)]
    mine, theirs = pairs[published, old]
    results[spec.name + " crops"] = (mine == theirs).all()
    scaled = family.preprocess_input(theirs.astype("float32"))
    results[spec.name + " input"] = (see(mine) == scaled).all()

    keras.utils.set_random_seed(0)
    runs = spec.full_name in smallest
    # The scope makes no random values, also not at its end.
    with nullcontext() if runs else StatelessScope(initialize_variables=False):
        model, asked = constructed(spec)
    weights = spec.weights
    assert asked == (weights.file, weights.url, weights.md5 or None), asked
    assert model.count_params() == spec.parameters, model.count_params()
    assert model.input_shape == (None, c, c, 3), model.input_shape
    if not runs:
        keras.backend.clear_session(free_memory=True)
        continue
    ready = [family.preprocess_input(literal(p, s, c).astype("float32")[None]) for p in two]
    results[spec.name] = predicted(model, ready)
    calibrate(model, np.concatenate(ready))
    again = reload(spec, lambda path: save(model, path))
    predict = framework.predictor(again, published.scaling, device)
    compare(
        spec,
        np.concatenate([predict(crop(p.read_bytes(), published)[None]) for p in two]),
        predicted(model, ready),
    )
    results[spec.name + " reloaded"] = np.array(
        all((a == b).all() for a, b in zip(model.get_weights(), again.get_weights(), strict=True))
    )
    keras.backend.clear_session(free_memory=True)
np.savez(folder / "results.npz", **results)
"""


def alone(folder: Path, framework: str, body: str, pictures: Path) -> dict[str, np.ndarray]:
    script = PREPARATION.format(framework=framework) + body
    command = [sys.executable, "-c", script, str(folder), str(pictures), *SMALLEST]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(np.load(folder / "results.npz"))


@pytest.fixture(scope="module")
def torchvision_alone(sample_images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("torchvision")
    return alone(folder, "pytorch", TORCHVISION_ALONE, sample_images)


@pytest.fixture(scope="module")
def keras_alone(sample_images, tmp_path_factory):
    return alone(tmp_path_factory.mktemp("keras"), "keras", KERAS_ALONE, sample_images)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Runs of two models of each framework with random weights on two pictures, by one command.

    One process for each framework, because each import of TensorFlow takes ten seconds.
    """
    folder = tmp_path_factory.mktemp("random")
    command = [sys.executable, "-m", "benchmarking", "predict", "demo", "--limit", "2"]
    command += ["--models", *RANDOM, "--weights", "random"]
    command += ["--save-all-probs", "--executor", "worker-process"]
    done = subprocess.run(
        [*command, "--store", str(folder)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Store(folder.with_name(f"{folder.name}-random"))


def probabilities(store, spec):
    return store.read_probabilities(Run("demo-limit-2", spec.source, spec.name, "published"))


def test_there_are_21_and_13():
    assert (len(TORCHVISION), len(KERAS)) == (21, 13)


@pytest.mark.parametrize("spec", KERAS, **IDS)
def test_crops_of_keras_models_are_load_imgs_and_opencvs_own(keras_alone, spec):
    assert keras_alone[f"{spec.name} crops"]


@pytest.mark.parametrize("spec", KERAS, **IDS)
def test_inputs_of_keras_models_are_those_of_their_preprocess_input(keras_alone, spec):
    assert keras_alone[f"{spec.name} input"]


@pytest.mark.parametrize("spec", select(RANDOM), **IDS)
def test_random_weights_give_the_same_predictions_as_the_framework_alone(
    store, torchvision_alone, keras_alone, spec
):
    alone = torchvision_alone if spec in TORCHVISION else keras_alone
    assert np.abs(probabilities(store, spec) - alone[spec.name]).max() < 1e-6


@pytest.mark.parametrize("spec", FAMILIES, **IDS)
def test_from_file_to_probabilities_models_predict_the_same_as_the_plain_framework(
    torchvision_alone, keras_alone, spec
):
    """With weights whose predictions depend on the picture; all of our steps are included."""
    alone = torchvision_alone if spec in TORCHVISION else keras_alone
    assert alone[f"{spec.name} spread"] > 1e-4
    assert alone[f"{spec.name} difference"] < 1e-6


@pytest.mark.parametrize("spec", [spec for spec in FAMILIES if spec in TORCHVISION], **IDS)
def test_the_faster_memory_layout_gives_the_same_top_5(torchvision_alone, spec):
    assert torchvision_alone[f"{spec.name} top-5"]
    assert torchvision_alone[f"{spec.name} layout"] < 1e-4


def test_all_models_of_a_framework_ran_in_one_worker_process(store):
    made = [store.provenance(run) for run in store.runs("demo-limit-2")]
    assert len(made) == len(RANDOM)
    assert len({(one.platform, one.process_id) for one in made}) == 2
    assert {one.weights["name"] for one in made} == {"random"}


@pytest.mark.parametrize("spec", FAMILIES, **IDS)
def test_a_model_loads_every_tensor_of_its_own_weight_file(torchvision_alone, keras_alone, spec):
    alone = torchvision_alone if spec in TORCHVISION else keras_alone
    assert alone[f"{spec.name} reloaded"]
