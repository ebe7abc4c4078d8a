"""Frameworks, each in its own process, since TensorFlow and PyTorch's compiler conflict in one."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarking.errors import BenchmarkError
from benchmarking.models import frameworks
from benchmarking.models.frameworks import NO_GPU, choose_gpu
from benchmarking.pictures.recipe import SCALINGS

KERASS_OWN = [name for name in SCALINGS if name != "identity"]

SCRIPT = """
import sys
import numpy as np
from benchmarking.models.frameworks import {name} as framework
from benchmarking.pictures.recipe import SCALINGS

device = framework.prepare(-1)
pixels = np.random.default_rng(0).integers(0, 256, (2, 6, 5, 3), dtype=np.uint8)
seen = {{}}
{body}
np.savez(sys.argv[1], pixels=pixels, **seen)
"""

# A model that records its input, and returns one logit for each value, as softmax expects.
PYTORCH = """
import torch

class Spy(torch.nn.Module):
    def forward(self, x):
        seen[scaling] = x.permute(0, 2, 3, 1).numpy().copy()
        seen["training"] = self.training
        seen["inference"] = x.is_inference()
        return x.flatten(1)

for scaling, rule in SCALINGS.items():
    framework.predictor(Spy(), rule, device)(pixels)
torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(90, 7)).eval()
given = framework.predictor(net, SCALINGS["identity"], device)
seen["probabilities"], seen["logits"] = given.with_logits(pixels)
seen["alone"] = given(pixels)
with torch.no_grad():
    seen["own"] = net(torch.from_numpy(pixels).permute(0, 3, 1, 2).float()).numpy()
seen["deterministic"] = torch.are_deterministic_algorithms_enabled()
seen["tf32"] = torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32
"""

PRECISIONS = """
import torch

net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(90, 7))
outputs = []
net[1].register_forward_hook(lambda layer, given, output: outputs.append(output.dtype))
for precision in ("float32", "bf16", "fp16"):
    device = framework.prepare(-1, precision)
    seen[precision] = framework.predictor(net, SCALINGS["torch"], device, precision)(pixels)
seen["dtypes"] = np.array([str(dtype) for dtype in outputs])
try:
    framework.prepare(-1, "tf32")
except framework.BenchmarkError as error:
    seen["tf32 on a CPU"] = np.array(str(error))
"""

KERAS = """
import keras
import tensorflow as tf
from keras.applications.imagenet_utils import preprocess_input
from tensorflow.python.framework import config

for scaling, rule in SCALINGS.items():
    if scaling == "identity":  # none of Keras's modes
        continue
    inputs = keras.Input((6, 5, 3))
    same = keras.Model(inputs, keras.layers.Activation("linear")(inputs))
    seen[scaling] = framework.predictor(same, rule, device)(pixels)
    mode = scaling.removesuffix("-swapped")
    given = pixels[..., ::-1] if scaling != mode else pixels
    seen["expected_" + scaling] = preprocess_input(given.astype("float32"), mode=mode)
keras.utils.set_random_seed(0)
for name, end in {
    "activation": keras.layers.Dense(7, activation="softmax"),
    "layer": keras.layers.Dense(7),
    "none": keras.layers.Dense(7, activation="softmax"),
}.items():
    inputs = keras.Input((6, 5, 3))
    flat = keras.layers.Flatten()(inputs)
    outputs = end(flat)
    if name == "layer":
        outputs = keras.layers.Softmax()(outputs)
    if name == "none":
        outputs = outputs + 0
    given = framework.predictor(keras.Model(inputs, outputs), SCALINGS["tf"], device)
    seen[name + " probabilities"], seen[name + " logits"] = given.with_logits(pixels)
    seen[name + " alone"] = given(pixels)
    scaled = preprocess_input(pixels.astype("float32"), mode="tf").reshape(2, -1)
    seen[name + " own"] = scaled @ end.kernel.numpy() + end.bias.numpy()
seen["floatx"] = keras.config.floatx()
seen["policy"] = keras.config.dtype_policy().name
seen["layout"] = keras.config.image_data_format()
seen["deterministic"] = config.is_op_determinism_enabled()
seen["tf32"] = tf.config.experimental.tensor_float_32_execution_enabled()
"""


def run(tmp_path: Path, name: str, body: str, **environment: str) -> dict[str, np.ndarray]:
    script = SCRIPT.format(name=name, body=body)
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "seen.npz"],
        env={**__import__("os").environ, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return dict(np.load(tmp_path / "seen.npz"))


def assert_same_logits(logits: np.ndarray, own: np.ndarray) -> None:
    np.testing.assert_allclose(logits, own, rtol=1e-4, atol=1e-4)


@pytest.fixture(scope="module")
def keras(tmp_path_factory):
    """Results under user settings that would change the predictions."""
    home = tmp_path_factory.mktemp("home")
    (home / "keras.json").write_text(
        '{"floatx": "float64", "image_data_format": "channels_first", "backend": "torch"}'
    )
    return run(home, "keras", KERAS, KERAS_HOME=str(home))


@pytest.fixture(scope="module")
def pytorch(tmp_path_factory):
    return run(tmp_path_factory.mktemp("pytorch"), "pytorch", PYTORCH)


@pytest.mark.parametrize("scaling", KERASS_OWN)
def test_keras_models_get_the_input_of_keras_own_preprocessing(keras, scaling):
    assert (keras[scaling] == keras[f"expected_{scaling}"]).all()


@pytest.mark.parametrize("scaling", KERASS_OWN)
def test_pytorch_models_get_the_same_input_as_keras_models(pytorch, keras, scaling):
    assert (pytorch["pixels"] == keras["pixels"]).all()
    assert np.abs(pytorch[scaling] - keras[scaling]).max() <= 1e-6


def test_pytorch_runs_in_evaluation_and_inference_mode_deterministic_without_tf32(pytorch):
    assert not pytorch["training"]
    assert pytorch["inference"]
    assert pytorch["deterministic"]
    assert not pytorch["tf32"]


def test_keras_runs_in_float32_deterministic_without_tf32_despite_user_settings(keras):
    assert (keras["floatx"], keras["policy"]) == ("float32", "float32")
    assert keras["layout"] == "channels_last"
    assert keras["deterministic"]
    assert not keras["tf32"]


def test_pytorch_computes_in_lower_precision_on_request(tmp_path):
    seen = run(tmp_path, "pytorch", PRECISIONS)
    assert seen["dtypes"].tolist() == ["torch.float32", "torch.bfloat16", "torch.float16"]
    for precision in ("float32", "bf16", "fp16"):
        assert seen[precision].dtype == np.float32
        assert np.allclose(seen[precision].sum(axis=1), 1, atol=1e-6)
        assert np.allclose(seen[precision], seen["float32"], atol=0.02)
    assert (seen["bf16"] != seen["float32"]).any()
    assert "tf32 is a mode of GPUs" in str(seen["tf32 on a CPU"])


class OutOfMemoryError(RuntimeError):
    """Has the name of PyTorch's error."""


class ResourceExhaustedError(Exception):
    """Has the name of TensorFlow's error."""


@pytest.mark.parametrize(
    ("name", "error", "expected"),
    [
        ("pytorch", OutOfMemoryError("CUDA out of memory"), True),
        ("pytorch", RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), True),
        ("pytorch", RuntimeError("not enough memory: you tried to allocate 3 bytes"), True),
        ("pytorch", RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        ("keras", ResourceExhaustedError("OOM when allocating tensor"), True),
        ("keras", ValueError("shape"), False),
    ],
)
def test_a_framework_recognises_its_own_memory_errors(name, error, expected):
    assert frameworks.frameworks()[name].is_out_of_memory(error) is expected


@pytest.mark.parametrize(
    ("asked", "visible", "chosen"), [(None, 2, 0), (None, 0, None), (1, 2, 1), (NO_GPU, 2, None)]
)
def test_the_gpu_is_the_requested_one_else_the_first_else_none(asked, visible, chosen):
    assert choose_gpu(asked, visible, "It") == chosen


@pytest.mark.parametrize(
    ("asked", "visible", "seen"), [(0, 0, "no GPU"), (2, 2, "GPUs 0 to 1"), (-2, 2, "GPUs 0 to 1")]
)
def test_a_missing_gpu_is_an_error(asked, visible, seen):
    with pytest.raises(BenchmarkError, match=f"there is no GPU {asked}: It sees {seen}"):
        choose_gpu(asked, visible, "It")


@pytest.mark.parametrize("module", frameworks.frameworks().values(), ids=lambda module: module.NAME)
def test_every_framework_has_a_batch_size_for_each_kind_of_device(module):
    assert module.BATCH_SIZES.keys() == {"cpu", "gpu"}


WITHOUT_HOME = """
import os, pwd
def unknown(number):
    raise KeyError(number)
pwd.getpwuid = unknown
os.environ.pop("HOME", None)
os.environ.pop("KERAS_HOME", None)
from benchmarking.models.frameworks import NO_GPU, keras
keras.prepare(NO_GPU)
"""


@pytest.mark.models
def test_keras_makes_no_folder_here_if_there_is_no_home_folder(tmp_path):
    subprocess.run([sys.executable, "-c", WITHOUT_HOME], cwd=tmp_path, check=True)
    assert list(tmp_path.iterdir()) == []


def test_pytorch_gives_the_logits_of_the_same_forward_pass(tmp_path):
    seen = run(tmp_path, "pytorch", PYTORCH)
    assert_same_logits(seen["logits"], seen["own"])
    assert (seen["probabilities"] == seen["alone"]).all()


@pytest.mark.parametrize("end", ["activation", "layer"])
def test_keras_gives_what_its_softmax_was_given(keras, end):
    assert_same_logits(keras[f"{end} logits"], keras[f"{end} own"])
    np.testing.assert_allclose(keras[f"{end} probabilities"], keras[f"{end} alone"], rtol=1e-6)


def test_keras_gives_logarithms_if_its_softmax_is_not_the_last_layer(keras):
    np.testing.assert_allclose(keras["none logits"], np.log(keras["none probabilities"]), rtol=1e-5)


AFTER_TENSORFLOW = """
import tensorflow
from benchmarking.models.frameworks import pytorch

pytorch.prepare(-1)
import torch, torchvision
print(torch.compile(torch.nn.Identity())(torch.ones(1)).item())
"""


@pytest.mark.models
def test_pytorch_and_its_compiler_run_in_a_process_that_has_imported_tensorflow():
    command = [sys.executable, "-W", "ignore", "-c", AFTER_TENSORFLOW]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "1.0\n"), done.stderr[-2000:]
