"""A framework whose models are NumPy functions from scaled pixels to logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from benchmarking.models.frameworks import Device, choose_gpu
from benchmarking.models.spec import Predictor, Probabilities
from benchmarking.pictures.recipe import Crops, Scaling

PLUGIN = "frameworks"
NAME = "numpy"
TITLE = "NumPy"
MODULES = ("numpy",)
EXTRA = ""
EXECUTOR = "worker-process"
PRECISIONS = ("float32",)
BATCH_SIZES = {"cpu": 2, "gpu": 2}

Floats = NDArray[np.float32]
Model = Callable[[Floats], Floats]


def prepare(gpu: int | None, precision: str) -> Device:
    """Return the CPU; NumPy needs no settings for reproducible results.

    Raises:
        BenchmarkError: a GPU is requested.
    """
    choose_gpu(gpu, visible=0, who=TITLE)
    return Device("cpu", "cpu", "cpu")


def seed(number: int) -> None:
    """Seed NumPy's global generator, from which sources take random parameters."""
    np.random.seed(number)


def predictor(model: Model, scaling: Scaling, device: Device, precision: str) -> Predictor:
    """The model, preceded by scaling and followed by softmax."""

    def predict(crops: Crops) -> Probabilities:
        logits = model(_scaled(crops, scaling))
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities: Probabilities = powers / powers.sum(axis=1, keepdims=True)
        return probabilities

    return predict


def layer_outputs(
    model: Model, scaling: Scaling, device: Device, crops: Crops
) -> Mapping[str, Floats]:
    """A function has a single layer."""
    return {"logits": model(_scaled(crops, scaling))}


def is_out_of_memory(error: Exception) -> bool:
    """Return False: NumPy raises MemoryError, which is handled for all frameworks."""
    return False


def versions() -> dict[str, str]:
    """Return nothing: the version of NumPy is recorded for every framework."""
    return {}


def _scaled(crops: Crops, scaling: Scaling) -> Floats:
    pixels = crops if scaling.channels == "rgb" else crops[..., ::-1]
    mean, std = (np.array(values, np.float32) for values in (scaling.mean, scaling.std))
    scaled: Floats = (pixels.astype(np.float32) / np.float32(scaling.divisor) - mean) / std
    return scaled
