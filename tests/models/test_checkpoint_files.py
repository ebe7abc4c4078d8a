"""The user's own checkpoints in the forms that training scripts write."""

import argparse
import json
import os
import subprocess
import sys
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path, PosixPath

import numpy as np
import pytest

from benchmarking import load_model, predict
from benchmarking.cli import main
from benchmarking.errors import BenchmarkError, WeightsError
from benchmarking.models.sources import check_installed, spec_of
from benchmarking.models.sources.checkpoint import build, spec_of_checkpoint
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store

ARCHITECTURE = "torchvision/resnet18"
LITE = "efficientnet-lite-pytorch/efficientnet-lite0"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.pth"
    path.write_bytes(b"tensors")
    return path


def test_a_checkpoint_is_named_after_its_file_and_claims_no_published_accuracy(file):
    spec = spec_of_checkpoint(file, ARCHITECTURE)
    listed = spec_of("torchvision", "resnet18")
    assert spec.full_name == "checkpoint/mine"
    assert spec.published is None
    assert (spec.recipes, spec.built_as) == (listed.recipes, listed)
    assert spec.weights.published_digest == "none"
    check_installed(spec)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("model_best.pth.tar", "model_best"),
        ("mine.weights.h5", "mine"),
        ("epoch=3-val.acc=0.7.ckpt", "epoch-3-val-acc-0-7"),
        ("model.safetensors", "model"),
    ],
)
def test_file_names_become_valid_model_names(tmp_path, name, expected):
    (tmp_path / name).touch()
    architecture = "keras/VGG16" if name.endswith("h5") else ARCHITECTURE
    assert spec_of_checkpoint(tmp_path / name, architecture).name == expected


@pytest.mark.parametrize(
    ("name", "architecture", "message"),
    [
        ("mine.weights.h5", ARCHITECTURE, "suffix of a file of keras, but .* a model of pytorch"),
        ("mine.pth", "keras/VGG16", "suffix of a file of pytorch, but keras/VGG16"),
        ("mine.keras", "keras/VGG16", "whole model; give it with --model-file"),
        ("mine.onnx", ARCHITECTURE, "whole model; give it with --model-file"),
        ("模型.pth", ARCHITECTURE, "no name can be made of 模型.pth.* give one with --name"),
        ("mine.pth", "resnet*", r"means \d+ models; name one"),
        ("mine.pth", "resnet19", "unknown model 'resnet19'"),
        ("missing.pth", ARCHITECTURE, "missing.pth does not exist"),
        ("folder.pth", ARCHITECTURE, "folder.pth is not a file"),
    ],
)
def test_a_wrong_file_or_architecture_is_refused(tmp_path, name, architecture, message):
    (tmp_path / "folder.pth").mkdir()
    if name.startswith(("mine", "模型")):
        (tmp_path / name).touch()
    with pytest.raises(BenchmarkError, match=message):
        spec_of_checkpoint(tmp_path / name, architecture)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--checkpoint", "FILE"], "has no architecture; name one with --arch"),
        (["--arch", ARCHITECTURE], "--arch is about a checkpoint"),
        (["--name", "mine"], "--name is about a checkpoint"),
        (
            ["--checkpoint", "FILE", "--arch", ARCHITECTURE, "--weights", "random"],
            "a checkpoint has its own weights",
        ),
        (
            ["--checkpoint", "FILE", "--arch", ARCHITECTURE, "--weights-dir", "x"],
            "--weights-dir has the files of listed models",
        ),
    ],
)
def test_options_that_contradict_each_other_are_refused(file, tmp_path, capsys, options, message):
    given = [str(file) if option == "FILE" else option for option in options]
    assert main(["predict", "demo", *given, "--store", str(tmp_path / "store")]) == 2
    assert message in capsys.readouterr().err


def test_a_part_of_a_file_of_keras_is_refused(tmp_path):
    (tmp_path / "mine.weights.h5").touch()
    with pytest.raises(BenchmarkError, match="part 'ema' is of a checkpoint of pytorch"):
        spec_of_checkpoint(tmp_path / "mine.weights.h5", "keras/VGG16", part="ema")


class Small:
    """A source with a tiny architecture, so that tests of tensor names need no large model."""

    @staticmethod
    def build(spec, weights):
        import torch

        torch.manual_seed(1)
        layers = [torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten()]
        return torch.nn.Sequential(*layers, torch.nn.Linear(4, 5))


@pytest.fixture
def small(monkeypatch):
    """Tensors of the tiny architecture whose values differ from those of a new model."""
    import torch

    monkeypatch.setattr("benchmarking.models.sources.checkpoint.source_of", lambda spec: Small)
    torch.manual_seed(2)
    return {
        name: torch.randn_like(one) if one.is_floating_point() else one
        for name, one in Small.build(None, None).state_dict().items()
    }


def loaded(path, part=""):
    return build(spec_of_checkpoint(path, ARCHITECTURE, part=part), path).state_dict()


def under(prefix, tensors):
    return {prefix + name: one for name, one in tensors.items()}


def without_counter(tensors):
    return {name: one for name, one in tensors.items() if not name.endswith("num_batches_tracked")}


def test_a_part_needs_a_checkpoint():
    for function in (load_model, partial(predict, images="demo", store="store")):
        with pytest.raises(BenchmarkError, match="give checkpoint= as well"):
            function(ARCHITECTURE, part="ema")


FORMS = {
    "plain": lambda t: t,
    "state_dict": lambda t: {"state_dict": t, "epoch": 90, "best_acc1": np.float64(76.1)},
    "data parallel": lambda t: {"state_dict": under("module.", t), "arch": "resnet18"},
    "compiled": lambda t: under("_orig_mod.", t),
    "lightning": lambda t: {"state_dict": under("model.", t), "pytorch-lightning_version": "2"},
    "compiled and parallel": lambda t: {"model": under("module._orig_mod.", t)},
    "script's arguments": lambda t: {"model": t, "args": argparse.Namespace(lr=PosixPath("x"))},
    "old, without counters": without_counter,
    "averaged": lambda t: under("module.", t) | {"n_averaged": next(iter(t.values())).new_ones(())},
    "with its optimiser": lambda t: {
        "model": t,
        "optimizer": {"state": {0: {"exp_avg": next(iter(t.values()))}}},
    },
    "a tuple, deep within": lambda t: (3, {"a": {"b": {"c": {"d": {"e": [t]}}}}}),
    "with an equal average": lambda t: {"model": t, "model_ema": dict(t)},
}


@pytest.mark.parametrize("form", FORMS)
def test_tensors_are_found_in_every_form_that_training_scripts_write(small, tmp_path, form):
    import torch

    torch.save(FORMS[form](small), tmp_path / "mine.pth")
    found = loaded(tmp_path / "mine.pth")
    assert all(torch.equal(found[name], one) for name, one in without_counter(small).items())


def test_safetensors_are_read(small, tmp_path):
    import torch
    from safetensors.torch import save_file

    save_file(under("module.", small), tmp_path / "mine.safetensors")
    found = loaded(tmp_path / "mine.safetensors")
    assert all(torch.equal(found[name], one) for name, one in small.items())


def test_a_file_with_weights_and_their_moving_average_is_refused_without_a_choice(small, tmp_path):
    import torch

    average = {name: one + 1 for name, one in small.items()}
    path = tmp_path / "mine.pth"
    torch.save({"state_dict": under("module.", small), "state_dict_ema": average}, path)
    with pytest.raises(
        WeightsError, match="'state_dict.module' and 'state_dict_ema'; one of .*--part"
    ):
        loaded(path)
    for part, expected in (("state_dict", small), ("state_dict_ema", average)):
        assert torch.equal(loaded(path, part)["0.weight"], expected["0.weight"])
    with pytest.raises(
        WeightsError, match=r"no part 'ema' .* are in 'state_dict.module', 'state_dict_ema'\."
    ):
        loaded(path, "ema")


def test_an_average_of_the_parameters_alone_is_not_ignored(small, tmp_path):
    import torch

    average = {name: one + 1 for name, one in small.items() if "running" not in name}
    path = tmp_path / "mine.pth"
    torch.save({"model": small, "ema_shadow": without_counter(average)}, path)
    with pytest.raises(WeightsError, match="different tensors .* in 'model' and 'ema_shadow'"):
        loaded(path)
    assert torch.equal(loaded(path, "model")["0.weight"], small["0.weight"])


def test_an_average_in_a_list_is_not_ignored(small, tmp_path):
    import torch

    path = tmp_path / "mine.pth"
    named = [one for name, one in small.items() if name.endswith(("weight", "bias"))]
    torch.save({"model": small, "ema": {"shadow_params": [one + 1 for one in named]}}, path)
    with pytest.raises(WeightsError, match=r"in 'model', and others .* list 'ema.shadow_params'"):
        loaded(path)
    assert torch.equal(loaded(path, "model")["0.weight"], small["0.weight"])
    torch.save({"model": small, "ema": {"shadow_params": named}}, path)
    assert torch.equal(loaded(path)["0.weight"], small["0.weight"])


def test_a_torchscript_program_is_named(small, tmp_path):
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(Small.build(None, None)).save(tmp_path / "mine.pt")
    with pytest.raises(WeightsError, match="mine.pt is a TorchScript program"):
        loaded(tmp_path / "mine.pt")


def test_a_checkpoint_of_another_architecture_is_refused_with_ten_names(small, tmp_path):
    import torch

    more = {f"layer{n}.weight": torch.zeros(2) for n in range(20)}
    wrong = {**small, "3.weight": torch.zeros(10, 4), **more}
    del wrong["0.bias"]
    torch.save(wrong, tmp_path / "mine.pth")
    with pytest.raises(WeightsError) as error:
        loaded(tmp_path / "mine.pth")
    first, *lines = str(error.value).splitlines()
    assert first == f"mine.pth does not fit {ARCHITECTURE}: its tensors have 22 differences."
    assert lines[:2] == ["  0.bias is missing", "  3.weight is 10 x 4; the model has 5 x 4"]
    assert lines[-2:] == ["  layer7.weight is not in the model", "  and 12 more"]
    assert len(lines) == 11


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda t: (100 * t).char(), "3.weight holds int8; the model has float32"),
        (lambda t: t > 0, "3.weight holds bool; the model has float32"),
        (lambda t: t + 0j, "3.weight holds complex64; the model has float32"),
        (lambda t: t * float("nan"), "3.weight has NaN or infinity"),
        (lambda t: (1e9 * t).half(), "3.weight has NaN or infinity"),
        (lambda t: t.to_sparse(), "3.weight is a tensor without data, sparse or quantized"),
        (lambda t: t.to("meta"), "3.weight is a tensor without data, sparse or quantized"),
    ],
)
def test_tensors_that_cannot_be_weights_are_refused(small, tmp_path, change, problem):
    """PyTorch would copy some of them without a word."""
    import torch

    torch.save({**small, "3.weight": change(small["3.weight"])}, tmp_path / "mine.pth")
    with pytest.raises(WeightsError, match=rf"1 difference\.\n  {problem}"):
        loaded(tmp_path / "mine.pth")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("other names", "no tensor has a name of this architecture. The file has a.b"),
        ("numbers", "contains no tensors"),
        ("whole model", "contains more than tensors and plain values, .*torch.nn.modules.linear"),
        ("text", "cannot be read: it is damaged"),
        ("half", "cannot be read: it is damaged"),
    ],
)
def test_a_file_without_the_tensors_is_refused(small, tmp_path, content, message):
    import torch

    path = tmp_path / "mine.pth"
    things = {
        "other names": {"a": {"b": torch.zeros(2)}},
        "numbers": {"epoch": 3},
        "whole model": torch.nn.Linear(2, 2),
        "half": small,
    }
    torch.save(things.get(content, small), path)
    if content in ("text", "half"):
        path.write_bytes(b"hello" if content == "text" else path.read_bytes()[:900])
    with pytest.raises(WeightsError, match=message):
        loaded(path)


class Harmful:
    def __reduce__(self):
        return Path.touch, (Path("ran"),)


def test_no_code_of_a_checkpoint_is_run(small, tmp_path, monkeypatch):
    import torch

    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": small, "more": Harmful()}, tmp_path / "mine.pth")
    with pytest.raises(WeightsError, match="it was not run: getattr. Save") as error:
        loaded(tmp_path / "mine.pth")
    assert not (tmp_path / "ran").exists()
    monkeypatch.setattr(Harmful, "__reduce__", lambda self: (os.system, ("touch ran",)))
    torch.save({"state_dict": small, "more": Harmful()}, tmp_path / "mine.pth")
    with pytest.raises(WeightsError, match=r"it was not run: posix\.system\. Save") as error:
        loaded(tmp_path / "mine.pth")
    assert "weights_only" not in str(error.value)  # PyTorch's advice would run the code
    assert not (tmp_path / "ran").exists()
    (tmp_path / "mine.pth").write_text("<html>")
    with pytest.raises(WeightsError, match="cannot be read: it is damaged"):
        loaded(tmp_path / "mine.pth")


REAL = """
import sys
from pathlib import Path
import torch
from benchmarking import load_model, predict
from benchmarking.errors import BenchmarkError
from benchmarking.models.sources import spec_of, weights_path

folder, architecture = Path(sys.argv[1]), sys.argv[2]
spec = spec_of(*architecture.split("/"))
state = torch.load(weights_path(spec, None), weights_only=True)
torch.save({"state_dict": {"module." + k: v for k, v in state.items()}}, folder / "mine.pth")
store = folder / "store"
print(*predict(architecture, "demo", store, checkpoint=folder / "mine.pth", executor="in-process"))
again = predict(architecture, "demo", store, checkpoint=folder / "mine.pth", executor="in-process")
print(*again)
last = list(state)[-1]
torch.save(state | {last: state[last] + 1}, folder / "mine.pth")
try:
    predict(architecture, "demo", store, checkpoint=folder / "mine.pth")
except BenchmarkError as error:
    print(error)
print(load_model(architecture, checkpoint=folder / "mine.pth"))
"""


@pytest.mark.models
def test_real_weights_in_a_checkpoint_predict_as_the_published_file_does(tmp_path, capsys):
    done = subprocess.run(
        [sys.executable, "-c", REAL, str(tmp_path), LITE], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    stored, again, refusal, shown = done.stdout.splitlines()
    assert stored == again == "checkpoint/mine (published) on demo"
    assert "has a run checkpoint/mine (published) on demo of another checkpoint" in refusal
    assert shown.startswith("<checkpoint/mine on cpu")
    store, shipped = Store(tmp_path / "store"), Store(Path(__file__).parents[2] / "precomputed")
    run = Run("demo", "checkpoint", "mine", "published")
    source, model = LITE.split("/")
    mine, theirs = store.read(run), shipped.read(replace(run, source=source, model=model))
    assert (mine.classes == theirs.classes).all()
    assert np.abs(mine.probabilities - theirs.probabilities).max() < 1e-6
    weights = store.provenance(run).weights
    assert (weights["name"], weights["file"]) == ("checkpoint", "mine.pth")
    assert weights["architecture"] == LITE
    assert main(["verify", "--store", str(store.folder)]) == 0
    assert "no published accuracy" in capsys.readouterr().out


KERAS = """
import json, sys
from pathlib import Path
import h5py, keras, numpy as np
from keras.src.utils import file_utils
from benchmarking.errors import WeightsError
from benchmarking.models.sources.checkpoint import build, spec_of_checkpoint

folder = Path(sys.argv[1])
keras.utils.set_random_seed(1)
model = keras.applications.MobileNet(weights=None)
said = {}
for name in ("mine.weights.h5", "old.h5"):
    model.save_weights(folder / name) if "weights" in name else model.save(folder / name)
    found = build(spec_of_checkpoint(folder / name, "keras/MobileNet"), folder / name)
    pairs = zip(found.get_weights(), model.get_weights(), strict=True)
    said[name] = all(np.array_equal(a, b) for a, b in pairs)
with h5py.File(folder / "mine.weights.h5", "a") as file:
    file["layers/conv2d_77/vars/0"] = np.zeros((3, 3))
for name in ("mine.weights.h5", "none.weights.h5"):
    path = folder / name
    if not path.exists():
        path.write_bytes(b"hello")
    try:
        build(spec_of_checkpoint(path, "keras/MobileNet"), path)
    except WeightsError as error:
        said["refused " + name] = str(error)

crops = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3)).astype("float32")
file_utils.get_file = lambda *_, **__: None  # instead of a download
loading, keras.Model.load_weights = keras.Model.load_weights, lambda *_, **__: None
pretrained = keras.applications.EfficientNetB0(weights="imagenet")
keras.Model.load_weights = loading
for layers, model in (
    ("as pretrained", pretrained),
    ("from scratch", keras.applications.EfficientNetB0(weights=None)),
):
    kernel = model.get_layer("predictions").kernel
    kernel.assign(8000 * kernel)  # so that predictions depend on the picture
    expected = np.asarray(model(crops, training=False))
    for name in ("layers.weights.h5", "layers.h5"):
        model.save_weights(folder / name) if "weights" in name else model.save(folder / name)
        found = build(spec_of_checkpoint(folder / name, "keras/EfficientNetB0"), folder / name)
        difference = np.abs(np.asarray(found(crops, training=False)) - expected).max()
        said[f"{layers} {name}"] = float(difference)
    said[f"{layers} spread"] = float(np.abs(expected[0] - expected[1]).max())
small = keras.applications.MobileNetV3Small(weights=None, include_preprocessing=False)
small.save_weights(folder / "small.weights.h5")
try:
    build(spec_of_checkpoint(folder / "small.weights.h5", "keras/MobileNetV3Small"),
          folder / "small.weights.h5")
except WeightsError as error:
    said["refused small"] = str(error)
print("said:", json.dumps(said))
"""


@pytest.mark.models
def test_weights_of_keras_are_loaded_and_differences_are_named(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", KERAS, str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.rpartition("said:")[2])
    assert said["mine.weights.h5"] is True
    assert said["old.h5"] is True
    assert "1 of 137 arrays differ" in said["refused mine.weights.h5"]
    assert (
        "layers/conv2d_77/vars/0: the file has 3 x 3, the model has none"
        in said["refused mine.weights.h5"]
    )
    assert "none.weights.h5 does not fit keras/MobileNet" in said["refused none.weights.h5"]
    # Keras adds a layer without arrays to EfficientNet if it has its own weights.
    for layers in ("as pretrained", "from scratch"):
        for name in ("layers.weights.h5", "layers.h5"):
            assert said[f"{layers} {name}"] < 1e-6
        assert said[f"{layers} spread"] > 1e-5
    assert "scale pixels are 1 in the model and 0 in the file" in said["refused small"]
