"""What several scenarios do with a side: load it, give it pictures, ask for its answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.experiments import all_crops
from benchmarking.experiments.speed import Trial
from benchmarking.experiments.speed.accelerator import device_clock
from benchmarking.experiments.speed.engines import check_mode, engine_of
from benchmarking.experiments.speed.ready import Engine, Ready
from benchmarking.experiments.speed.scenarios import Clock
from benchmarking.experiments.speed.timing import Pace, fetched, timed
from benchmarking.inference.outputs import ProbabilitiesOf
from benchmarking.models.loaded import Loaded, load
from benchmarking.models.signatures import in_batches
from benchmarking.pictures.recipe import Crops, Preprocessing
from benchmarking.predictions.speed_runs import Answers, Measured
from benchmarking.predictions.top_k import top_k


@dataclass(frozen=True, eq=False)
class Prepared:
    """A side that is loaded, and the pictures that it is given.

    Attributes:
        trial: the round.
        loaded: the model.
        recipe: its preprocessing.
        crops: crops of the pictures, (n, height, width, 3).
    """

    trial: Trial
    loaded: Loaded
    recipe: Preprocessing
    crops: Crops

    @property
    def engine(self) -> Engine:
        """The engine of its framework."""
        return engine_of(self.loaded.spec)

    def ready(self, mode: str) -> Ready:
        """The model in a mode."""
        return self.engine.forward(self.loaded, self.recipe.scaling, mode)

    @property
    def batch(self) -> Crops:
        """A batch of the trial's size; pictures are repeated if there are fewer."""
        size = self.trial.batch_size
        return np.ascontiguousarray(np.resize(self.crops, (size, *self.crops.shape[1:])))

    @property
    def labels(self) -> NDArray[np.int64]:
        """The class of each picture of a batch of the trial's size."""
        known = np.array([one.label for one in self.trial.options.pictures], dtype=np.int64)
        return np.resize(known, self.trial.batch_size)


def prepared(trial: Trial) -> Prepared:
    """Decode the pictures and load the model in this process.

    Raises:
        BenchmarkError: a picture or the model cannot be read, or the mode does not exist.
    """
    check_mode(trial.side)
    if not trial.options.pictures:
        raise BenchmarkError("there are no pictures; give some, such as 'demo'.")
    recipe = trial.side.spec.recipe("published")
    crops = all_crops(trial.options.pictures, recipe, trial.options.threads)
    return Prepared(trial, loaded_model(trial), recipe, crops)


def loaded_model(trial: Trial) -> Loaded:
    """The trial's model; random weights are the same on every backend of Keras."""
    options = trial.options
    loaded = load(
        trial.side.spec,
        options.gpu,
        weights_folder=options.weights_folder,
        seed=options.seed,
        precision=options.precision,
    )
    if options.seed is not None and loaded.spec.framework.partition("-")[0] == "keras":
        from benchmarking.experiments.speed.engines.keras import fill_at_random

        fill_at_random(loaded.model, options.seed)
    return loaded


def repeated(ready: Ready, prepared: Prepared, clock: Clock) -> Measured:
    """Times of calls of the model with one batch, and its answers to all pictures."""
    trial = prepared.trial
    batch = ready.inputs(prepared.batch)
    found = timed(
        *(lambda: ready.forward(batch), clock, Pace(trial.options.seconds), trial.batch_size),
        device=device_clock(prepared.loaded.spec, prepared.loaded.device),
    )
    facts = {"layout": ready.layout, "device": prepared.loaded.device.title, **ready.facts}
    return replace(found, answers=answers_of(ready, prepared), facts=facts)


def answers_of(ready: Ready, prepared: Prepared) -> Answers:
    """Predictions on all pictures, in batches of the trial's size, so that nothing is recompiled.

    Raises:
        BenchmarkError: the output is not one score per picture and class.
    """
    names = tuple(picture.key for picture in prepared.trial.options.pictures)

    def run(crops: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(fetched(ready.forward(ready.inputs(crops))))

    outputs = in_batches(run, prepared.crops, prepared.trial.batch_size)
    found = top_k(ProbabilitiesOf(prepared.loaded.spec.classes)(outputs, len(names)), k=5)
    return Answers(
        names,
        tuple(map(tuple, found.classes.tolist())),
        tuple(map(tuple, found.probabilities.tolist())),
    )
