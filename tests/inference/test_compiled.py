"""Compiled models: the same predictions, or the plain model and the reason."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarking import Store, merge, predict
from benchmarking.errors import BenchmarkError
from benchmarking.inference.compiled import NOT_USED, can_be_compiled, chosen, difference
from benchmarking.inference.executors import Failed
from benchmarking.inference.job import Environment, Job
from benchmarking.inference.plan import Options
from benchmarking.inference.retries import Retries
from benchmarking.models.frameworks import Device, _onnx_export, pytorch
from benchmarking.models.loaded import Loaded
from benchmarking.models.spec import ModelSpec, Weights
from benchmarking.pictures.recipe import SCALINGS, Preprocessing
from benchmarking.predictions.run import Run

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
    found = chosen(loaded, compiler, 16, 8, probabilities)
    assert found.compiler.startswith(compiler)
    assert not found.problem
    assert found.loaded.model is not loaded.model
    assert np.abs(probabilities(found.loaded) - probabilities(loaded)).max() < 1e-5


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
    found = chosen(loaded, "onnxruntime", 16, 8, probabilities)
    assert found.compiler.startswith("onnxruntime")
    assert np.abs(probabilities(found.loaded) - probabilities(loaded)).max() < 1e-5


def test_a_wrong_kernel_is_found_and_the_plain_model_used(loaded, probabilities, monkeypatch):
    import torch

    class Noisy(torch.nn.Module):
        def forward(self, pixels):
            noise = torch.randn(len(pixels), 1000, generator=torch.Generator().manual_seed(2))
            return loaded.model(pixels) + noise * 1e-3

    monkeypatch.setattr(pytorch, "compiled", lambda *_: (Noisy(), "torch.compile"))
    found = chosen(loaded, "torch", 16, 8, probabilities)
    assert (found.loaded, found.compiler) == (loaded, NOT_USED)
    assert found.problem.startswith("the top-5 of ")
    assert "probabilities differ by up to" in found.problem


@pytest.mark.parametrize(
    "error", [RuntimeError("no \x1b[96mC++\x1b[0m compiler\nat line 3"), MemoryError("all")]
)
def test_a_compiler_that_fails_leaves_the_plain_model(loaded, probabilities, monkeypatch, error):
    def broken(*_):
        raise error

    monkeypatch.setattr(pytorch, "compiled", broken)
    found = chosen(loaded, "torch", 16, 8, probabilities)
    assert (found.loaded, found.compiler) == (loaded, NOT_USED)
    assert found.problem in ("RuntimeError: no C++ compiler", "MemoryError: all")


def test_a_smaller_last_batch_is_computed_by_the_kernels_that_were_compared(loaded, monkeypatch):
    """torch.compile makes kernels for each shape and layout; it is called with one of each."""
    import torch

    seen = set()

    def compile(model, **_):
        def call(pixels):
            seen.add((pixels.shape, pixels.stride()))
            return model(pixels)

        return call

    monkeypatch.setattr(torch, "compile", compile)
    model, _ = pytorch.compiled(loaded.model, "torch", 16, loaded.device, 8)
    crops = np.random.default_rng(2).integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)
    found = replace(loaded, model=model).predictor(SCALING)
    plain = loaded.predictor(SCALING)
    for part in (crops[:8], crops[8:], crops[:1]):
        assert np.abs(found(part) - plain(part)).max() < 1e-6
    assert len(seen) == 1


def test_a_compiled_model_takes_as_many_pictures_at_once_as_the_plain_one(loaded, monkeypatch):
    import torch

    monkeypatch.setattr(torch, "compile", lambda model, **_: model)
    monkeypatch.setattr(loaded.model, "fixed_batch_size", 5, raising=False)
    model, _ = pytorch.compiled(loaded.model, "torch", 16, loaded.device, 5)
    assert replace(loaded, model=model).batch_size == 5


def test_a_difference_of_probabilities_alone_is_too_much():
    plain = np.array([[0.6, 0.3, 0.1]])
    assert difference(plain, plain) == ""
    assert difference(plain, plain + [[9e-6, -9e-6, 0]]) == ""
    found = difference(plain, plain + [[1e-3, -1e-3, 0]])
    assert found == "probabilities differ by up to 0.001"


def test_quantized_models_and_those_of_other_frameworks_are_not_compiled(loaded):
    assert can_be_compiled(loaded.spec)
    assert not can_be_compiled(replace(loaded.spec, engine="x86"))
    assert not can_be_compiled(replace(loaded.spec, framework="keras"))


def test_the_user_is_told_which_models_are_not_compiled(light, tree, tmp_path, call):
    options = ("--store", tmp_path / "store", "--compile", "torch", "--plan")
    status, _, err = call("predict", tree, "--models", "steady", "darker", *options)
    assert status == 0
    assert "torch compiles models of PyTorch in float32 only, not brightness/" in err
    assert " and 1 more; Keras compiles its models anyway" in err


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


def test_why_a_compiler_was_not_used_does_not_tell_runs_apart():
    """Differences and messages vary from process to process, and the model is the plain one."""

    def environment(why):
        return Environment("", {"compiled": NOT_USED}, "cpu", "float32", 8, 1, why)

    ours, theirs = environment("differ by up to 2e-05"), environment("differ by up to 3e-05")
    assert ours.differences(theirs, may_shrink=False) == []


def test_shards_whose_models_were_not_compiled_are_merged(tmp_path, monkeypatch, capsys):
    pytest.importorskip("torch")
    (tmp_path / "small.py").write_text(MODEL_FILE)
    reasons = iter(["no /tmp/a.so", "no /tmp/b.so"])

    def broken(*_):
        raise RuntimeError(next(reasons))

    monkeypatch.setattr(pytorch, "compiled", broken)
    store, whole = Store(tmp_path / "shards"), Store(tmp_path / "whole")
    for shard in ("1/2", "2/2"):
        how = {"shard": shard, "compiler": "torch", "executor": "in-process"}
        predict(tmp_path / "small.py", "demo", store, **how)
    assert "torch is not used: RuntimeError: no /tmp/b.so; the model" in capsys.readouterr().err
    (run,) = merge(store, whole)
    made = whole.provenance(run)
    assert made.versions["compiled"] == NOT_USED
    told = [one.partition(": ")[2] for one in made.incidents]
    assert told.count("not compiled: RuntimeError: no /tmp/a.so") == 1
    assert told.count("not compiled: RuntimeError: no /tmp/b.so") == 1


@pytest.mark.parametrize("compiler", [None, "torch"])
def test_a_model_whose_compiler_ends_the_process_is_tried_without_it(loaded, compiler):
    job = Job(Run("x", "mine", "small", "published"), loaded.spec, (), None, -1, 1)
    retries = Retries()
    died = Failed(replace(job, compiler=compiler), "it died", "", cause="died")
    found = retries.put_aside(died, None)
    assert found.reason == "it died; tried again, by itself" + " and not compiled" * bool(compiler)
    assert [one.compiler for one in retries.waiting] == [None]


def test_a_model_that_dies_later_is_tried_with_its_compiler(loaded):
    job = Job(Run("x", "mine", "small", "published"), loaded.spec, (), None, -1, 1)
    retries = Retries()
    began = Environment("", {}, "cpu", "float32", 8, 1)
    retries.put_aside(Failed(replace(job, compiler="torch"), "it died", "", cause="died"), began)
    assert [one.compiler for one in retries.waiting] == ["torch"]
