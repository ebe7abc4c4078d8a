"""The pipeline: how many picture files per second, decoding and cropping included?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from benchmarking.experiments.speed import Side, Trial
from benchmarking.experiments.speed.scenarios import Clock
from benchmarking.experiments.speed.timing import Pace, fetched, timed
from benchmarking.experiments.speed.work import answers_of, prepared
from benchmarking.inference.predict import predict
from benchmarking.models.spec import Scores
from benchmarking.pictures.crop_stream import crops
from benchmarking.pictures.recipe import Crops
from benchmarking.predictions.speed_runs import Measured
from benchmarking.predictions.top_k import top_k

NAME = "pipeline"
HELP = "picture files to the top-5 as 'predict' does it: decode, crop, scale, predict"


def sides(chosen: Sequence[Side]) -> Sequence[Side]:
    """All sides."""
    return chosen


def batch_sizes(asked: Sequence[int]) -> Sequence[int]:
    """All that were asked for."""
    return asked


def measure(trial: Trial, clock: Clock) -> Measured:
    """Predict all pictures from their files again and again; the last batch may be smaller."""
    found = prepared(trial)
    ready = found.ready(trial.side.mode)
    pictures, spec, recipe = trial.options.pictures, found.loaded.spec, found.recipe

    def predictor(some: Crops) -> Scores:
        output = fetched(ready.forward(ready.inputs(some)))
        return np.asarray(output, dtype=np.float32)

    def step() -> object:
        with crops(pictures, recipe, trial.options.threads) as seen:
            batches = predict(predictor, seen, trial.batch_size, spec.classes)
            return [top_k(batch.probabilities, k=5).classes for batch in batches]

    measured = timed(step, clock, Pace(trial.options.seconds), len(pictures))
    facts = {"layout": ready.layout, "device": found.loaded.device.title}
    return replace(measured, answers=answers_of(ready, found), facts=facts)
