"""Keras on PyTorch, with batch size 1 and a new process for each model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarking.models.frameworks import Device, _keras, pytorch
from benchmarking.models.spec import Predictor, Probabilities
from benchmarking.pictures.recipe import Crops, Scaling

if TYPE_CHECKING:
    import keras

NAME = "keras-torch"
TITLE = "Keras on PyTorch"
MODULES = ("keras", "torch", "PIL")
EXTRA = "keras-torch"
EXECUTOR = "fresh-process"
PRECISIONS = ("float32", "tf32")
BATCH_SIZES = _keras.BATCH_SIZES
seed = _keras.seed
is_out_of_memory = pytorch.is_out_of_memory


def prepare(gpu: int | None, precision: str = "float32") -> Device:
    """Set up this process as for PyTorch, and start Keras on it.

    Raises:
        BenchmarkError: there is no such GPU, tf32 is requested on a CPU, or Keras already runs on
            another backend.
        MissingDependency: Keras or PyTorch is not installed.
    """
    device = pytorch.prepare(gpu, precision)
    _keras.start("torch", EXTRA)
    return device


def predictor(
    model: keras.Model, scaling: Scaling, device: Device, precision: str = "float32"
) -> Predictor:
    """The model in inference mode; its output is softmax.

    `precision` is ignored: `prepare` has set the precision of the whole process.
    """
    import keras
    import torch

    model.to(device.address)

    def predict(crops: Crops) -> Probabilities:
        with torch.inference_mode(), keras.device(device.address):
            found = model(_keras.scaled(crops, scaling), training=False)
            return np.asarray(keras.ops.convert_to_numpy(found), dtype=np.float32)

    return predict


def layer_outputs(
    model: keras.Model, scaling: Scaling, device: Device, crops: Crops
) -> dict[str, NDArray[np.float32]]:
    """Output of each layer that has weights, by layer name, in order, channels last."""
    import keras
    import torch

    model.to(device.address)
    with torch.inference_mode(), keras.device(device.address):
        return _keras.layer_outputs(model, _keras.scaled(crops, scaling))


def versions() -> dict[str, str]:
    """Versions of the libraries that compute the predictions."""
    import keras

    return {"keras": keras.__version__, **pytorch.versions()}
