"""What engines compute is what the frameworks compute when they are used plainly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from benchmarking.experiments import in_fresh_processes
from benchmarking.experiments.speed import Options, Side, Trial
from benchmarking.experiments.speed.engines import engine_of
from benchmarking.experiments.speed.ready import scaled
from benchmarking.experiments.speed.timing import fetched
from benchmarking.experiments.speed.work import Prepared, answers_of, prepared
from benchmarking.models.sources import select, spec_of
from benchmarking.pictures.sets import open_pictures
from benchmarking.scoring.speed import agreement

pytest.importorskip("torch")

PYTORCH, KERAS = "efficientnet-lite-pytorch", "efficientnet-lite-keras"


@dataclass(frozen=True)
class Asked:
    """Modes of EfficientNet-Lite0 in one framework."""

    source: str
    modes: tuple[str, ...]
    random: tuple[str, ...] = ()
    trained: tuple[str, ...] = ()


def answered(asked: Asked) -> Iterator[object]:
    """Answers in every mode, then those with random weights, then the first losses of training."""
    spec = spec_of(asked.source, "efficientnet-lite0")
    pictures = tuple(open_pictures("demo").pictures[:4])

    def given(mode: str, seed: int | None = None) -> Prepared:
        options = Options(pictures, threads=1, seconds=1, gpu=-1, seed=seed)
        return prepared(Trial("offline", Side(spec, mode), 4, 1, 1, options))

    for modes, seed in ((asked.modes, None), (asked.random, 0)):
        for mode in modes:
            found = given(mode, seed)
            yield answers_of(found.ready(mode), found)
    for mode in asked.trained:
        found = given(mode)
        pixels = scaled(found.batch, found.recipe.scaling)
        step = found.engine.training(found.loaded, mode, pixels, found.labels)
        yield [float(np.asarray(fetched(step()))) for _ in range(2)]


@pytest.fixture(scope="module")
def pytorch() -> list:
    """Answers of PyTorch, eager and in ONNX Runtime, and its first losses."""
    asked = Asked(PYTORCH, ("eager", "onnxruntime"), trained=("eager",))
    return in_fresh_processes("PyTorch", answered, [asked])


@pytest.fixture(scope="module")
def quick() -> Iterator[None]:
    """XLA does not optimise its programs, which would take longer than four pictures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=0")
        yield


@pytest.fixture(scope="module")
def keras(quick) -> list:
    """Answers of Keras on TensorFlow, and its first losses."""
    pytest.importorskip("tensorflow")
    asked = Asked(KERAS, ("eager", "compiled", "xla"), ("eager",), ("compiled",))
    return in_fresh_processes("Keras", answered, [asked])


def test_eager_pytorch_answers_as_its_own_module_does(pytorch):
    import torch
    from efficientnet_lite_pytorch import EfficientNet

    from benchmarking.models.sources import weights_path
    from benchmarking.pictures.crop import crop

    spec = spec_of(PYTORCH, "efficientnet-lite0")
    model = EfficientNet.from_name("efficientnet-lite0")
    model.load_state_dict(torch.load(weights_path(spec, None), weights_only=True))
    recipe = spec.recipes["published"]
    crops = [crop(picture.read(), recipe) for picture in open_pictures("demo").pictures[:4]]
    pixels = (np.stack(crops).transpose(0, 3, 1, 2) - np.float32(127.5)) / np.float32(127.5)
    with torch.no_grad():
        best = torch.softmax(model.eval()(torch.from_numpy(pixels)), 1).topk(5)
    assert pytorch[0].classes == tuple(map(tuple, best.indices.tolist()))
    assert np.allclose(pytorch[0].probabilities, best.values, atol=1e-6)


def test_onnx_runtime_answers_as_pytorch(pytorch):
    assert agreement(pytorch[0], pytorch[1], "float32").holds


def test_training_in_pytorch_is_a_plain_step_without_dropout(pytorch):
    import torch

    spec = spec_of(PYTORCH, "efficientnet-lite0")
    options = Options(tuple(open_pictures("demo").pictures[:4]), 1, 1, gpu=-1)
    found = prepared(Trial("train", Side(spec, "eager"), 4, 1, 1, options))
    model = found.loaded.model.train()
    model._global_params = model._global_params._replace(drop_connect_rate=0)
    model._dropout.eval()
    pixels = torch.from_numpy(scaled(found.batch, found.recipe.scaling)).permute(0, 3, 1, 2)
    losses = []
    for _ in range(2):
        loss = torch.nn.functional.cross_entropy(model(pixels), torch.from_numpy(found.labels))
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(model.parameters(), gradients, strict=True):
                parameter -= 0.01 * gradient
        losses.append(loss.item())
    assert pytorch[2] == pytest.approx(losses, rel=1e-4)


def test_keras_answers_as_pytorch_in_every_mode(pytorch, keras):
    for answers in keras[:3]:
        assert agreement(pytorch[0], answers, "float32").holds


def test_keras_trains_as_pytorch_does(pytorch, keras):
    first, second = zip(keras[4], pytorch[2], strict=True)
    assert first[0] == pytest.approx(first[1], rel=1e-5)
    # Batch normalisation of four pictures and ReLU amplify rounding. In float64, the losses of
    # three steps differ by 3e-14.
    assert second[0] == pytest.approx(second[1], rel=5e-3)


def test_keras_on_jax_answers_as_on_tensorflow_with_published_and_random_weights(keras, quick):
    pytest.importorskip("jax")
    asked = Asked(f"{KERAS}-jax", ("compiled",), ("compiled",))
    published, random = in_fresh_processes("JAX", answered, [asked])
    assert agreement(keras[0], published, "float32").holds
    assert agreement(keras[3], random, "float32").holds
    assert np.ptp(random.probabilities) > 1e-4


def test_every_listed_model_has_an_engine():
    for spec in select(["resnet50", "VGG16", "keras-jax/VGG16"]):
        assert "eager" in engine_of(spec).modes(spec.framework)
