"""Plain Python: any function from crops to logits or probabilities."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from benchmarking.models.frameworks import Device
from benchmarking.models.spec import Predictor, Scores
from benchmarking.pictures.recipe import Crops, Scaling

NAME = "python"
TITLE = "Python"
MODULES = ("numpy",)
EXTRA = "demo"
EXECUTOR = "fresh-process"
PRECISIONS = ("its own",)
BATCH_SIZES = {"cpu": 32, "gpu": 32}


def prepare(gpu: int | None, precision: str = "its own") -> Device:
    """Return a placeholder: the function chooses its device and precision itself."""
    return Device("its own", "cpu", "its own")


def seed(number: int) -> None:
    """Do nothing: the function already exists."""


def predictor(
    model: Callable[[Crops], Scores],
    scaling: Scaling,
    device: Device,
    precision: str = "its own",
) -> Predictor:
    """The function itself; it gets unscaled crops."""

    def predict(crops: Crops) -> Scores:
        return np.asarray(model(crops), dtype=np.float32)

    return predict


def layer_outputs(
    model: Callable[[Crops], Scores], scaling: Scaling, device: Device, crops: Crops
) -> Mapping[str, NDArray[np.float32]]:
    """Return nothing: a function has no layers."""
    return {}


def is_out_of_memory(error: Exception) -> bool:
    """Return False: MemoryError is handled for all frameworks."""
    return False


def versions() -> dict[str, str]:
    """Return nothing: the versions of NumPy and Python are recorded with every run."""
    return {}
