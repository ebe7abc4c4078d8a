"""Models of Keras on its other backends: chosen by name, and with the predictions of TensorFlow."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarking.cli import main
from benchmarking.errors import BenchmarkError
from benchmarking.experiments.framework_parity import same_weights
from benchmarking.inference.plan import Options, plan
from benchmarking.models.backends import other_backends
from benchmarking.models.sources import all_specs, published_of, select, source_of
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store
from benchmarking.reports.bibliography import papers_of

ROOT = Path(__file__).parents[2]
LITE = "efficientnet-lite-keras"


def names(*patterns):
    return [spec.full_name for spec in select(patterns)]


def test_keras_has_two_other_backends_whose_models_are_not_listed():
    assert other_backends() == ("jax", "torch")
    assert {spec.framework for spec in all_specs()} == {"keras", "pytorch"}


def test_a_pattern_means_another_backend_only_if_no_listed_model_matches():
    assert names("vgg16") == ["keras/VGG16", "torchvision/vgg16"]
    assert names("keras-jax/vgg16") == ["keras-jax/VGG16"]
    assert names("*-torch/*lite0", "VGG19") == [
        *("keras/VGG19", "torchvision/vgg19", f"{LITE}-torch/efficientnet-lite0")
    ]
    assert len(select(["keras-torch"])) == 43


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_a_model_on_another_backend_has_the_facts_of_the_listed_one(backend):
    (listed,), (other,) = select(["keras/VGG16"]), select([f"keras-{backend}/VGG16"])
    assert (other.weights, other.recipes) == (listed.weights, listed.recipes)
    assert source_of(other).weights_folder(other) == source_of(listed).weights_folder(listed)
    assert published_of(other.source, other.name) == listed.published
    assert papers_of(other.source, other.name) == papers_of("keras", "VGG16")


def test_the_listing_names_the_other_backends(call):
    _, out, _ = call("models", "keras/VGG16")
    line = "keras: also on other backends of Keras, with 'predict --backend' jax or torch, or as "
    assert line + "models of keras-jax or keras-torch" in out.splitlines()
    _, out, _ = call("models", "keras-jax/VGG16")
    assert "Keras on JAX  keras-jax/VGG16" in out
    assert "also on other backends" not in out


def planned(tmp_path, *models, **options):
    found = plan(models, "demo", 20, Store(tmp_path / "store"), Options(**options))
    return [spec.full_name for spec in found.specs]


def test_a_backend_moves_the_models_of_keras_and_leaves_out_the_others(tmp_path):
    moved = planned(tmp_path, "efficientnet-lite0", backend="jax")
    assert moved == [f"{LITE}-jax/efficientnet-lite0"]
    assert planned(tmp_path, "efficientnet-lite0", backend="tensorflow") == [
        f"{LITE}/efficientnet-lite0"
    ]
    with pytest.raises(BenchmarkError, match="backend jax is one of Keras, and none of these is"):
        planned(tmp_path, "efficientnet-lite-pytorch", backend="jax")


def test_an_unknown_backend_and_a_checkpoint_on_another_backend_are_refused(tmp_path, capsys):
    with pytest.raises(BenchmarkError, match="backend is 'theano'; expected None or one of tenso"):
        Options(backend="theano")
    (tmp_path / "mine.weights.h5").touch()
    own = ["--checkpoint", str(tmp_path / "mine.weights.h5"), "--arch"]
    command = ["predict", "demo", "--store", str(tmp_path / "store"), *own]
    assert main([*command, "keras/VGG16", "--backend", "jax"]) == 2
    assert "leave out the backend, which is for listed models" in capsys.readouterr().err
    assert main([*command, "keras-jax/VGG16"]) == 2
    assert "a checkpoint can be of pytorch or keras" in capsys.readouterr().err


def test_frameworks_are_compared_with_the_listed_model_or_with_pytorch():
    chosen = select(["keras-jax/VGG16", f"{LITE}-torch/efficientnet-lite0"])
    assert [
        (one.full_name, other.full_name) for one, other in same_weights(chosen) if other in chosen
    ] == [
        ("efficientnet-lite-pytorch/efficientnet-lite0", f"{LITE}-torch/efficientnet-lite0"),
        ("keras/VGG16", "keras-jax/VGG16"),
    ]


OWN = """
import os, sys
os.environ["KERAS_BACKEND"] = "torch"
import keras
import numpy as np
from benchmarking import SCALINGS, Preprocessing, Store, open_images, predict
from benchmarking.pictures.crop import crop

layers = [keras.Input((8, 8, 3)), keras.layers.Flatten()]
model = keras.Sequential([*layers, keras.layers.Dense(1000, activation="softmax")])
recipe = Preprocessing("pillow", "bilinear", (8, 8), 8, SCALINGS["tf"])
images = open_images("demo", limit=2)
(run,) = predict(model, images, sys.argv[1], name="mine", recipe=recipe, keep="all")
inputs = np.stack([crop(picture.read(), recipe) for picture in images.pictures]) / 127.5 - 1
expected = model.predict_on_batch(inputs.astype("float32"))
store = Store(sys.argv[1])
print(store.provenance(run).platform, np.abs(store.read_probabilities(run) - expected).max() < 1e-6)
"""


@pytest.mark.models
def test_a_model_of_the_users_own_runs_on_the_backend_of_its_process(tmp_path):
    """A Keras model on PyTorch is a module of PyTorch, too, but its inputs are channels last."""
    command = [sys.executable, "-c", OWN, str(tmp_path / "store")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "Keras on PyTorch True"


@pytest.mark.models
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_efficientnet_lite_predicts_the_same_on_every_backend(tmp_path, backend):
    command = [sys.executable, "-m", "benchmarking", "predict", "demo", "--limit", "3"]
    command += ["--models", "efficientnet-lite0", "--backend", backend, "--store", str(tmp_path)]
    # Optimising the program would take longer than the three pictures.
    quick = {**os.environ, "XLA_FLAGS": "--xla_backend_optimization_level=0"}
    done = subprocess.run(command, cwd=ROOT, env=quick, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found, shipped = Store(tmp_path), Store(ROOT / "precomputed")
    run = Run("demo-limit-3", f"{LITE}-{backend}", "efficientnet-lite0", "published")
    place = {key: row for row, key in enumerate(shipped.rows("demo").keys)}
    rows = [place[key] for key in found.rows(run.images).keys]
    theirs = shipped.read(Run("demo", LITE, "efficientnet-lite0", "published"))
    ours, provenance = found.read(run), found.provenance(run)
    assert (ours.classes == theirs.classes[rows]).all()
    assert np.abs(ours.probabilities - theirs.probabilities[rows]).max() < 1e-5
    assert provenance.platform == {"jax": "Keras on JAX", "torch": "Keras on PyTorch"}[backend]
    assert {"keras", backend} <= provenance.versions.keys()
    assert "tensorflow" not in provenance.versions
