"""Files of a result: predictions as pictures, the trained model, its head."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from benchmarking.cli import main
from benchmarking.errors import BenchmarkError
from benchmarking.experiments import Model
from benchmarking.experiments.transfer.folders import open_folders
from benchmarking.experiments.transfer.head_files import load_head
from benchmarking.experiments.transfer.plan import Training
from benchmarking.experiments.transfer.protocols import Options, work_of
from benchmarking.experiments.transfer.result_files import save_result, the_result
from benchmarking.experiments.transfer.sweep import Result, known
from benchmarking.models.sources import the_spec

pytestmark = pytest.mark.usefixtures("tiny_networks")
OPTIONS = Options(training=Training(head=8, batch_size=8), heads=("pytorch",))


@pytest.fixture(scope="module")
def written(stripes, tmp_path_factory) -> Path:
    """A folder with files of the command, and its store `mine`."""
    folder = tmp_path_factory.mktemp("written")
    command = ["transfer", stripes / "train", stripes / "validation", "--name", "stripes"]
    command += ["--models", "tiny/in-pytorch", "--heads", "pytorch", "--head", 8]
    command += ["--batch-size", 8, "--gpu", "cpu", "--workers", 1, "--store", folder / "mine"]
    command += ["--predictions", folder / "sheet.png", "--export", folder / "model.pt2"]
    command += ["--export", folder / "head.safetensors"]
    assert main(list(map(str, command))) == 0
    return folder


@pytest.fixture(scope="module")
def result(written, stripes) -> Result:
    """The result that the command has stored."""
    task = open_folders(stripes / "train", stripes / "validation", name="stripes").task
    model, store = Model(the_spec("tiny/in-pytorch"), -1, 1), written / "mine-transfer"
    (work,) = work_of(task, model, OPTIONS, store)
    trained = known(work, store)
    assert trained is not None
    return Result(work, trained)


def test_the_head_is_the_stored_one_and_says_what_it_belongs_to(written, result):
    head = load_head(written / "head.safetensors", {"classes": ["level", "upright"], "seed": 0})
    assert all((head[name] == value).all() for name, value in result.trained.after.items())


def test_the_whole_model_gives_the_stored_probabilities(written, result):
    import torch

    model = torch.export.load(written / "model.pt2").module()
    pictures = result.work.task.validation.pictures
    pixels = np.stack(
        [np.asarray(Image.open(one.place.file).resize((32, 32), 2)) for one in pictures]
    )
    scaled = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
    found = model(scaled).softmax(dim=1).detach().numpy()
    np.testing.assert_allclose(found, result.trained.probabilities, atol=1e-5)


def test_predictions_are_written_as_a_picture(written):
    with Image.open(written / "sheet.png") as file:
        assert min(file.size) > 300


def test_a_backbone_that_has_changed_is_not_exported(result, tmp_path):
    moved = replace(result, trained=replace(result.trained, changed=("1.running_mean",)))
    with pytest.raises(BenchmarkError, match="has changed 1 of the backbone's tensors, which are"):
        save_result(moved, tmp_path / "model.pt2")


def test_one_model_is_needed_and_a_known_suffix(result, tmp_path):
    other = SimpleNamespace(task=replace(result.work.task, name="other"), model=result.work.model)
    with pytest.raises(BenchmarkError, match="holds one trained model, and there are 2"):
        the_result([result, SimpleNamespace(work=other)])
    assert the_result([result]) is result
    with pytest.raises(BenchmarkError, match=r"expected \.pt2, \.onnx, \.keras for the whole mode"):
        save_result(result, tmp_path / "model.tflite")
