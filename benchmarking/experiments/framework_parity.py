"""Do two frameworks say the same with the same weights, and where does it begin if not?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarking.audits import Model, Said, all_crops, answers
from benchmarking.image_sets import Picture
from benchmarking.sources import all_specs, framework_of
from benchmarking.specs import SCALINGS, ModelSpec


@dataclass(frozen=True)
class TwinTest:
    """One model in one framework.

    Attributes:
        model: which one.
        pictures: what to predict.
        in_layers: how many of them to follow through the layers.
    """

    model: Model
    pictures: tuple[Picture, ...]
    in_layers: int = 0


@dataclass(frozen=True, eq=False)
class Layers:
    """Outputs of a model's layers, by name and in order, channels last."""

    outputs: Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class LayerDifference:
    """How far two frameworks are apart after one layer.

    Attributes:
        name: of the layer.
        difference: largest |difference| of any value.
        scale: largest |value|.
    """

    name: str
    difference: float
    scale: float


def twins() -> list[tuple[ModelSpec, ModelSpec]]:
    """Models whose same file of weights runs in two frameworks, PyTorch's first."""
    specs = [spec for spec in all_specs() if spec.weights.sha256]
    return [
        (first, second)
        for first in specs
        for second in specs
        if first.weights.sha256 == second.weights.sha256
        and (first.framework, second.framework) == ("pytorch", "keras")
    ]


def answer(test: TwinTest) -> Iterator[Said | Layers]:
    """What one model says of the pictures, and what its layers say of the first few.

    Raises:
        BenchmarkError: the model cannot be loaded or a picture cannot be decoded.
    """
    spec = test.model.spec
    recipe = spec.recipes["published"]
    seen = all_crops(test.pictures, recipe, test.model.workers)
    loaded = test.model.load()
    predictor = loaded.predictor(recipe.scaling)
    yield Said(spec.framework, answers(predictor, seen, loaded.batch_size, spec.classes))
    if test.in_layers:
        framework = framework_of(spec)
        scaling = SCALINGS[recipe.scaling]
        first = seen[: test.in_layers]
        yield Layers(framework.layer_outputs(loaded.model, scaling, loaded.device, first))


def layer_differences(first: Layers, second: Layers) -> list[LayerDifference]:
    """Differences after every layer that both have, in order."""
    return [
        LayerDifference(
            name,
            float(np.abs(output - second.outputs[name]).max()),
            float(np.abs(output).max()),
        )
        for name, output in first.outputs.items()
        if name in second.outputs
    ]
