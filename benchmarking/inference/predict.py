"""Prediction of pictures in batches, in the process that runs the model."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import OutOfMemory
from benchmarking.inference.compiled import COMPARED, Choice, can_be_compiled, chosen
from benchmarking.inference.job import Environment, Job, Part
from benchmarking.inference.outputs import ProbabilitiesOf
from benchmarking.models.loaded import Loaded, load, model_versions
from benchmarking.models.sources import framework_of
from benchmarking.models.spec import Logits, Predictor, Probabilities
from benchmarking.pictures.crop import library_versions
from benchmarking.pictures.crop_stream import crops
from benchmarking.predictions.top_k import top_k, top_k_among


@dataclass(frozen=True, eq=False)
class Batch:
    """Probabilities of one batch of pictures.

    Attributes:
        first: row of the batch's first picture.
        input_shape: shape of the model's input.
        probabilities: (n, classes).
        logits: (n, classes); None if they are not needed.
    """

    first: int
    input_shape: tuple[int, ...]
    probabilities: Probabilities
    logits: Logits | None = None


def answer(job: Job) -> Iterator[Environment | Part]:
    """Load a job's model and predict its pictures; yield the environment, then every batch.

    Rows of `job.done` that were computed in a compatible environment are skipped.

    Raises:
        OutOfMemory: there is not enough memory.
        BenchmarkError: the model cannot be loaded, a picture cannot be decoded, or the model's
            output is not one score per picture and class.
    """
    framework = framework_of(job.spec)
    try:
        with ExitStack() as stack:
            # Only the loaded model tells which rows that are done can be skipped, and its batch
            # size. So crops of a slice that cuts a batch are begun again; that is rare.
            seen = None if job.done else stack.enter_context(crops_for(job, [job.rows]))
            loaded = load(
                job.spec,
                job.gpu,
                weights_folder=job.weights_folder,
                seed=job.seed,
                precision=job.precision,
            )
            choice = _chosen(job, loaded)
            loaded, environment = choice.loaded, environment_of(job, choice)
            yield environment
            missing = job.missing(environment)
            if seen is None or missing != [job.rows]:
                stack.pop_all().close()
                seen = stack.enter_context(crops_for(job, missing))
            yield from parts(loaded.predictor(job.recipe.scaling), seen, missing, job, environment)
    except Exception as error:
        if isinstance(error, MemoryError) or framework.is_out_of_memory(error):
            raise OutOfMemory(f"out of memory: {_first_line(error)}") from error
        raise


def parts(
    predictor: Predictor,
    crops: Iterator[NDArray[np.uint8]],
    rows: Sequence[range],
    job: Job,
    environment: Environment,
) -> Iterator[Part]:
    """Predict ranges of rows batch by batch; no batch spans two ranges.

    Args:
        predictor: the model.
        crops: crops of these rows, in order.
        rows: ranges of the job's rows.
        job: the job, which defines what to keep of each picture.
        environment: the environment, which has the batch size.
    """
    for wanted in rows:
        crops_of_range = islice(crops, len(wanted))
        size, classes = environment.batch_size, job.spec.classes
        batches = predict(predictor, crops_of_range, size, classes, needs_logits=bool(job.classes))
        for batch in batches:
            everything = batch.probabilities if job.keep == "all" else None
            top = top_k(batch.probabilities, k=5)
            few = None if batch.logits is None else top_k_among(batch.logits, job.classes, k=5)
            yield Part(wanted.start + batch.first, batch.input_shape, top, everything, few)


def crops_for(
    job: Job, rows: Sequence[range]
) -> AbstractContextManager[Iterator[NDArray[np.uint8]]]:
    """Crops of the pictures of these rows, from the job's file or decoded; that starts at once."""
    if job.crops:
        return job.crops.crops(job.pictures, job.recipe, job.workers, rows)
    wanted = [job.pictures[row] for part in rows for row in part]
    return crops(wanted, job.recipe, job.workers)


def _chosen(job: Job, loaded: Loaded) -> Choice:
    """The model that predicts a job's pictures, compiled if it is to be; see `compiled.chosen`."""
    if job.compiler is None or not can_be_compiled(job.spec) or loaded.precision != "float32":
        return Choice(loaded)
    first = [range(min(COMPARED, len(job.pictures)))]
    with crops_for(job, first) as seen:
        pixels = list(seen)
    size = job.batch_size or loaded.batch_size

    def probabilities(model: Loaded) -> Probabilities:
        batches = predict(model.predictor(job.recipe.scaling), pixels, size, job.spec.classes)
        return np.concatenate([batch.probabilities for batch in batches])

    return chosen(loaded, job.compiler, job.recipe.crop, size, probabilities)


def environment_of(job: Job, choice: Choice) -> Environment:
    """The environment that a job's model runs in.

    Raises:
        BenchmarkError: the model cannot be run with the job's batch size.
    """
    loaded, compiler = choice.loaded, choice.compiler
    loaded.check_batch_size(job.batch_size)
    versions = model_versions(job.spec) | framework_of(job.spec).versions()
    return Environment(
        loaded.sha256,
        versions
        | library_versions(job.recipe.library)
        | ({"compiled": compiler} if compiler else {}),
        loaded.device.title,
        loaded.precision,
        job.batch_size or loaded.batch_size,
        os.getpid(),
        choice.problem,
    )


def _first_line(error: Exception) -> str:
    text = f"{type(error).__name__}: {error}"
    return text.partition("\n")[0][:300]


def predict(
    predictor: Predictor,
    crops: Iterable[NDArray[np.uint8]],
    batch_size: int,
    classes: int,
    *,
    needs_logits: bool = False,
) -> Iterator[Batch]:
    """Yield batches of probabilities, in the order of the crops; the last one may be smaller.

    Args:
        predictor: the model.
        crops: (height, width, 3) each, all of the same size.
        batch_size: crops per forward pass.
        classes: expected number of classes in the model's output.
        needs_logits: whether batches have logits too.

    Raises:
        BenchmarkError: the output has another shape, contains NaN, or is neither probabilities nor
            logits.
    """
    batches, first = _stacked(crops, batch_size), 0
    probabilities_of = ProbabilitiesOf(classes)
    with ThreadPoolExecutor(1) as beside:  # stacks the next batch while the model runs
        coming = beside.submit(next, batches, None)
        while (pixels := coming.result()) is not None:
            coming = beside.submit(next, batches, None)
            if needs_logits:
                found = probabilities_of.with_logits(predictor, pixels)
                yield Batch(first, pixels.shape, *found)
            else:
                probabilities = probabilities_of(predictor(pixels), len(pixels))
                yield Batch(first, pixels.shape, probabilities)
            first += len(pixels)


def _stacked(crops: Iterable[NDArray[np.uint8]], size: int) -> Iterator[NDArray[np.uint8]]:
    remaining = iter(crops)
    while batch := list(islice(remaining, size)):
        yield np.stack(batch)
