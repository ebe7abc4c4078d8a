"""Keras on JAX, with batch size 1 and a new process for each model."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import requires
from benchmarking.models.frameworks import NO_GPU, Device, _keras, choose_gpu
from benchmarking.models.spec import Predictor, Probabilities
from benchmarking.pictures.recipe import Crops, Scaling

if TYPE_CHECKING:
    import keras

NAME = "keras-jax"
TITLE = "Keras on JAX"
MODULES = ("keras", "jax", "PIL")
EXTRA = "keras-jax"
EXECUTOR = "fresh-process"
PRECISIONS = ("float32",)
BATCH_SIZES = _keras.BATCH_SIZES
seed = _keras.seed


def prepare(gpu: int | None, precision: str = "float32") -> Device:
    """Set up this process for reproducible results in float32, and choose its device.

    Args:
        gpu: number of a visible GPU, or None or NO_GPU; see `choose_gpu`.
        precision: one of PRECISIONS.

    Raises:
        BenchmarkError: there is no such GPU, or Keras already runs on another backend.
        MissingDependency: Keras or JAX is not installed.
    """
    # JAX reads these when it looks for devices.
    if gpu == NO_GPU:
        os.environ["JAX_PLATFORMS"] = "cpu"
    flags = os.environ.get("XLA_FLAGS", "")
    os.environ["XLA_FLAGS"] = f"{flags} --xla_gpu_deterministic_ops=true".strip()
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    with requires(EXTRA):
        import jax
    _keras.start("jax", EXTRA)
    settings: Any = jax.config
    settings.update("jax_default_matmul_precision", "highest")
    gpus = [device for device in jax.devices() if device.platform == "gpu"]
    number = choose_gpu(gpu, len(gpus), "JAX")
    chosen = jax.devices("cpu")[0] if number is None else gpus[number]
    settings.update("jax_default_device", chosen)
    if number is None:
        return Device("cpu", "cpu", "cpu")
    return Device(str(chosen), "gpu", chosen.device_kind)


def predictor(
    model: keras.Model, scaling: Scaling, device: Device, precision: str = "float32"
) -> Predictor:
    """The model in inference mode, compiled; its output is softmax.

    `device` and `precision` are ignored: `prepare` has set those of the whole process.
    """
    import jax

    variables = [
        [variable.value for variable in some]
        for some in (model.trainable_variables, model.non_trainable_variables)
    ]
    compiled = jax.jit(
        lambda values, pixels: model.stateless_call(*values, pixels, training=False)[0]
    )

    def predict(crops: Crops) -> Probabilities:
        return np.asarray(compiled(variables, _keras.scaled(crops, scaling)), dtype=np.float32)

    return predict


def layer_outputs(
    model: keras.Model, scaling: Scaling, device: Device, crops: Crops
) -> dict[str, NDArray[np.float32]]:
    """Output of each layer that has weights, by layer name, in order, channels last."""
    return _keras.layer_outputs(model, _keras.scaled(crops, scaling))


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error means that the device or the machine is out of memory."""
    return "RESOURCE_EXHAUSTED" in str(error)


def versions() -> dict[str, str]:
    """Versions of the libraries that compute the predictions."""
    import jax
    import keras
    from jaxlib.version import __version__ as jaxlib_version

    return {"keras": keras.__version__, "jax": jax.__version__, "jaxlib": jaxlib_version}
