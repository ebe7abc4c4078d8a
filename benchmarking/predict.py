"""From pictures to batches of probabilities: what happens where a model runs."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path
from platform import python_version
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmarking import __version__
from benchmarking.errors import BenchmarkError, PictureError
from benchmarking.frameworks import Device
from benchmarking.image_sets import Picture
from benchmarking.images import crop, library_versions
from benchmarking.predictions import check_probabilities
from benchmarking.sources import framework_of, source_of, spec_of, weights_path
from benchmarking.specs import SCALINGS, ModelSpec, Predictor, Preprocessing, Probabilities, Run
from benchmarking.weights import check

Keep = Literal["top5", "all"]


@dataclass(frozen=True)
class Job:
    """A run to compute, by names alone, so that any process can load the model itself.

    Attributes:
        run: source, model, recipe and image set.
        pictures: what to predict, in order.
        batch_size: pictures per forward pass; None takes the framework's own for the device.
        gpu: number of the GPU among those visible; None takes the first one, else the CPU; -1
            takes the CPU.
        workers: threads that decode pictures.
        weights_folder: where the weights are; None looks where the framework keeps them.
        seed: of random weights, in place of the published ones; None for the published ones.
        keep: the five most probable classes of each picture, or the probabilities of all.
    """

    run: Run
    pictures: tuple[Picture, ...]
    batch_size: int | None
    gpu: int | None
    workers: int
    weights_folder: Path | None = None
    seed: int | None = None
    keep: Keep = "top5"


@dataclass(frozen=True)
class Setting:
    """What a model runs on, known once it is loaded.

    Attributes:
        weights_sha256: of the file that the model was filled from; empty for random values.
        versions: of every library that could change the answer.
        device: title of the device.
        precision: of the forward pass.
        batch_size: pictures per forward pass.
        process_id: the process that runs the model.
    """

    weights_sha256: str
    versions: dict[str, str]
    device: str
    precision: str
    batch_size: int
    process_id: int


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


def answer(job: Job) -> Iterator[Setting | Batch]:
    """Load a job's model and predict its pictures: first the setting, then every batch in order.

    Raises:
        BenchmarkError: the model cannot be loaded, a picture cannot be decoded, or the model's
            output is not one distribution per picture.
    """
    spec = spec_of(job.run.source, job.run.model)
    preprocessing = spec.recipes[job.run.recipe]
    framework = framework_of(spec)
    loaded = load(spec, job.gpu, weights_folder=job.weights_folder, seed=job.seed)
    batch_size = job.batch_size or loaded.batch_size
    versions = framework.versions() | library_versions(preprocessing.library)
    yield Setting(
        loaded.sha256,
        _versions(spec) | versions,
        loaded.device.title,
        framework.PRECISION,
        batch_size,
        os.getpid(),
    )
    seen = crops(job.pictures, preprocessing, job.workers)
    yield from predict(loaded.predictor(preprocessing.scaling), seen, batch_size, spec.classes)


@dataclass(frozen=True, eq=False)
class Loaded:
    """A model that is ready to run.

    Attributes:
        spec: which one.
        model: the framework's own object.
        device: where it runs.
        sha256: of the file that it was filled from; empty for random values.
    """

    spec: ModelSpec
    model: Any
    device: Device
    sha256: str

    @property
    def batch_size(self) -> int:
        """Pictures per forward pass that its framework takes on this device."""
        size: int = framework_of(self.spec).BATCH_SIZES[self.device.kind]
        return size

    def predictor(self, scaling: str) -> Predictor:
        """The model as a function of crops, which are scaled by one of `SCALINGS`."""
        found: Predictor = framework_of(self.spec).predictor(
            self.model, SCALINGS[scaling], self.device
        )
        return found


def load(
    spec: ModelSpec, gpu: int | None, *, weights_folder: Path | None = None, seed: int | None = None
) -> Loaded:
    """Load a model in this process; for what the arguments mean see `Job`.

    Raises:
        BenchmarkError: its weights are missing or not the published ones, or there is no such GPU.
    """
    framework = framework_of(spec)
    path = weights_path(spec, weights_folder) if seed is None else None
    sha256 = check(path, spec.weights) if path else ""  # before the framework sees the file
    device = framework.prepare(gpu)
    if seed is not None:
        framework.seed(seed)
    return Loaded(spec, source_of(spec).build(spec, path), device, sha256)


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
    remaining, first = iter(crops), 0
    while batch := list(islice(remaining, batch_size)):
        pixels = np.stack(batch)
        yield Batch(first, pixels.shape, _checked(predictor(pixels), (len(batch), classes)))
        first += len(batch)


def crops(
    pictures: Iterable[Picture], preprocessing: Preprocessing, workers: int
) -> Iterator[NDArray[np.uint8]]:
    """Crops of the pictures in order, decoded ahead of their use by several threads.

    Raises:
        PictureError: a picture cannot be read or decoded; the message names it.
    """
    ahead = 64 * workers
    remaining = iter(pictures)
    waiting: deque[Future[NDArray[np.uint8]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for picture in islice(remaining, ahead):
                waiting.append(pool.submit(_crop_of, picture, preprocessing))
            while waiting:
                yield waiting.popleft().result()
                for picture in islice(remaining, 1):
                    waiting.append(pool.submit(_crop_of, picture, preprocessing))
        finally:
            pool.shutdown(cancel_futures=True)


def _crop_of(picture: Picture, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    data = picture.read()
    try:
        return crop(data, preprocessing)
    except PictureError as error:
        raise PictureError(f"{picture.key} in {picture.path.parent} {error}") from error


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


def _versions(spec: ModelSpec) -> dict[str, str]:
    found = {"imagenet-benchmarking": __version__, "python": python_version()}
    for name in ("numpy", *source_of(spec).DISTRIBUTIONS):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found
