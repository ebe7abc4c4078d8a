"""Do two frameworks agree with the same weights, and if not, which layer differs first?"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.experiments import (
    Answer,
    Grid,
    Model,
    Outcome,
    Setup,
    all_crops,
    in_fresh_processes,
    probabilities,
)
from benchmarking.experiments._arguments import add_models
from benchmarking.experiments.batching import effect
from benchmarking.models.sources import all_specs, framework_of
from benchmarking.models.spec import ModelSpec
from benchmarking.pictures.image_set import Picture

NAME = "frameworks"
HELP = "do two frameworks agree?"
PICTURES = 500
_IN_LAYERS = 4  # pictures whose layer outputs are compared
_HEADINGS = ["Model", "Max |difference|", "Top-1", "Top-5"]
_LAYER_HEADINGS = ["Model", "Layer", "Max |difference|", "Max |value|"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the experiment."""
    add_models(parser)
    parser.add_argument(
        "--layers", action="store_true", help="show the differences after each layer"
    )


def run(setup: Setup) -> Outcome:
    """Compare each chosen model with the same weights in another framework."""
    chosen = [model.spec for model in setup.models]
    pairs = [pair for pair in same_weights(chosen) if any(spec in chosen for spec in pair)]
    if not pairs:
        raise BenchmarkError("none of these models has the same weights in two frameworks.")
    one = setup.models[0]
    in_layers = _IN_LAYERS if setup.options.get("layers") else 0
    lines: dict[str, list[list[str]]] = {}  # by the titles of the two frameworks
    inside: dict[str, list[list[str]]] = {}
    for pair in pairs:
        name, titles = pair[0].name, " and ".join(framework_of(spec).TITLE for spec in pair)
        tests = [ParityTest(replace(one, spec=spec), setup.pictures, in_layers) for spec in pair]
        found = in_fresh_processes(name, answer, tests, 1 + bool(in_layers))
        apart = effect(*(each for each in found if isinstance(each, Answer)))
        lines.setdefault(titles, []).append(
            [name, f"{apart.difference:.1e}", f"{len(apart.top1)}", f"{len(apart.top5)}"]
        )
        layers = [each for each in found if isinstance(each, Layers)]
        inside.setdefault(titles, []).extend(
            [name, each.name, f"{each.difference:.1e}", f"{each.scale:.1e}"]
            for each in (layer_differences(*layers) if layers else [])
        )
    grids = []
    for titles, some in lines.items():
        about = f"{titles}, {len(setup.pictures)} pictures each"
        grids.append(Grid(about, [_HEADINGS, *some], left=1))
        if in_layers:
            about = "after each layer, of the first four pictures"
            grids.append(Grid(about, [_LAYER_HEADINGS, *inside[titles]], left=2))
    headings, rows = (_LAYER_HEADINGS, inside) if in_layers else (_HEADINGS, lines)
    written = [[*line, titles] for titles, some in rows.items() for line in some]
    return Outcome(tuple(grids), [[*headings, "Frameworks"], *written])


@dataclass(frozen=True)
class ParityTest:
    """One model in one framework.

    Attributes:
        model: the model.
        pictures: the pictures to predict.
        in_layers: number of pictures whose layer outputs are compared.
    """

    model: Model
    pictures: tuple[Picture, ...]
    in_layers: int = 0


@dataclass(frozen=True, eq=False)
class Layers:
    """Outputs of a model's layers by name, in order, channels last."""

    outputs: Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class LayerDifference:
    """The difference of two frameworks after one layer.

    Attributes:
        name: name of the layer.
        difference: largest |difference| of any value.
        scale: largest |value|.
    """

    name: str
    difference: float
    scale: float


def same_weights(chosen: Sequence[ModelSpec] = ()) -> list[tuple[ModelSpec, ModelSpec]]:
    """Pairs of models with the same weight file in two frameworks, PyTorch or a listed model first.

    Args:
        chosen: models that can be in pairs, in addition to the listed ones.
    """
    listed = all_specs()
    known = [*listed, *(spec for spec in chosen if spec not in listed)]
    groups: dict[tuple[str, str], list[ModelSpec]] = {}
    for spec in sorted(known, key=lambda spec: spec.framework != "pytorch"):
        groups.setdefault((spec.weights.file, spec.weights.published_digest), []).append(spec)
    return [
        (first, other)
        for first, *others in groups.values()
        for other in others
        if first.framework != other.framework
    ]


def answer(test: ParityTest) -> Iterator[Answer | Layers]:
    """Predictions of one model, and the outputs of its layers for the first few pictures.

    Raises:
        BenchmarkError: the model cannot be loaded or a picture cannot be decoded.
    """
    spec = test.model.spec
    recipe = spec.recipes["published"]
    seen = all_crops(test.pictures, recipe, test.model.workers)
    loaded = test.model.load()
    predictor = loaded.predictor(recipe.scaling)
    yield Answer(spec.framework, probabilities(predictor, seen, loaded.batch_size, spec.classes))
    if test.in_layers:
        framework = framework_of(spec)
        first = seen[: test.in_layers]
        yield Layers(framework.layer_outputs(loaded.model, recipe.scaling, loaded.device, first))


def layer_differences(first: Layers, second: Layers) -> list[LayerDifference]:
    """Differences after every layer that both models have, in order.

    Dots in names count as "-", because Keras cannot have dots in names on PyTorch.
    """
    others = {name.replace(".", "-"): output for name, output in second.outputs.items()}
    return [
        LayerDifference(
            name,
            float(np.abs(output - others[name.replace(".", "-")]).max()),
            float(np.abs(output).max()),
        )
        for name, output in first.outputs.items()
        if name.replace(".", "-") in others
    ]
