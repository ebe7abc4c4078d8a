"""The 21 models of 2019 from torchvision, with their first ImageNet weights.

Files, sizes and recipes: torchvision's own weight metadata, IMAGENET1K_V1.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarking.errors import WeightsError, requires
from benchmarking.io.files import shipped_rows
from benchmarking.io.user_folders import expanded, home
from benchmarking.models.frameworks import pytorch
from benchmarking.models.published import published
from benchmarking.models.spec import ModelSpec, Weights
from benchmarking.pictures.recipe import SCALINGS, Preprocessing

if TYPE_CHECKING:
    import torch

NAME = "torchvision"
MODULES = ("torchvision",)
EXTRA = "pytorch"
DISTRIBUTIONS = ("torchvision",)


# What torchvision's builders do when they load weights: their arguments, and renamed tensors.
# Files from before PyTorch 0.4 have dots in names where modules can no longer have them.
_BUILDERS: Mapping[str, tuple[Mapping[str, bool], tuple[str, str] | None]] = {
    "plain": ({}, None),
    "uninitialised": ({"init_weights": False}, None),
    "inception": ({"init_weights": False, "transform_input": True}, None),
    "dotted": ({}, (r"(denselayer\d+\.(?:norm|relu|conv))\.([12])\.", r"\1\2.")),
}


@cache
def specs() -> tuple[ModelSpec, ...]:
    """The models, by name."""
    return tuple(_spec(row) for row in shipped_rows("torchvision_models.csv"))


def weights_folder(spec: ModelSpec) -> Path:
    """PyTorch's folder of downloaded weights."""
    named, cache = os.environ.get("TORCH_HOME"), os.environ.get("XDG_CACHE_HOME")
    if named:
        return expanded(named) / "hub" / "checkpoints"
    return (expanded(cache) if cache else home("TORCH_HOME") / ".cache") / "torch/hub/checkpoints"


def build(spec: ModelSpec, weights: Path | None) -> torch.nn.Module:
    """Build the model with weights from a file, or with random weights.

    Raises:
        WeightsError: the file contains more than tensors, or its tensors do not fit the model.
        MissingDependency: torchvision is not installed.
    """
    with requires(EXTRA):
        import torchvision

    arguments = dict(spec.arguments)
    model: torch.nn.Module = torchvision.models.get_model(spec.name, weights=None, **arguments)
    if weights:
        _fill(model, spec, weights)
    return model


def _fill(model: torch.nn.Module, spec: ModelSpec, weights: Path) -> None:
    import pickle

    import torch

    try:
        state = torch.load(weights, map_location="cpu", weights_only=True)
        if spec.renamed:
            pattern, replacement = spec.renamed
            state = {re.sub(pattern, replacement, name): value for name, value in state.items()}
        model.load_state_dict(state, strict=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(f"{weights} holds more than tensors; it was not run.") from error
    except (RuntimeError, AttributeError, TypeError) as error:
        raise WeightsError(f"{weights} does not fit {spec.name}: {error}") from error


def _spec(row: Mapping[str, str]) -> ModelSpec:
    def recipe(shorter_side: int) -> Preprocessing:
        return Preprocessing(
            "pillow", "bilinear", shorter_side, int(row["crop"]), SCALINGS["torch"]
        )

    file = row["file"]
    arguments, renamed = _BUILDERS[row["builder"]]
    return ModelSpec(
        NAME,
        row["name"],
        pytorch.NAME,
        Weights(
            "IMAGENET1K_V1",
            file,
            sha256=file.removesuffix(".pth").rpartition("-")[2],
            url=f"https://download.pytorch.org/models/{file}",
            megabytes=float(row["megabytes"]),
        ),
        # In 2019 every picture was resized to 256, even for a crop of 299.
        {"published": recipe(int(row["resize"])), "northcutt2019": recipe(256)},
        int(row["parameters"]),
        published(NAME, row["name"]),
        arguments=arguments,
        renamed=renamed,
    )
