"""Do predictions change if the picture is darker?"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

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
from benchmarking.pictures.image_set import Picture

PLUGIN = "experiments"
NAME = "darker"
HELP = "does the prediction change if the picture is darker?"
PICTURES = 100


@dataclass(frozen=True)
class DarkerTest:
    """The test of one process.

    Attributes:
        model: the model.
        pictures: pictures to predict, first unchanged, then darker.
        brightness: brightness of the darker pictures, as a share of the original.
    """

    model: Model
    pictures: tuple[Picture, ...]
    brightness: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --models and --brightness."""
    parser.add_argument("--models", nargs="+", default=[], metavar="MODEL", help="as in 'predict'")
    parser.add_argument(
        "--brightness",
        type=float,
        default=0.5,
        metavar="SHARE",
        help="what is left of each pixel's value (default: %(default)s)",
    )


def run(setup: Setup) -> Outcome:
    """Count the pictures whose most probable class changes, model by model."""
    lines, changed = [["Model", "Top-1 changed"]], False
    for model in setup.models:
        name = model.spec.full_name
        test = DarkerTest(model, setup.pictures, setup.options["brightness"])
        plain, darker = in_fresh_processes(name, answer, [test], each=2)
        n = other_first_guesses(plain, darker)
        lines.append([name, str(n)])
        changed |= n > 0
    grid = Grid(f"{len(setup.pictures)} pictures each", lines, left=1)
    return Outcome((grid,), lines, changed=changed)


def answer(test: DarkerTest) -> Iterator[Answer]:
    """Predictions under both conditions, in a separate process."""
    loaded = test.model.load()
    recipe, classes = loaded.spec.recipes["published"], loaded.spec.classes
    predictor = loaded.predictor(recipe.scaling)
    plain = all_crops(test.pictures, recipe, test.model.workers)
    darker = (plain * test.brightness).astype(np.uint8)
    for title, seen in (("plain", plain), ("darker", darker)):
        yield Answer(title, probabilities(predictor, seen, loaded.batch_size, classes))


def other_first_guesses(one: Answer, other: Answer) -> int:
    """Number of pictures whose most probable class differs."""
    first, second = (said.probabilities.argmax(axis=1) for said in (one, other))
    return int(np.count_nonzero(first != second))
