"""The Python functions that predict pictures with models and store the runs.

`predict` shows a bar; `sweep` yields events for callers that show progress themselves.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarking.errors import BenchmarkError
from benchmarking.inference.events import AlreadyStored, Event, Stored
from benchmarking.inference.executors import Failed
from benchmarking.inference.own_model import Model
from benchmarking.inference.plan import Models
from benchmarking.inference.progress import bars
from benchmarking.inference.requests import (
    AnyPlan,
    Images,
    Recipe,
    Request,
    names_of,
    options_of,
    plans,
    request_of,
)
from benchmarking.pictures.image_set import ImageSet
from benchmarking.pictures.sampling import Sample
from benchmarking.pictures.shards import GivenShard
from benchmarking.predictions.remote_store import store_at
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store


def sweep(
    models: Models,
    images: Images,
    store: Store | str | Path,
    *,
    estimate: int | Sample | None = None,
    until: float | None = None,
    shard: GivenShard | None = None,
    **options: Any,
) -> Generator[Event, None, None]:
    """Predict pictures with models, store the runs, and yield events.

    The events are those of `benchmarking.inference.events`: `Started`, `Progress` (with the number
    of further pictures; 0 if a job merely runs), `Stored`, `AlreadyStored`, `Failed`, and
    `PutAside` for a job that is tried again. Each event has its `job`, and a job has its `run`.

    Use it to show progress yourself; `predict` does the same with a bar. If you stop before its
    end, close it (`contextlib.closing`): that keeps the partial runs and ends the worker.

    Args:
        models: a name, wildcard, framework or source, or several.
        images: the pictures; see `open_images`.
        store: the store for the runs.
        estimate: see `predict`.
        until: see `predict`.
        shard: see `predict`.
        options: fields of `Options`, by name.

    Raises:
        BenchmarkError: a name is unknown, a model cannot run, or the store cannot be written.
    """
    given = options_of(options)
    request, kept = Request(names_of(models), given, recipe=given.recipe), store_at(store)
    made = plans(
        lambda name, n: request.plan(name, n, kept),
        *(images, estimate, until),
        shard=request.shard(shard),
    )
    with closing(made) as every:
        for plan, pictures in every:
            yield from plan.sweep(pictures)


def predict(
    model: Models | Model | Path,
    images: Images,
    store: Store | str | Path,
    *,
    name: str | None = None,
    recipe: Recipe = "published",
    checkpoint: str | Path | None = None,
    part: str = "",
    estimate: int | Sample | None = None,
    until: float | None = None,
    shard: GivenShard | None = None,
    **options: Any,
) -> list[Run]:
    """Predict pictures with pretrained models, or with your own model, and store the runs.

    Complete runs are not computed again, and an interrupted run is resumed. Only your own model
    always starts from the beginning, because a change of it cannot be detected.

    Args:
        model: names as in `imagenet-benchmark models`, also with wildcards; or the file of your own
            model (.onnx, .pt2, .keras or .py), see `spec_of_model_file`; or your own model: a
            function from uint8 crops (n, height, width, 3) to logits or probabilities (n, 1000), in
            the order of ImageNet's classes, a PyTorch module that gives logits, or a Keras model.
        images: the pictures; see `open_images`.
        store: the store for the runs.
        name: name of your own model or checkpoint; by default that of the function or file.
        recipe: name of the recipe. For your own model the recipe itself, a transform of torchvision
            or timm that can be translated into one, or the name of a listed model that has the same
            recipe, such as "torchvision/resnet50"; a model in a file can also have its recipe
            beside it.
        checkpoint: file with your own weights for the architecture `model`; see
            `spec_of_checkpoint`.
        part: which tensors of the checkpoint are meant, as the start of their names, such as
            "state_dict_ema"; needed only if several fit.
        estimate: number of pictures to draw at random from the place `images`; the stored runs are
            estimates of the accuracies on all pictures, with intervals. See `open_images`.
        until: percentage points, such as 0.5: larger samples are drawn from the place `images`
            until half of the 95 % interval of acc@1 of every model is at most this. The runs on the
            last sample are returned; those on the smaller ones are stored, too. `estimate` is then
            the first sample; by default its size follows from the difficulty of the pictures.
        shard: one of several parts of the place `images`, such as "2/8" for the second of eight,
            whose runs `merge` puts together; its batches are those of the undivided set. See
            `open_images`.
        options: fields of `Options`, by name.

    Returns:
        The stored runs, in the order of the models.

    Raises:
        BenchmarkError: a name is unknown, or a model failed; the runs of the others are stored.
    """
    kept = store_at(store)
    request = request_of(
        model, name=name, recipe=recipe, checkpoint=checkpoint, part=part, **options
    )
    made = plans(
        lambda name, n: request.plan(name, n, kept),
        *(images, estimate, until),
        shard=request.shard(shard),
    )
    return predicted(made).runs


@dataclass(frozen=True)
class Predicted:
    """The result of a prediction.

    Attributes:
        images: the pictures.
        store: the store of the runs.
        runs: the runs, in the order of the models.
    """

    images: ImageSet
    store: Store
    runs: list[Run]


def predicted(made: Generator[tuple[AnyPlan, ImageSet], Any, None]) -> Predicted:
    """Sweep the plans with bars; return the result of the last one.

    Raises:
        BenchmarkError: a model failed; the runs of the others are stored.
    """
    found: Predicted | None = None
    with closing(made) as every:
        for plan, images in every:
            with closing(bars(plan.sweep(images))) as events:
                stored = _runs(events, plan.store)
            runs = [run for run in plan.runs if run in stored]
            found = Predicted(images, plan.store, runs)
    if found is None:
        raise ValueError("there is no plan")
    return found


def _runs(events: Iterator[Event], store: Store) -> list[Run]:
    """The runs that are stored at the end of a sweep; BenchmarkError if a model failed."""
    runs, failures = [], []
    for event in events:
        if isinstance(event, Failed):
            run = event.job.run
            reason = f"{run.source}/{run.model}: {event.reason}"
            failures.append(f"{reason}\n{event.details}".rstrip())
        elif isinstance(event, Stored | AlreadyStored):
            runs.append(event.job.run)
    if failures:
        total = len(runs) + len(failures)
        stored = [f"Stored in {store.place}: {len(runs)} of {total}."] if runs else []
        raise BenchmarkError("\n".join([*failures, *stored]))
    return runs
