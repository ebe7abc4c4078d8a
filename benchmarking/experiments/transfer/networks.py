"""Step 3, network: the backbone of any model, in the framework of the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.experiments import Model
from benchmarking.experiments.transfer import in_keras, in_pytorch
from benchmarking.models.loaded import Loaded
from benchmarking.models.sources import framework_of
from benchmarking.models.spec import ModelSpec
from benchmarking.pictures.recipe import Crops, Preprocessing, Scaling

HEADS = {in_pytorch.NAME: in_pytorch, in_keras.NAME: in_keras}
"""The frameworks that train heads, by name; each runs in a process of its own."""


@dataclass(frozen=True, eq=False)
class Backbone:
    """A loaded model without its head.

    Attributes:
        loaded: the model as it was loaded; its head may be gone.
        module: the framework's model from scaled pixels to features.
    """

    loaded: Loaded
    module: Any

    @property
    def network(self) -> ModuleType:
        """`in_pytorch` or `in_keras`."""
        return network_of(self.loaded.spec)

    def outputs(self, scaling: Scaling) -> Callable[[Crops], NDArray[np.float32]]:
        """The backbone as a function of uint8 crops (n, h, w, 3) to features (n, features)."""
        function = self.network.outputs
        if self.network is in_keras:
            function = partial(function, framework=framework_of(self.loaded.spec))
        found: Callable[[Crops], NDArray[np.float32]] = function(
            self.module, scaling, self.loaded.device
        )
        return found

    def tensors(self) -> dict[str, str]:
        """Sha256 of each of its tensors, by name."""
        found: dict[str, str] = self.network.tensors(self.module)
        return found


def backbone_of(model: Model) -> Backbone:
    """Load a model in this process and take its head off.

    Raises:
        BenchmarkError: it cannot be loaded, or has no head that can be taken off.
    """
    spec = model.spec
    network = network_of(spec)
    loaded = model.load()
    try:
        side = recipe_of(spec, "squash").crop
        return Backbone(loaded, network.without_head(loaded.model, spec.classes, side))
    except BenchmarkError as error:
        raise BenchmarkError(f"{spec.full_name}: {error}") from error


def network_of(spec: ModelSpec) -> ModuleType:
    """The module that takes heads off the models of a framework: `in_pytorch` or `in_keras`.

    Raises:
        BenchmarkError: it is a quantized model, or one of another framework, as in an ONNX file.
    """
    if spec.engine:
        raise BenchmarkError(
            f"{spec.full_name} is quantized, and a new head is trained on features in floating "
            "point; choose the model without quantization."
        )
    if spec.framework == in_pytorch.NAME:
        return in_pytorch
    if spec.framework == in_keras.NAME or spec.framework.startswith(f"{in_keras.NAME}-"):
        return in_keras
    raise BenchmarkError(
        f"{spec.full_name} runs in {spec.framework}, where its head cannot be taken off; choose a "
        "model of PyTorch or Keras."
    )


def recipe_of(spec: ModelSpec, resize: str) -> Preprocessing:
    """The preprocessing for the backbone of a model: one filter for all, and the model's scaling.

    Args:
        spec: the model; size and scaling are those of its published recipe.
        resize: "squash" resizes to the model's square and ignores the aspect ratio; "shorter-side"
            resizes as the published recipe does and crops the centre.

    Raises:
        BenchmarkError: the model has no published recipe.
    """
    try:
        known = spec.recipe("published")
    except BenchmarkError as error:
        raise BenchmarkError(f"{spec.full_name}: {error}") from error
    side = known.crop
    shorter = known.resize if isinstance(known.resize, int) else side
    size = shorter if resize == "shorter-side" else (side, side)
    return Preprocessing("pillow", "bilinear", size, side, known.scaling)
