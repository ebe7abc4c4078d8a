"""Saving and loading: heads with the same bits, and whole models with the same answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarking.errors import BenchmarkError, StoreError
from benchmarking.experiments import Model, all_crops, in_fresh_processes
from benchmarking.experiments.transfer.exports import ExportTest, check_format, exported
from benchmarking.experiments.transfer.head_files import load_head, save_head
from benchmarking.experiments.transfer.networks import backbone_of, recipe_of
from benchmarking.experiments.transfer.plan import Training, initial_head
from benchmarking.models.sources import the_spec
from benchmarking.pictures.image_set import FilePart, Picture

pytestmark = pytest.mark.usefixtures("tiny_networks")
CLASSES = ("alien", "été")
HEAD = initial_head(np.random.default_rng(0), Training(head=8), 16, 2)
FILES = {"pytorch": ("m.pt2", "m.onnx"), "keras": ("m.keras",)}
HEADS = {"pytorch": ("h.safetensors", "h.pt"), "keras": ("h.keras",)}


def answers(test: ExportTest) -> np.ndarray:
    """Probabilities for the pictures of a test: the head is computed in NumPy."""
    crops = all_crops(test.pictures, test.recipe, 1)
    features = backbone_of(test.model).outputs(test.recipe.scaling)(crops).astype(np.float64)
    hidden = np.maximum(features @ HEAD["hidden.kernel"] + HEAD["hidden.bias"], 0)
    powers = np.exp(hidden @ HEAD["output.kernel"] + HEAD["output.bias"])
    return powers / powers.sum(axis=1, keepdims=True)


def all_saved(tests: tuple[ExportTest, ...]) -> Iterator[Any]:
    """Save heads and models in one process; yield the name of each file and what was found."""
    folder, right = tests[0].path.parent, answers(tests[0])
    for name in HEADS[tests[0].model.spec.framework]:
        save_head(folder / name, HEAD)
        yield name, load_head(folder / name)
    for test in tests:
        yield test.path.name, next(exported(replace(test, probabilities=right)))
        other = test.path.with_stem("other")
        try:
            next(exported(replace(test, probabilities=right[::-1], path=other)))
        except BenchmarkError as error:
            yield other.name, str(error)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("exports")


@pytest.fixture(scope="module")
def tests(folder, tiny_networks) -> dict[str, tuple[ExportTest, ...]]:
    pictures = []
    for seed in range(3):
        pixels = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{seed}.png")
        pictures.append(Picture(f"alien/{seed}.png", 0, FilePart(str(folder / f"{seed}.png"))))
    found = {}
    for framework, names in FILES.items():
        spec = the_spec(f"tiny/in-{framework}")
        model, recipe = Model(spec, -1, 1), recipe_of(spec, "squash")
        found[framework] = tuple(
            ExportTest(model, recipe, HEAD, CLASSES, tuple(pictures), np.empty(0), folder / name)
            for name in names
        )
    return found


@pytest.fixture(scope="module")
def saved(tests) -> dict[str, Any]:
    return dict(in_fresh_processes("saving", all_saved, list(tests.values())))


@pytest.mark.parametrize("name", [name for names in HEADS.values() for name in names])
def test_a_head_has_the_same_bits_after_loading(name, saved):
    assert saved[name].keys() == HEAD.keys()
    for tensor, values in HEAD.items():
        assert saved[name][tensor].dtype == values.dtype
        assert saved[name][tensor].tobytes() == values.tobytes()


@pytest.mark.parametrize("name", [name for names in FILES.values() for name in names])
def test_a_model_gives_the_same_answers_after_loading(name, saved, folder):
    assert saved[name].n == 3
    assert saved[name].difference < 1e-5
    assert saved[name].path == folder / name
    assert (folder / name).stat().st_size > 1000


def test_onnx_runtime_runs_the_file_on_any_number_of_pictures(saved, folder):
    import onnxruntime

    session = onnxruntime.InferenceSession(folder / "m.onnx", providers=["CPUExecutionProvider"])
    for n in (1, 4):
        (logits,) = session.run(None, {"pixels": np.zeros((n, 3, 32, 32), np.float32)})
        assert logits.shape == (n, 2)


def test_recipe_and_classes_lie_beside_the_model(saved, tests, folder):
    recipe = json.loads((folder / "m.recipe.json").read_text())
    assert recipe == json.loads(json.dumps(tests["pytorch"][0].recipe.as_document()))
    assert json.loads((folder / "m.classes.json").read_text()) == ["alien", "été"]


@pytest.mark.parametrize("name", ["other.pt2", "other.onnx", "other.keras"])
def test_a_file_that_gives_other_answers_is_not_written(name, saved, folder):
    assert "would give other answers than the trained model: a probability diff" in saved[name]
    assert not (folder / name).exists()


def test_a_head_of_something_else_or_a_damaged_one_is_refused(tmp_path):
    path = tmp_path / "head.safetensors"
    save_head(path, HEAD, {"plan": "ab12", "classes": list(CLASSES)})
    assert load_head(path, {"plan": "ab12"}).keys() == HEAD.keys()
    with pytest.raises(StoreError, match="was made with plan ab12, and not cd34; it is not used"):
        load_head(path, {"plan": "cd34"})

    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreError, match="is damaged"):
        load_head(path)
    (tmp_path / "head.pt").write_bytes(b"no archive")
    with pytest.raises(StoreError, match="is damaged, or holds no head"):
        load_head(tmp_path / "head.pt")
    with pytest.raises(StoreError, match="is not a file; give the file of a head"):
        load_head(tmp_path / "nowhere.pt")
    with pytest.raises(BenchmarkError, match=r"expected one of \.safetensors, \.pt, \.keras\."):
        save_head(tmp_path / "head.npz", HEAD)
    with pytest.raises(BenchmarkError, match="does not say what its head belongs to"):
        load_head(tmp_path / "head.pt", {"plan": "ab12"})


def test_a_format_of_the_other_framework_is_refused_before_any_work(tests, tmp_path):
    with pytest.raises(BenchmarkError) as error:
        check_format(replace(tests["keras"][0], path=tmp_path / "m.onnx"))
    assert str(error.value) == (
        f"{tmp_path}/m.onnx has no suffix of a format that tiny/in-keras can be exported to; "
        "expected .keras."
    )
