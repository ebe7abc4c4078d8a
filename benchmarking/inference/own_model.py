"""A user's own model: any function, PyTorch module or Keras model in this process.

A module is run in evaluation mode, and then returned to its former mode. It is moved to its device,
and its framework is set to deterministic algorithms, as for every other model.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from benchmarking.errors import BenchmarkError
from benchmarking.inference.compiled import Choice
from benchmarking.inference.crop_sharing import crops_shared
from benchmarking.inference.events import Event
from benchmarking.inference.job import Environment, Job, Part
from benchmarking.inference.plan import Options
from benchmarking.inference.predict import crops_for, environment_of, parts
from benchmarking.inference.reading import Reading
from benchmarking.inference.sweep import Sweep
from benchmarking.io.progress import silent
from benchmarking.models.frameworks import frameworks
from benchmarking.models.loaded import Loaded
from benchmarking.models.own.objects import framework_name
from benchmarking.models.spec import ModelSpec, Weights
from benchmarking.pictures.image_set import ImageSet
from benchmarking.pictures.read_before import ReadBefore
from benchmarking.pictures.recipe import Preprocessing
from benchmarking.pictures.sets import Contents
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store

Model = Callable[[Any], Any]

SOURCE = "own"
"""Source of the runs of such models."""

_RECIPE = "own"


@dataclass(frozen=True, eq=False)
class OwnPlan:
    """A sweep of a user's own model before it starts; `Plan` is that of listed models.

    Attributes:
        model: see `job_of`.
        name: name of the run; None uses `own_name`.
        recipe: the preprocessing of its pictures.
        images: name of the image set.
        store: the store for the run.
        options: see `job_of`.
    """

    model: Model
    name: str | None
    recipe: Preprocessing
    images: str
    store: Store
    options: Options

    @property
    def runs(self) -> tuple[Run, ...]:
        """The run."""
        return (Run(self.images, SOURCE, self.name or own_name(self.model), _RECIPE),)

    def read(
        self, contents: Contents, until: ExitStack, *, before: ReadBefore | None = None
    ) -> tuple[OwnPlan, ImageSet]:
        """The plan on the pictures, each of which is read once; see `Plan.read`."""
        recipes, options = [self.recipe], self.options
        reading = Reading(recipes, recipes, options.crop_cache, options.workers, before=before)
        images = reading.read(self.images, contents, until)
        return replace(self, images=images.name), images

    def sweep(self, images: ImageSet) -> Generator[Event, None, None]:
        """Predict the pictures, store the run, and yield events; see `Plan.sweep`."""
        job = job_of(self.model, self.name, self.recipe, images, self.options)
        self.store.admit(images)
        with (
            crops_shared([job], images, self.options.crop_cache, silent) as sharing,
            closing(sweep_of(self.model, images, self.store).run(sharing)) as events,
        ):
            yield from events


def job_of(
    model: Model, name: str | None, recipe: Preprocessing, images: ImageSet, options: Options
) -> Job:
    """A job for a user's own model.

    Args:
        model: a function from uint8 crops (n, height, width, 3) to logits or probabilities
            (n, 1000), a PyTorch module or a Keras model.
        name: name of the run; None uses `own_name`.
        recipe: the preprocessing of its pictures; a function gets unscaled crops.
        images: the pictures to predict.
        options: batch size, threads, GPU, and what to store for each picture.

    Raises:
        BenchmarkError: the name is not valid, or several GPUs are given.
    """
    if isinstance(options.gpu, tuple | str):
        raise BenchmarkError(
            f"gpu is {options.gpu!r}; a model of your own runs in this process, on one device: "
            "give its number."
        )
    title = name or own_name(model)
    weights = Weights("in memory", "")
    spec = ModelSpec(SOURCE, title, framework_name(model), weights, {_RECIPE: recipe}, 0)
    return Job(
        Run(images.name, SOURCE, title, _RECIPE),
        spec,
        images.pictures,
        options.batch_size,
        options.gpu,
        options.workers,
        classes=images.restricted_to,
        keep=options.keep,
    )


def own_name(model: Model) -> str:
    """Default name of a model: its `__name__`, or that of its class."""
    return str(getattr(model, "__name__", type(model).__name__)).strip("<>")


def sweep_of(model: Model, images: ImageSet, store: Store) -> Sweep:
    """A sweep that runs a user's own model in this process.

    Nothing is resumed, because a change of the model since an earlier call cannot be detected.
    """
    return Sweep(
        images, store, executor="in-process", answer=partial(_answer, model), resumes=False
    )


def _answer(model: Model, job: Job) -> Iterator[Environment | Part]:
    framework = frameworks()[job.spec.framework]
    was_training = getattr(model, "training", False)
    device = framework.prepare(job.gpu, framework.PRECISIONS[0])
    loaded = Loaded(job.spec, model, device, "", framework.PRECISIONS[0])
    environment = environment_of(job, Choice(loaded))
    yield environment
    rows = [range(len(job.pictures))]
    try:
        with crops_for(job, rows) as seen:
            predictor = loaded.predictor(job.recipe.scaling)
            yield from parts(predictor, seen, rows, job, environment)
    finally:
        if was_training is True and hasattr(model, "train"):
            model.train()
