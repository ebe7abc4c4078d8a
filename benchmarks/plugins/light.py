"""Models that hardly compute, to measure the other costs of a sweep; they use the mean colour."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmarking.models.spec import ModelSpec, Weights
from benchmarking.pictures.recipe import SCALINGS, Preprocessing

if TYPE_CHECKING:
    import torch

NAME = "light"
MODULES = ()
EXTRA = "pytorch"
DISTRIBUTIONS = ()


def specs() -> tuple[ModelSpec, ...]:
    """Two models, so that they share their crops."""
    recipes = {"published": Preprocessing("pillow", "bilinear", 256, 224, SCALINGS["torch"])}
    none = Weights("none", "none")
    return tuple(ModelSpec(NAME, name, "pytorch", none, recipes, 4000) for name in ("one", "two"))


def weights_folder(spec: ModelSpec) -> Path:
    """Return a placeholder: only random weights are used."""
    return Path("none")


def build(spec: ModelSpec, weights: Path | None) -> torch.nn.Module:
    """A mean over pixels and a linear layer."""
    from torch import nn

    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, spec.classes))
