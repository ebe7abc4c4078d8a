"""A model of the user's own: any function, PyTorch module or Keras model of this process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from benchmarking.errors import BenchmarkError
from benchmarking.inference.job import Environment, Job, Keep, Part
from benchmarking.inference.predict import environment_of, parts
from benchmarking.inference.sweep import Sweep
from benchmarking.models.frameworks import frameworks
from benchmarking.models.loaded import Loaded
from benchmarking.models.spec import ModelSpec, Weights
from benchmarking.pictures.crop_stream import crops
from benchmarking.pictures.image_set import ImageSet
from benchmarking.pictures.recipe import Preprocessing
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store

Model = Callable[[Any], Any]

SOURCE = "own"
"""Of the runs of such models."""


def job_of(
    model: Model,
    name: str | None,
    recipe: Preprocessing,
    images: ImageSet,
    batch_size: int | None,
    workers: int,
    keep: Keep,
) -> Job:
    """A job for a model of the user's own.

    Args:
        model: a function from uint8 crops (n, height, width, 3) to probabilities (n, classes), a
            PyTorch module or a Keras model.
        name: of the run; None takes the model's `__name__` or that of its class.
        recipe: how pictures become its input; a function gets crops before the scaling.
        images: what to predict.
        batch_size: pictures per forward pass; None takes the framework's own.
        workers: threads that decode pictures.
        keep: what to store of each picture.

    Raises:
        BenchmarkError: the name is no file name.
    """
    title = name or str(getattr(model, "__name__", type(model).__name__))
    spec = ModelSpec(
        SOURCE, title.strip("<>"), _framework(model), Weights("in memory", ""), {"own": recipe}, 0
    )
    run = Run(images.name, SOURCE, spec.name, "own")
    return Job(run, spec, images.pictures, batch_size, None, workers, keep=keep)


def sweep_of(model: Model, images: ImageSet, store: Store) -> Sweep:
    """A sweep that runs such a model in this process.

    Nothing tells whether the model is the one of an earlier call, so nothing is resumed.
    """
    return Sweep(
        images, store, executor="in-process", answer=partial(_answer, model), resumes=False
    )


def _answer(model: Model, job: Job) -> Iterator[Environment | Part]:
    framework = frameworks()[job.spec.framework]
    device = framework.prepare(job.gpu, framework.PRECISIONS[0])
    loaded = Loaded(job.spec, model, device, "", framework.PRECISIONS[0])
    environment = environment_of(job, loaded)
    yield environment
    rows = [range(len(job.pictures))]
    with crops(job.pictures, job.recipe, job.workers) as seen:
        predictor = loaded.predictor(job.recipe.scaling)
        yield from parts(predictor, seen, rows, job, environment)


def _framework(model: Model) -> str:
    """Name of the framework that runs the model; a plain function needs none."""
    for library, kind, name in (("torch", "nn.Module", "pytorch"), ("keras", "Model", "keras")):
        found: Any = sys.modules.get(library)
        for part in kind.split("."):
            found = getattr(found, part, None)
        if found and isinstance(model, found):
            return name
    if not callable(model):
        raise BenchmarkError(f"{model!r} cannot be called; expected a function or a model.")
    return "python"
