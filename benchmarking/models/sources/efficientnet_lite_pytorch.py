"""EfficientNet-Lite in PyTorch, with architecture and weights from packages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmarking.errors import requires
from benchmarking.models.frameworks import pytorch
from benchmarking.models.sources import _efficientnet_lite as lite
from benchmarking.models.spec import ModelSpec

if TYPE_CHECKING:
    import torch

NAME = "efficientnet-lite-pytorch"
MODULES = ("efficientnet_lite_pytorch",)
EXTRA = "demo"
DISTRIBUTIONS = ("efficientnet-lite-pytorch",)


def specs() -> tuple[ModelSpec, ...]:
    """EfficientNet-Lite0, 1 and 2."""
    return lite.specs(NAME, pytorch.NAME)


def weights_folder(spec: ModelSpec) -> Path:
    """The folder of the weight file; WeightsError if its package is not installed."""
    return lite.weights_folder(spec)


def import_libraries() -> None:
    """Import efficientnet_lite_pytorch, and do nothing else."""
    with requires("demo"):
        import efficientnet_lite_pytorch  # noqa: F401


def build(spec: ModelSpec, weights: Path | None) -> torch.nn.Module:
    """Build the model with weights from a file, or with random weights.

    Raises:
        MissingDependency: PyTorch or the package with the architecture is not installed.
    """
    with requires("demo"):
        from efficientnet_lite_pytorch import EfficientNet

    model: torch.nn.Module = EfficientNet.from_name(spec.name)
    if weights:
        model.load_state_dict(lite.state_dict(weights), strict=True)
    return model
