"""What the frameworks of Keras share; each is Keras on one backend, one per process."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError, requires
from benchmarking.pictures.recipe import Crops, Scaling

if TYPE_CHECKING:
    import keras

BATCH_SIZES = {"cpu": 1, "gpu": 1}


def start(backend: str, extra: str) -> None:
    """Import Keras on a backend, with its default types and layout.

    Raises:
        BenchmarkError: Keras already runs on another backend in this process.
        MissingDependency: Keras or the backend is not installed.
    """
    os.environ["KERAS_BACKEND"] = backend
    if os.path.expanduser("~") == "~":  # noqa: PTH111 - Keras would make a folder with this name
        os.environ.setdefault("KERAS_HOME", str(Path(tempfile.gettempdir()) / ".keras"))
    with requires(extra):
        import keras

    if keras.backend.backend() != backend:
        raise BenchmarkError(
            f"Keras runs on {keras.backend.backend()} in this process, not on {backend}; a process "
            "has one backend."
        )
    # A user's keras.json can have other defaults.
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    keras.config.set_image_data_format("channels_last")


def seed(number: int) -> None:
    """Make the random values of the next model reproducible; backends have different ones."""
    import keras

    keras.utils.set_random_seed(number)


def scaled(crops: Crops, scaling: Scaling) -> NDArray[np.float32]:
    """Scaled pixels, as the model expects them.

    They are not scaled in a compiled graph, which would replace divisions by multiplications.
    """
    pixels = crops.astype(np.float32)
    if scaling.channels == "bgr":
        pixels = pixels[..., ::-1]
    divisor, mean, std = (
        np.asarray(values, np.float32) for values in (scaling.divisor, scaling.mean, scaling.std)
    )
    return np.ascontiguousarray((pixels / divisor - mean) / std)


def layer_outputs(
    model: keras.Model, pixels: NDArray[np.float32]
) -> dict[str, NDArray[np.float32]]:
    """Output of each layer that has weights, by layer name, in order, channels last."""
    import keras

    layers = [layer for layer in model.layers if layer.weights]
    inside = keras.Model(model.inputs, [layer.output for layer in layers])
    outputs = inside(pixels, training=False)
    return {
        layer.name: np.asarray(keras.ops.convert_to_numpy(output), dtype=np.float32)
        for layer, output in zip(layers, outputs, strict=True)
    }
