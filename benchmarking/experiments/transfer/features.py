"""The outputs of a frozen backbone for all pictures, computed once and kept on disk.

A file of features is only used for the weights, preprocessing, augmented pictures and library
versions that it was made from, which are written in it. The first pictures are computed again each
time: features that the model does not give are refused, whatever their file says.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError, StoreError
from benchmarking.experiments import Model
from benchmarking.experiments.transfer.augmentation import Augmentation, augmented
from benchmarking.experiments.transfer.networks import Backbone, backbone_of
from benchmarking.experiments.transfer.task import Part
from benchmarking.io import files
from benchmarking.io.prefetch import prefetched
from benchmarking.models.loaded import model_versions
from benchmarking.models.sources import framework_of, weights_path
from benchmarking.models.spec import ModelSpec
from benchmarking.models.weights import verified_sha256
from benchmarking.pictures.crop import library_versions
from benchmarking.pictures.crop_stream import crop_of
from benchmarking.pictures.recipe import Crops, Preprocessing
from benchmarking.predictions import array_file
from benchmarking.predictions.run_index import refuse_links

FORMAT = 1
CHECKED = 8
"""Number of pictures whose features are computed again before a file of features is used."""
_TOLERANCE = 1e-3
"""Largest difference of such features, relative to the largest one; other processors round
differently, and other weights or pictures differ by far more."""


@dataclass(frozen=True)
class FeatureTest:
    """Features of one part of a task.

    Attributes:
        model: the model whose backbone gives them.
        recipe: the preprocessing.
        part: the pictures.
        augmentation: changes of the pictures; one without draws for validation.
        folder: folder for files of features.
    """

    model: Model
    recipe: Preprocessing
    part: Part
    augmentation: Augmentation
    folder: Path

    @cached_property
    def key(self) -> dict[str, Any]:
        """All that features depend on, as names, numbers and digests.

        Raises:
            WeightsError: the weights are missing, or not the published ones.
        """
        spec, seed = self.model.spec, self.model.seed
        drawn = asdict(self.augmentation) if self.augmentation.draws else {"draws": 0}
        return {
            "format": FORMAT,
            "model": spec.full_name,
            "weights": weights_of(self.model) if seed is None else f"random, seed {seed}",
            "recipe": self.recipe.as_document(),
            "pictures": hashlib.sha256("\n".join(self.part.digests).encode()).hexdigest(),
            "augmentation": drawn,
            "versions": versions_of(spec, self.recipe),
        }

    @property
    def path(self) -> Path:
        """The file of these features."""
        spec = self.model.spec
        name = f"{spec.name}.{digest_of(self.key)[:16]}.safetensors"
        return self.folder / "features" / spec.source / name


@dataclass(frozen=True, eq=False)
class Features:
    """Outputs of a backbone.

    Attributes:
        values: (versions, n, features).
        pixels: sha256 of all pixels that the backbone got, in order.
        changed: names of the backbone's tensors that computing the features has changed.
        tensors: number of the backbone's tensors.
        seconds: of the computation.
    """

    values: NDArray[np.float32]
    pixels: str
    changed: tuple[str, ...]
    tensors: int
    seconds: float


@dataclass(frozen=True)
class Pictures:
    """So many further pictures have their features."""

    n: int


def stored(test: FeatureTest) -> Features | None:
    """The stored features of a test; None if there are none.

    Raises:
        StoreError: the file was made from something else, or is damaged.
    """
    if files.is_missing(test.path):
        return None
    import msgspec

    held = array_file.read(test.path, {"key": test.key})
    with array_file.whole(test.path):
        made = msgspec.convert(held.document["made"], _Made)
        values = held.arrays["features"]
        if values.ndim != 3 or values.shape[:2] != (test.augmentation.versions, len(test.part)):
            raise ValueError(f"it has features of shape {values.shape}")
    return Features(values, made.pixels, made.changed, made.tensors, made.seconds)


@dataclass(frozen=True)
class _Made:
    """The facts in a file of features; see `Features`."""

    pixels: str
    changed: tuple[str, ...]
    tensors: int
    seconds: float


def computed(tests: tuple[FeatureTest, ...]) -> Iterator[Pictures]:
    """Compute and store the features of one model's tests that are not stored; check the others.

    Yields:
        The number of further pictures, after each batch.

    Raises:
        StoreError: stored features are not those that the model gives.
        BenchmarkError: the model cannot be loaded, or a picture not be decoded.
    """
    backbone = backbone_of(tests[0].model)
    for test in tests:
        known = stored(test)
        if known is None:
            yield from _computed_and_stored(test, backbone)
        else:
            _check(test, backbone, known)


def weights_of(model: Model) -> str:
    """Sha256 of the file of a model's weights.

    Raises:
        WeightsError: it is missing, or not the published one.
    """
    path = weights_path(model.spec, model.weights_folder)
    return verified_sha256(path, model.spec.weights)


def versions_of(spec: ModelSpec, recipe: Preprocessing) -> dict[str, str]:
    """Versions of the libraries that can change features, found without importing a framework."""
    return {
        **model_versions(spec),
        **module_versions(framework_of(spec).MODULES),
        **library_versions(recipe.library),
    }


def module_versions(modules: Sequence[str]) -> dict[str, str]:
    """Versions of the distributions of modules, without those that only read pictures."""
    found = {}
    for name in (name for name in modules if name not in ("PIL", "cv2")):
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # such as tensorflow, which tensorflow-cpu provides too
            owners = packages_distributions().get(name, [])  # it reads the files of every package
            found |= {owner: version(owner) for owner in owners}
    return found


def digest_of(document: Mapping[str, Any]) -> str:
    """Sha256 of a document of names, numbers, lists and objects, in hex."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _computed_and_stored(test: FeatureTest, backbone: Backbone) -> Iterator[Pictures]:
    refuse_links(test.path, test.folder)
    start = perf_counter()
    before, seen = backbone.tensors(), hashlib.sha256()
    outputs, found = backbone.outputs(test.recipe.scaling), []
    rows = [
        (row, draw) for draw in range(test.augmentation.versions) for row in range(len(test.part))
    ]
    with prefetched(lambda one: crop_for(test, *one), rows, test.model.workers) as crops:
        for batch in batched(crops, backbone.loaded.batch_size):
            seen.update(batch.data)
            found.append(outputs(batch))
            yield Pictures(len(batch))
    values = np.concatenate(found)
    if not np.isfinite(values).all():
        raise BenchmarkError(
            f"{test.model.spec.full_name} gives features that are not finite; are its weights "
            "right?"
        )
    made = {
        "pixels": seen.hexdigest(),
        "changed": moved(before, backbone.tensors()),
        "tensors": len(before),
        "seconds": perf_counter() - start,
    }
    values = values.reshape(test.augmentation.versions, len(test.part), -1)
    array_file.ArrayFile({"key": test.key, "made": made}, {"features": values}).write(test.path)


def _check(test: FeatureTest, backbone: Backbone, known: Features) -> None:
    """Compute the features of the first pictures again, and compare."""
    n = min(CHECKED, len(test.part))
    crops: NDArray[Any] = np.stack([crop_for(test, row, 0) for row in range(n)])
    size, outputs = backbone.loaded.batch_size, backbone.outputs(test.recipe.scaling)
    again = np.concatenate([outputs(crops[at : at + size]) for at in range(0, n, size)])
    apart = float(np.abs(again - known.values[0, :n]).max() / np.abs(again).max())
    if not apart <= _TOLERANCE:
        raise StoreError(
            f"{test.path} does not hold the features of {test.model.spec.full_name}: those of the "
            f"first {n} pictures differ by {apart:.0e} of the largest. Remove it; it is computed "
            "again."
        )


def crop_for(test: FeatureTest, row: int, draw: int) -> NDArray[np.uint8] | NDArray[np.float32]:
    """One version of a picture, with pixels in [0, 255], that the backbone gets."""
    crop = crop_of(test.part.pictures[row], test.recipe)
    return augmented(crop, test.augmentation, row, draw, test.recipe.scaling)


def batched(crops: Iterator[NDArray[Any]], size: int) -> Iterator[Crops]:
    """Yield crops in batches, (n, h, w, 3); the last one may be smaller."""
    while some := list(islice(crops, size)):
        yield np.stack(some)


def moved(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Names of the tensors that differ in a bit, or are in one only, in the order of the model."""
    names = dict.fromkeys([*before, *after])
    return [name for name in names if before.get(name) != after.get(name)]
