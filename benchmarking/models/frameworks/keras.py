"""Keras on TensorFlow, with batch size 1 and a new process for each model."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError, requires
from benchmarking.models.frameworks import Device, choose_gpu
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
BATCH_SIZES = {"cpu": 1, "gpu": 1}
_BACKEND = "tensorflow"


def overridden() -> str:
    """What is said to a user whose KERAS_BACKEND names another backend; "" if it does not."""
    asked = os.environ.get("KERAS_BACKEND", _BACKEND)
    return (
        "" if asked == _BACKEND else f"KERAS_BACKEND={asked} is not used; Keras runs on TensorFlow"
    )


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
    os.environ["KERAS_BACKEND"] = _BACKEND
    if os.path.expanduser("~") == "~":  # noqa: PTH111 - Keras would make a folder with this name
        os.environ.setdefault("KERAS_HOME", str(Path(tempfile.gettempdir()) / ".keras"))
    with requires(EXTRA):
        import keras
        import tensorflow as tf

    if keras.backend.backend() != _BACKEND:
        raise BenchmarkError(f"Keras runs on {keras.backend.backend()!r} here, not on TensorFlow.")
    # A user's keras.json can have other defaults.
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    keras.config.set_image_data_format("channels_last")
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


def seed(number: int) -> None:
    """Make the random values of the next model reproducible."""
    import keras

    keras.utils.set_random_seed(number)


def predictor(
    model: keras.Model, scaling: Scaling, device: Device, precision: str = "float32"
) -> Predictor:
    """The model in inference mode; crops are scaled on its device, and its output is softmax.

    `precision` is ignored: `prepare` has set the precision of the whole process.
    """
    import tensorflow as tf

    compiled = tf.function(lambda pixels: model(pixels, training=False))
    compiled_with_logits = tf.function(lambda pixels: _with_logits(model(pixels, training=False)))

    def predict(crops: Crops) -> Probabilities:
        with tf.device(device.address):
            return np.asarray(compiled(_scaled(crops, scaling)), dtype=np.float32)

    def with_logits(crops: Crops) -> tuple[Probabilities, Logits]:
        with tf.device(device.address):
            output, logits = compiled_with_logits(_scaled(crops, scaling))
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
    import keras
    import tensorflow as tf

    layers = [layer for layer in model.layers if layer.weights]
    inside = keras.Model(model.inputs, [layer.output for layer in layers])
    with tf.device(device.address):
        outputs = inside(_scaled(crops, scaling), training=False)
    return {
        layer.name: np.asarray(output, dtype=np.float32)
        for layer, output in zip(layers, outputs, strict=True)
    }


def _scaled(crops: Crops, scaling: Scaling) -> Any:
    """Scaled pixels, as the model expects them.

    They are not scaled in the compiled graph, which would replace divisions by multiplications.
    Divisions by one are skipped; this does not change the result.
    """
    import tensorflow as tf

    pixels = tf.cast(crops, tf.float32)
    if scaling.channels == "bgr":
        pixels = tf.reverse(pixels, axis=[-1])
    if scaling.divisor != 1:
        pixels /= scaling.divisor
    pixels -= scaling.mean
    return pixels if set(scaling.std) == {1.0} else pixels / scaling.std


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
