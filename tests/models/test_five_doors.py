"""One set of weights through every way to run it gives the same predictions, in one table."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarking.cli import main
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store

LITE0 = "efficientnet-lite0"
PYTORCH = f"efficientnet-lite-pytorch/{LITE0}"
DOORS = {
    PYTORCH: f"--models {PYTORCH}",
    f"efficientnet-lite-keras/{LITE0}": f"--models efficientnet-lite-keras/{LITE0}",
    f"efficientnet-lite-keras-torch/{LITE0}": f"--models efficientnet-lite-keras-torch/{LITE0}",
    f"efficientnet-lite-keras-jax/{LITE0}": f"--models efficientnet-lite-keras-jax/{LITE0}",
    "checkpoint/lite0-timm": "--checkpoint lite0-timm.safetensors "
    "--arch timm/tf_efficientnet_lite0.in1k",
    "model-file/lite0": f"--model-file lite0.onnx --recipe-of {PYTORCH}",
}

EXPORT = """
import timm
import torch
from safetensors.torch import save_file
from benchmarking.models.sources import source_of, the_spec, weights_path

spec = the_spec("efficientnet-lite-pytorch/efficientnet-lite0")
model = source_of(spec).build(spec, weights_path(spec, None)).eval()
size = torch.export.Dim("n")
torch.onnx.export(
    model, (torch.zeros(2, 3, 224, 224),), "lite0.onnx", dynamo=True, dynamic_shapes=({0: size},)
)
# timm has the same tensors in the same order, under other names.
names, tensors = timm.create_model("tf_efficientnet_lite0").state_dict(), model.state_dict()
save_file(dict(zip(names, tensors.values(), strict=True)), "lite0-timm.safetensors")
"""


@pytest.mark.models
def test_the_same_weights_through_six_doors_give_the_same_top_5(
    sample_images, full, tmp_path, monkeypatch, capsys
):
    if not full:
        pytest.skip("six frameworks on 500 pictures take minutes: add --full")
    monkeypatch.chdir(tmp_path)
    subprocess.run([sys.executable, "-c", EXPORT], check=True, capture_output=True)
    for options in DOORS.values():
        assert main(["predict", str(sample_images), "--store", "doors", *options.split()]) == 0
    store = Store(Path("doors"))
    runs = [Run("sample_images", *door.split("/"), "published") for door in DOORS]
    assert set(store.runs("sample_images")) == set(runs)
    reference, *others = map(store.read, runs)
    assert reference.classes.shape == (500, 5)
    for door, other in zip(list(DOORS)[1:], others, strict=True):
        same = (other.classes == reference.classes).all(axis=1)
        difference = np.abs(other.probabilities - reference.probabilities).max()
        assert same.all(), door
        assert difference < 1e-5, door
    capsys.readouterr()
    assert main(["table", "--store", "doors"]) == 0
    rows = capsys.readouterr().out.splitlines()[2:]
    assert len(list(filter(None, rows))) == 6
