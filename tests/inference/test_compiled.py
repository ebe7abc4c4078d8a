"""Compiled models: the same predictions, or the plain model and the reason."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarking import Store, predict
from benchmarking.errors import BenchmarkError
from benchmarking.inference.compiled import can_be_compiled, chosen, difference
from benchmarking.inference.plan import Options
from benchmarking.models.frameworks import Device, _onnx_export, pytorch
from benchmarking.models.loaded import Loaded
from benchmarking.models.spec import ModelSpec, Weights
from benchmarking.pictures.recipe import SCALINGS, Preprocessing

TRACED = _onnx_export._traced
SCALING = SCALINGS["torch"]
RECIPE = Preprocessing("pillow", "bilinear", resize=18, crop=16, scaling=SCALING)


MODEL_FILE = """
import torch
from benchmarking import SCALINGS, Recipe


def model():
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1)]
    network = torch.nn.Sequential(*layers, torch.nn.Flatten(), torch.nn.Linear(8, 1000))
    return network.eval(), Recipe("pillow", "bilinear", 18, crop=16, scaling=SCALINGS["torch"])
"""


@pytest.fixture(scope="module")
def loaded():
    """A small convolutional network with random weights."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    layers = torch.nn
    model = layers.Sequential(
        *(layers.Conv2d(3, 8, 3, padding=1), layers.BatchNorm2d(8), layers.ReLU()),
        *(layers.AdaptiveAvgPool2d(1), layers.Flatten(), layers.Linear(8, 1000)),
    )
    spec = ModelSpec("mine", "small", "pytorch", Weights("w", "w"), {"published": RECIPE}, 1)
    return Loaded(spec, model.eval(), Device("cpu", "cpu", "cpu"), "", "float32")


@pytest.fixture(scope="module")
def probabilities():
    """A function that predicts 20 random crops in batches of 8."""
    crops = np.random.default_rng(1).integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)

    def probabilities(model):
        predict = model.predictor(SCALING)
        return np.concatenate([predict(crops[at : at + 8]) for at in range(0, 20, 8)])

    return probabilities


@pytest.mark.parametrize("compiler", ["torch", "onnxruntime"])
def test_a_compiled_model_predicts_what_the_plain_one_predicts(loaded, probabilities, compiler):
    if compiler == "onnxruntime":
        pytest.importorskip("onnxscript")
    found, title = chosen(loaded, compiler, 16, probabilities)
    assert title.startswith(compiler)
    assert found.model is not loaded.model
    assert np.abs(probabilities(found) - probabilities(loaded)).max() < 1e-5


def _removed(model, side):
    raise TypeError("export() got an unexpected keyword argument 'dynamo'")


def _for_two(model, side):
    """A model that answers for two pictures, however many there are."""
    import torch

    class Two(torch.nn.Module):
        def forward(self, pixels):
            return model(torch.zeros(2, 3, side, side)) + 0 * pixels.sum()

    return TRACED(Two().eval(), side)


@pytest.mark.parametrize("traced", [_removed, _for_two])
def test_a_model_that_cannot_be_traced_is_exported_otherwise(
    loaded, probabilities, monkeypatch, traced
):
    pytest.importorskip("onnxscript")
    monkeypatch.setattr(_onnx_export, "_traced", traced)
    found, title = chosen(loaded, "onnxruntime", 16, probabilities)
    assert title.startswith("onnxruntime")
    assert np.abs(probabilities(found) - probabilities(loaded)).max() < 1e-5


def test_a_wrong_kernel_is_found_and_the_plain_model_used(loaded, probabilities, monkeypatch):
    import torch

    class Noisy(torch.nn.Module):
        def forward(self, pixels):
            noise = torch.randn(len(pixels), 1000, generator=torch.Generator().manual_seed(2))
            return loaded.model(pixels) + noise * 1e-3

    monkeypatch.setattr(pytorch, "compiled", lambda *_: (Noisy(), "torch.compile"))
    found, title = chosen(loaded, "torch", 16, probabilities)
    assert found is loaded
    assert title.startswith("not used: the top-5 of ")
    assert "probabilities differ by up to" in title


def test_a_compiler_that_fails_leaves_the_plain_model(loaded, probabilities, monkeypatch):
    def broken(*_):
        raise RuntimeError("no C++ compiler\nat line 3")

    monkeypatch.setattr(pytorch, "compiled", broken)
    found, title = chosen(loaded, "torch", 16, probabilities)
    assert (found, title) == (loaded, "not used: RuntimeError: no C++ compiler")


def test_a_difference_of_probabilities_alone_is_too_much():
    plain = np.array([[0.6, 0.3, 0.1]])
    assert difference(plain, plain) == ""
    assert difference(plain, plain + [[9e-6, -9e-6, 0]]) == ""
    found = difference(plain, plain + [[1e-3, -1e-3, 0]])
    assert found == "probabilities differ by up to 0.001"


def test_models_in_fewer_bits_and_of_other_frameworks_are_not_compiled(loaded):
    assert can_be_compiled(loaded)
    assert not can_be_compiled(replace(loaded, precision="bf16"))
    assert not can_be_compiled(replace(loaded, spec=replace(loaded.spec, framework="keras")))


def test_a_compiled_run_says_what_compiled_it(tmp_path, capsys):
    """In a worker, with a real model file; the predictions are those of the plain model."""
    pytest.importorskip("onnxscript")
    (tmp_path / "small.py").write_text(MODEL_FILE)
    plain, fast = Store(tmp_path / "plain"), Store(tmp_path / "fast")
    (run,) = predict(tmp_path / "small.py", "demo", plain)
    predict(tmp_path / "small.py", "demo", fast, compiler="onnxruntime")
    assert fast.provenance(run).versions["compiled"].startswith("onnxruntime ")
    assert "compiled" not in plain.provenance(run).versions
    assert (fast.classes(run) == plain.classes(run)).all()
    assert "not used" not in capsys.readouterr().err


def test_an_unknown_compiler_is_refused():
    with pytest.raises(BenchmarkError, match="compiler is 'fast'; expected None or one of torch"):
        Options(compiler="fast")
