"""Does it change the answer? Each module varies one thing and keeps all else as it is.

What runs models is a generator of answers that any process can run by itself, `answer(test)`; what
compares them are pure functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarking.crops import crops
from benchmarking.image_sets import Picture
from benchmarking.predict import Loaded, load, predict
from benchmarking.sources import spec_of
from benchmarking.specs import ModelSpec, Predictor, Preprocessing, Probabilities


@dataclass(frozen=True)
class Model:
    """A model by name, and where its parameters come from; any process can load it.

    Attributes:
        source: of the model.
        name: of the model.
        gpu: see `predict.Job`.
        workers: threads that decode pictures.
        weights_folder: see `predict.Job`.
        seed: see `predict.Job`.
    """

    source: str
    name: str
    gpu: int | None
    workers: int
    weights_folder: Path | None = None
    seed: int | None = None

    @property
    def spec(self) -> ModelSpec:
        """What is known of it."""
        return spec_of(self.source, self.name)

    def load(self) -> Loaded:
        """The model, in this process; see `predict.load`."""
        return load(self.spec, self.gpu, weights_folder=self.weights_folder, seed=self.seed)


@dataclass(frozen=True, eq=False)
class Said:
    """What a model said under one condition: its title, and (n, classes) probabilities."""

    title: str
    probabilities: Probabilities


def all_crops(
    pictures: Sequence[Picture], recipe: Preprocessing, workers: int
) -> NDArray[np.uint8]:
    """Crops of a few pictures, at once in memory: (n, crop, crop, 3)."""
    with crops(pictures, recipe, workers) as seen:
        return np.stack(list(seen))


def answers(
    predictor: Predictor, seen: NDArray[np.uint8], size: int, classes: int
) -> Probabilities:
    """What a model says of crops, (n, h, w, 3), in batches of a size: (n, classes)."""
    batches = predict(predictor, seen, size, classes)
    return np.concatenate([batch.probabilities for batch in batches])
