"""Frameworks, each in a process of its own: TensorFlow and PyTorch's compiler do not share one."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarking import frameworks
from benchmarking.errors import BenchmarkError
from benchmarking.frameworks import NO_GPU, choose_gpu
from benchmarking.plugins import discover
from benchmarking.specs import SCALINGS

SCRIPT = """
import sys
import numpy as np
from benchmarking.frameworks import {name} as framework
from benchmarking.specs import SCALINGS

device = framework.prepare(-1)
pixels = np.random.default_rng(0).integers(0, 256, (2, 6, 5, 3), dtype=np.uint8)
seen = {{}}
{body}
np.savez(sys.argv[1], pixels=pixels, **seen)
"""

# A model that shows its input, and one logit for each of its values so that softmax is harmless.
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
seen["deterministic"] = torch.are_deterministic_algorithms_enabled()
seen["tf32"] = torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32
"""

KERAS = """
import keras
import tensorflow as tf
from keras.applications.imagenet_utils import preprocess_input
from tensorflow.python.framework import config

for scaling, rule in SCALINGS.items():
    inputs = keras.Input((6, 5, 3))
    same = keras.Model(inputs, keras.layers.Activation("linear")(inputs))
    seen[scaling] = framework.predictor(same, rule, device)(pixels)
    mode = scaling.removesuffix("-swapped")
    given = pixels[..., ::-1] if scaling != mode else pixels
    seen["expected_" + scaling] = preprocess_input(given.astype("float32"), mode=mode)
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


@pytest.fixture(scope="module")
def keras(tmp_path_factory):
    """Under settings of a user's that would change the answer."""
    home = tmp_path_factory.mktemp("home")
    (home / "keras.json").write_text(
        '{"floatx": "float64", "image_data_format": "channels_first", "backend": "torch"}'
    )
    return run(home, "keras", KERAS, KERAS_HOME=str(home))


@pytest.fixture(scope="module")
def pytorch(tmp_path_factory):
    return run(tmp_path_factory.mktemp("pytorch"), "pytorch", PYTORCH)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_keras_models_see_what_kerass_own_preprocessing_gives(keras, scaling):
    assert (keras[scaling] == keras[f"expected_{scaling}"]).all()


@pytest.mark.parametrize("scaling", SCALINGS)
def test_pytorch_models_see_what_keras_models_see(pytorch, keras, scaling):
    assert (pytorch["pixels"] == keras["pixels"]).all()
    assert np.abs(pytorch[scaling] - keras[scaling]).max() <= 1e-6


def test_pytorch_runs_in_evaluation_and_inference_mode_deterministic_without_tf32(pytorch):
    assert not pytorch["training"]
    assert pytorch["inference"]
    assert pytorch["deterministic"]
    assert not pytorch["tf32"]


def test_keras_runs_in_float32_deterministic_without_tf32_whatever_the_user_has_set(keras):
    assert (keras["floatx"], keras["policy"]) == ("float32", "float32")
    assert keras["layout"] == "channels_last"
    assert keras["deterministic"]
    assert not keras["tf32"]


@pytest.mark.parametrize(
    ("asked", "visible", "chosen"), [(None, 2, 0), (None, 0, None), (1, 2, 1), (NO_GPU, 2, None)]
)
def test_the_gpu_is_the_one_asked_for_else_the_first_else_none(asked, visible, chosen):
    assert choose_gpu(asked, visible, "It") == chosen


@pytest.mark.parametrize(
    ("asked", "visible", "seen"), [(0, 0, "no GPU"), (2, 2, "GPUs 0 to 1"), (-2, 2, "GPUs 0 to 1")]
)
def test_a_gpu_that_is_not_there_is_an_error(asked, visible, seen):
    with pytest.raises(BenchmarkError, match=f"there is no GPU {asked}: It sees {seen}"):
        choose_gpu(asked, visible, "It")


@pytest.mark.parametrize("module", discover(frameworks).values(), ids=lambda module: module.NAME)
def test_every_framework_has_a_batch_size_for_each_kind_of_device(module):
    assert module.BATCH_SIZES.keys() == {"cpu", "gpu"}
