"""From pictures to batches of probabilities: what happens where a model runs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path
from platform import python_version
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarking import __version__
from benchmarking.crops import crops
from benchmarking.errors import BenchmarkError, OutOfMemory
from benchmarking.frameworks import Device
from benchmarking.images import library_versions
from benchmarking.jobs import Job, Part, Setting
from benchmarking.predictions import check_probabilities, top_k
from benchmarking.sources import framework_of, source_of, spec_of, weights_path
from benchmarking.specs import SCALINGS, ModelSpec, Predictor, Probabilities
from benchmarking.weights import check


@dataclass(frozen=True, eq=False)
class Batch:
    """What a model answered to one batch of pictures.

    Attributes:
        first: row of the batch's first picture.
        input_shape: of the crops that the model was given.
        probabilities: (n, classes).
    """

    first: int
    input_shape: tuple[int, ...]
    probabilities: Probabilities


def answer(job: Job) -> Iterator[Setting | Part]:
    """Load a job's model and predict its pictures: first the setting, then every batch in order.

    Pictures that `job.begun` answers under the same setting are left out.

    Raises:
        OutOfMemory: there is not enough of it.
        BenchmarkError: the model cannot be loaded, a picture cannot be decoded, or the model's
            output is not one distribution per picture.
    """
    spec = spec_of(job.run.source, job.run.model)
    framework = framework_of(spec)
    try:
        with ExitStack() as stack:
            # Where rows are left out, how many is known only when the model is loaded.
            seen = None if job.begun else stack.enter_context(_seen(job, 0))
            loaded = load(
                spec,
                job.gpu,
                weights_folder=job.weights_folder,
                seed=job.seed,
                precision=job.precision,
            )
            setting = _setting(job, loaded)
            yield setting
            first = 0
            if job.begun and setting.goes_on_from(job.begun.setting):
                first = job.begun.rows
            if seen is None:
                seen = stack.enter_context(_seen(job, first))
            predictor = loaded.predictor(spec.recipes[job.run.recipe].scaling)
            for batch in predict(predictor, seen, setting.batch_size, spec.classes):
                everything = batch.probabilities if job.keep == "all" else None
                top = top_k(batch.probabilities, k=5)
                yield Part(first + batch.first, batch.input_shape, top, everything)
    except Exception as error:
        if isinstance(error, MemoryError) or framework.is_out_of_memory(error):
            raise OutOfMemory(f"out of memory: {_first_line(error)}") from error
        raise


def _seen(job: Job, first: int) -> AbstractContextManager[Iterator[NDArray[np.uint8]]]:
    """Crops of the job's pictures from a row on, decoded from now on."""
    recipe = spec_of(job.run.source, job.run.model).recipes[job.run.recipe]
    if job.crops:
        return job.crops.crops(job.pictures, recipe, job.workers, first)
    return crops(job.pictures[first:], recipe, job.workers)


def _setting(job: Job, loaded: Loaded) -> Setting:
    spec = loaded.spec
    library = spec.recipes[job.run.recipe].library
    return Setting(
        loaded.sha256,
        _versions(spec) | framework_of(spec).versions() | library_versions(library),
        loaded.device.title,
        loaded.precision,
        job.batch_size or loaded.batch_size,
        os.getpid(),
    )


def _first_line(error: Exception) -> str:
    text = f"{type(error).__name__}: {error}"
    return text.partition("\n")[0][:300]


@dataclass(frozen=True, eq=False)
class Loaded:
    """A model that is ready to run.

    Attributes:
        spec: which one.
        model: the framework's own object.
        device: where it runs.
        sha256: of the file that it was filled from; empty for random values.
        precision: of its forward pass.
    """

    spec: ModelSpec
    model: Any
    device: Device
    sha256: str
    precision: str

    @property
    def batch_size(self) -> int:
        """Pictures per forward pass that its framework takes on this device."""
        size: int = framework_of(self.spec).BATCH_SIZES[self.device.kind]
        return size

    def predictor(self, scaling: str) -> Predictor:
        """The model as a function of crops, which are scaled by one of `SCALINGS`."""
        found: Predictor = framework_of(self.spec).predictor(
            self.model, SCALINGS[scaling], self.device, self.precision
        )
        return found


def load(
    spec: ModelSpec,
    gpu: int | None,
    *,
    weights_folder: Path | None = None,
    seed: int | None = None,
    precision: str | None = None,
) -> Loaded:
    """Load a model in this process; for what the arguments mean see `Job`.

    Raises:
        BenchmarkError: its weights are missing or not the published ones, there is no such GPU, or
            the framework does not compute in this precision.
    """
    framework = framework_of(spec)
    path = weights_path(spec, weights_folder) if seed is None else None
    sha256 = check(path, spec.weights) if path else ""  # before the framework sees the file
    device = framework.prepare(gpu, _precision(framework, precision))
    if seed is not None:
        framework.seed(seed)
    model = source_of(spec).build(spec, path)
    return Loaded(spec, model, device, sha256, _precision(framework, precision))


def predict(
    predictor: Predictor, crops: Iterable[NDArray[np.uint8]], batch_size: int, classes: int
) -> Iterator[Batch]:
    """Batches of probabilities, in the order of the crops; the last may be smaller.

    Args:
        predictor: the model.
        crops: (height, width, 3) each, all of one size.
        batch_size: crops per forward pass.
        classes: expected length of the model's output.

    Raises:
        BenchmarkError: the output is of another shape, holds NaN or does not sum to one.
    """
    batches, first = _stacked(crops, batch_size), 0
    with ThreadPoolExecutor(1) as beside:  # the next batch is put together while the model runs
        coming = beside.submit(next, batches, None)
        while (pixels := coming.result()) is not None:
            coming = beside.submit(next, batches, None)
            shape = (len(pixels), classes)
            yield Batch(first, pixels.shape, _checked(predictor(pixels), shape))
            first += len(pixels)


def _stacked(crops: Iterable[NDArray[np.uint8]], size: int) -> Iterator[NDArray[np.uint8]]:
    remaining = iter(crops)
    while batch := list(islice(remaining, size)):
        yield np.stack(batch)


def _checked(probabilities: Probabilities, shape: tuple[int, int]) -> Probabilities:
    if probabilities.shape != shape:
        raise BenchmarkError(
            f"the model's output has shape {probabilities.shape}; expected {shape}, "
            "one probability per picture and class."
        )
    check_probabilities(probabilities)
    off = float(np.abs(probabilities.sum(axis=1) - 1).max())
    if off > 1e-3:
        raise BenchmarkError(
            f"the model's output sums to one only within {off:.3g}; expected softmax probabilities."
        )
    return probabilities


def _precision(framework: ModuleType, asked: str | None) -> str:
    known: tuple[str, ...] = framework.PRECISIONS
    if asked is None:
        return known[0]
    if asked not in known:
        raise BenchmarkError(
            f"{framework.TITLE} does not compute in {asked} here; it has {', '.join(known)}."
        )
    return asked


def _versions(spec: ModelSpec) -> dict[str, str]:
    found = {"imagenet-benchmarking": __version__, "python": python_version()}
    for name in ("numpy", *source_of(spec).DISTRIBUTIONS):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found
