"""Training: how long does a step take, forward, backward and update of all weights?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from benchmarking.experiments.speed import Side, Trial
from benchmarking.experiments.speed.accelerator import device_clock
from benchmarking.experiments.speed.engines import modes_of
from benchmarking.experiments.speed.ready import scaled
from benchmarking.experiments.speed.scenarios import Clock
from benchmarking.experiments.speed.timing import Pace, fetched, timed
from benchmarking.experiments.speed.work import answers_of, prepared
from benchmarking.predictions.speed_runs import Measured

NAME = "train"
HELP = "a step of training, forward, backward and update (SGD, all weights, no dropout)"

_LOSSES = 3


def sides(chosen: Sequence[Side]) -> Sequence[Side]:
    """The sides that can be trained: eager or compiled.

    ONNX Runtime has no gradients, and TensorFlow does not compile all of them with XLA where
    determinism is required.
    """
    trained = ("eager", "compiled")
    return [side for side in chosen if "eager" in modes_of(side.spec) and side.mode in trained]


def batch_sizes(asked: Sequence[int]) -> Sequence[int]:
    """All above one; batch normalisation learns nothing from one picture."""
    return [size for size in asked if size > 1]


def measure(trial: Trial, clock: Clock) -> Measured:
    """Train on the same batch again and again; the answers are those before training."""
    found = prepared(trial)
    ready = found.ready("eager")
    answers = answers_of(ready, found)
    pixels = scaled(found.batch, found.recipe.scaling)
    step = found.engine.training(found.loaded, trial.side.mode, pixels, found.labels)
    losses: list[float] = []

    def recorded() -> object:
        loss = fetched(step())
        if len(losses) < _LOSSES:
            losses.append(float(np.asarray(loss)))
        return loss

    measured = timed(
        *(recorded, clock, Pace(trial.options.seconds), trial.batch_size),
        device=device_clock(found.loaded.spec, found.loaded.device),
    )
    facts = {"layout": ready.layout, "device": found.loaded.device.title}
    return replace(measured, answers=answers, losses=tuple(losses), facts=facts)
