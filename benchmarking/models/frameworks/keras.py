"""Keras on TensorFlow, with batch size 1 and a new process for each model."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError, requires
from benchmarking.models.frameworks import Device, _keras, choose_gpu
from benchmarking.models.spec import Logits, Predictor, PredictorWithLogits, Probabilities
from benchmarking.pictures.recipe import Crops, Scaling

if TYPE_CHECKING:
    import keras

NAME = "keras"
TITLE = "Keras"
MODULES = ("keras", "tensorflow", "PIL")
EXTRA = "keras"
EXECUTOR = "fresh-process"
# Mixed precision is not offered: the sum of a 16-bit softmax differs from one by up to a percent.
PRECISIONS = ("float32", "tf32")
BATCH_SIZES = _keras.BATCH_SIZES
seed = _keras.seed
_BACKEND = "tensorflow"


def overridden() -> str:
    """What is said to a user whose KERAS_BACKEND names another backend; "" if it does not."""
    asked = os.environ.get("KERAS_BACKEND", _BACKEND)
    if asked == _BACKEND:
        return ""
    return (
        f"KERAS_BACKEND={asked} is not used; Keras runs on TensorFlow unless a backend is given "
        "(--backend, or backend= in Python)"
    )


def import_libraries() -> None:
    """Import Keras on TensorFlow, and do nothing else."""
    _keras.start(_BACKEND, EXTRA)
    with requires(EXTRA):
        import tensorflow  # noqa: F401


def prepare(gpu: int | None, precision: str = "float32") -> Device:
    """Set up this process for reproducible results in one precision, and choose its device.

    Args:
        gpu: number of a visible GPU, or None or NO_GPU; see `choose_gpu`.
        precision: one of PRECISIONS; with tf32, tensor cores multiply rounded values.

    Raises:
        BenchmarkError: there is no such GPU, tf32 is requested on a CPU, or Keras already runs on
            another backend.
        MissingDependency: Keras or TensorFlow is not installed.
    """
    _keras.start(_BACKEND, EXTRA)
    with requires(EXTRA):
        import tensorflow as tf

    tf.config.experimental.enable_tensor_float_32_execution(precision == "tf32")
    tf.config.experimental.enable_op_determinism()
    gpus = tf.config.list_physical_devices("GPU")
    number = choose_gpu(gpu, len(gpus), "TensorFlow")
    if number is None and precision == "tf32":
        raise BenchmarkError("tf32 is a mode of GPUs; leave --precision away for the CPU.")
    if number is None:
        tf.config.set_visible_devices([], "GPU")
        return Device("/CPU:0", "cpu", "cpu")
    chosen = gpus[number]
    tf.config.set_visible_devices(chosen, "GPU")
    tf.config.experimental.set_memory_growth(chosen, True)
    details = tf.config.experimental.get_device_details(chosen)
    return Device("/GPU:0", "gpu", details.get("device_name", "GPU"))


def predictor(
    model: keras.Model, scaling: Scaling, device: Device, precision: str = "float32"
) -> Predictor:
    """The model in inference mode; its output is softmax.

    `precision` is ignored: `prepare` has set the precision of the whole process.
    """
    import tensorflow as tf

    compiled = tf.function(lambda pixels: model(pixels, training=False))
    compiled_with_logits = tf.function(lambda pixels: _with_logits(model(pixels, training=False)))

    def predict(crops: Crops) -> Probabilities:
        with tf.device(device.address):
            return np.asarray(compiled(_keras.scaled(crops, scaling)), dtype=np.float32)

    def with_logits(crops: Crops) -> tuple[Probabilities, Logits]:
        with tf.device(device.address):
            output, logits = compiled_with_logits(_keras.scaled(crops, scaling))
            return np.asarray(output, dtype=np.float32), np.asarray(logits, dtype=np.float32)

    return PredictorWithLogits(predict, with_logits)


def _with_logits(output: Any) -> tuple[Any, Any]:
    """A model's output and its logits, which Keras keeps with the output of its softmax.

    Without them, logarithms take their place; the caller refuses the infinite ones.
    """
    import tensorflow as tf

    logits = getattr(output, "_keras_logits", None)
    return output, tf.math.log(output) if logits is None else logits


def layer_outputs(
    model: keras.Model, scaling: Scaling, device: Device, crops: Crops
) -> dict[str, NDArray[np.float32]]:
    """Output of each layer that has weights, by layer name, in order, channels last."""
    import tensorflow as tf

    with tf.device(device.address):
        return _keras.layer_outputs(model, _keras.scaled(crops, scaling))


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error means that the device or the machine is out of memory."""
    return type(error).__name__ == "ResourceExhaustedError"


def versions() -> dict[str, str]:
    """Versions of the libraries that compute the predictions."""
    import keras
    import tensorflow as tf

    found = {"keras": keras.__version__, "tensorflow": tf.__version__}
    cuda = tf.sysconfig.get_build_info().get("cuda_version")
    return found | ({"cuda": cuda} if cuda and tf.config.list_physical_devices("GPU") else {})
