"""The folder where stored predictions live; the only module that knows its names and formats.

    {store}/{image set}/images.csv                              key,class of each row
    {store}/{image set}/{source}/{model}.{recipe}.safetensors   one run

A run's file holds `top5_index` uint16 (n, 5), `top5_prob` float32 (n, 5), `probabilities` float32
(n, classes) if all were kept, and in its metadata one JSON with the format version, the run and
its provenance. A file is complete or absent: it is written under another name, synced to disk and
renamed.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from benchmarking import files
from benchmarking.errors import BenchmarkError, StoreError
from benchmarking.image_sets import ImageSet
from benchmarking.predictions import Classes, TopK
from benchmarking.provenance import Provenance
from benchmarking.specs import Probabilities, Run

FORMAT = 1
_METADATA_KEY = "imagenet-benchmark"
_SUFFIX = ".safetensors"
_ROWS = "images.csv"


@dataclass(frozen=True, eq=False)
class ImageRows:
    """The pictures of an image set as the store knows them, one per row.

    Attributes:
        keys: names of the pictures.
        labels: (n,) true class of each.
    """

    keys: tuple[str, ...]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(frozen=True)
class PredictionStore:
    """Stored predictions below one folder; a reader sees all of a run or none of it."""

    folder: Path

    def image_sets(self) -> list[str]:
        """Names of the image sets that have a folder here, sorted."""
        return sorted({path.parts[-3] for path in self.folder.glob(f"*/*/[!.]*{_SUFFIX}")})

    def runs(self, images: str) -> list[Run]:
        """Every stored run on an image set, by source, model and recipe.

        Raises:
            StoreError: a file's name is not one that a run can have.
        """
        paths = self.folder.joinpath(images).glob(f"*/[!.]*{_SUFFIX}")
        return sorted(self._run_at(path) for path in paths)

    def path(self, run: Run) -> Path:
        """Where a run is, or would be, stored."""
        return self.folder / run.images / run.source / f"{run.model}.{run.recipe}{_SUFFIX}"

    def rows(self, images: str) -> ImageRows:
        """The pictures of an image set and their classes.

        Raises:
            StoreError: the set's list of pictures is missing or broken.
        """
        path = self.folder / images / _ROWS
        try:
            with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
                lines = csv.reader(file)
                next(lines, None)
                keys, labels = zip(*lines, strict=True)
            rows = ImageRows(keys, np.array(labels, dtype=np.int64))
            if rows.labels.min() < 0:
                raise ValueError("there is a class below 0")
            return rows
        except FileNotFoundError as error:
            raise StoreError(f"{path} is missing; without it no run can be scored.") from error
        except (ValueError, csv.Error) as error:
            raise StoreError(f"{path} is broken: {error}; each line must be key,class.") from error

    def labels(self, images: str) -> NDArray[np.int64]:
        """True class of each picture of an image set, (n,).

        Raises:
            StoreError: the set's list of pictures is missing or broken.
        """
        return self.rows(images).labels

    def classes(self, run: Run) -> Classes:
        """The five most probable classes of every picture, (n, 5), best first.

        Raises:
            StoreError: there is no such run, or its file is broken.
        """
        with self._opened(run) as file:
            classes: Classes = file.get_tensor("top5_index")
            return classes

    def read(self, run: Run) -> TopK:
        """The five most probable classes of every picture.

        Raises:
            StoreError: there is no such run, or its file is broken.
        """
        with self._opened(run) as file:
            return TopK(file.get_tensor("top5_index"), file.get_tensor("top5_prob"))

    def read_probabilities(self, run: Run) -> Probabilities:
        """The probabilities of all classes, (n, classes).

        Raises:
            StoreError: there is no such run, its file is broken, or only its top-5 was kept.
        """
        with self._opened(run) as file:
            probabilities: Probabilities = file.get_tensor("probabilities")
            return probabilities

    def keeps_all_probabilities(self, run: Run) -> bool:
        """Whether a run is stored, readable, and keeps the probabilities of all classes."""
        try:
            with self._opened(run) as file:
                return "probabilities" in set(file.keys())
        except StoreError:
            return False

    def provenance(self, run: Run) -> Provenance:
        """How a run was made.

        Raises:
            StoreError: there is no such run, or its file is broken or of another format.
        """
        with self._opened(run) as file:
            document = json.loads((file.metadata() or {}).get(_METADATA_KEY, "{}"))
            if document.pop("format", None) != FORMAT:
                raise StoreError(f"not of format {FORMAT}, the one this version reads")
            if document.pop("run", None) != asdict(run):
                raise StoreError("holds another run than its name says")
            return Provenance.from_document(document)

    def admit(self, images: ImageSet) -> None:
        """Make room for runs on an image set, whose name must mean the same pictures here.

        Runs that cannot be read say nothing of their pictures; they can be computed anew.

        Raises:
            StoreError: other pictures are stored under this name.
            BenchmarkError: the folder cannot be written.
        """
        stored = set(self._fingerprints(images.name))
        for other in stored - {images.fingerprint}:
            raise _other_pictures(images, f"fingerprint {other}")
        if stored and not np.array_equal(self.rows(images.name).labels, images.labels):
            raise _other_pictures(images, "other classes")
        files.write(self.folder / images.name / _ROWS, _csv(images))

    def write(
        self,
        run: Run,
        images: ImageSet,
        top: TopK,
        provenance: Provenance,
        *,
        probabilities: Probabilities | None = None,
    ) -> Path:
        """Store a complete run, in place of an earlier one, and return its path.

        Raises:
            StoreError: predictions and pictures differ in number, or other pictures are stored
                under the set's name.
            BenchmarkError: the folder cannot be written.
        """
        if len(top) != len(images) or run.images != images.name:
            raise StoreError(
                f"{run}: {len(top)} predictions for the {len(images)} pictures of {images.name}."
            )
        self.admit(images)
        tensors: dict[str, NDArray[Any]] = {
            "top5_index": top.classes.astype(np.uint16),
            "top5_prob": top.probabilities.astype(np.float32),
        }
        if probabilities is not None:
            tensors["probabilities"] = probabilities
        document = {"format": FORMAT, "run": asdict(run), **asdict(provenance)}
        files.write(self.path(run), save(tensors, metadata={_METADATA_KEY: json.dumps(document)}))
        return self.path(run)

    def _fingerprints(self, images: str) -> Iterator[str]:
        for path in self.folder.joinpath(images).glob(f"*/[!.]*{_SUFFIX}"):
            with suppress(StoreError):
                yield self.provenance(self._run_at(path)).fingerprint

    def _run_at(self, path: Path) -> Run:
        images, source, name = path.relative_to(self.folder).parts
        model, _, recipe = name.removesuffix(_SUFFIX).rpartition(".")
        try:
            return Run(images, source, model, recipe)
        except BenchmarkError as error:
            raise StoreError(f"{path} is not named like a stored run: {error}") from error

    @contextmanager
    def _opened(self, run: Run) -> Iterator[Any]:
        path = self.path(run)
        try:
            with safe_open(path, framework="numpy") as file:
                yield file
        except FileNotFoundError as error:
            raise StoreError(f"{path} does not exist.") from error
        except (
            SafetensorError,
            BenchmarkError,
            LookupError,
            ValueError,
            TypeError,
            OSError,
        ) as error:
            raise StoreError(f"{path}: {error}") from error


def bytes_needed(pictures: int, *, classes: int = 0) -> int:
    """Size of a run's file, to a few kB; with the probabilities of so many classes, if any."""
    return 4096 + pictures * (5 * (2 + 4) + 4 * classes)


def _other_pictures(images: ImageSet, found: str) -> StoreError:
    return StoreError(
        f"image set {images.name!r} is stored with {found}; these are {len(images)} pictures with "
        f"fingerprint {images.fingerprint}. Name them otherwise with --images."
    )


def _csv(images: ImageSet) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["key", "class"])
    writer.writerows((picture.key, picture.label) for picture in images.pictures)
    return text.getvalue().encode("utf-8", "surrogateescape")
