"""Folders of NumPy arrays as the 2019 benchmark kept them; the only module that knows their names.

    {model}_{platform}_{set}_top5preds.npy   int64 (n, 5): classes, in any order
    {model}_{platform}_{set}_top5probs.npy   float32 or float16 (n, 5): a probability for each
    {model}_{platform}_{set}_probs.npy       float (n, classes), if all were kept
    {model}_{platform}_{set}_labels.npy      int64 (n,): true classes, if they were kept
    {model}_{platform}_{set}_provenance.json how the run was made; only this project writes it

The set "imagenet" is the whole validation set, sorted by class, then file name. Of equally probable
classes the one in the earlier column counts as the first guess, as in 2019: one run, resnet152, was
stored in half precision and has seven such ties, one of which decides a picture.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarking import files
from benchmarking.downloads import collections
from benchmarking.errors import BenchmarkError, StoreError
from benchmarking.imagenet import is_validation_set, validation_labels, validation_rows
from benchmarking.predictions import Classes, TopK, best_first
from benchmarking.provenance import UNKNOWN, Provenance
from benchmarking.specs import Probabilities, Run

RECIPE = "northcutt2019"
IMAGES = "imagenet-val-2019"
"""Name of the image set of 2019: the validation set, from a copy that nobody fingerprinted."""

_TITLES = {"keras": "Keras", "pytorch": "PyTorch"}
_NAME = re.compile(r"(?P<model>.+)_(?P<platform>keras|pytorch)_(?P<set>.+)_top5(preds|probs)\.npy")
_WHOLE_SET = "imagenet"
_TOP = 5


@dataclass(frozen=True)
class ArrayFolders:
    """Runs in folders of arrays, read where they are.

    Attributes:
        folders: where the arrays are.
        known_labels: true class of each row, by image set, where they are known from elsewhere.
    """

    folders: tuple[Path, ...]
    known_labels: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)

    @cached_property
    def _stems(self) -> dict[Run, Path]:
        """Each run and what the paths of its files begin with.

        Raises:
            StoreError: a folder cannot be read.
        """
        return {_run(stem): stem for folder in self.folders for stem in _stems_in(folder)}

    def image_sets(self) -> list[str]:
        """Names of the image sets that runs are on, sorted."""
        return sorted({run.images for run in self._stems})

    def runs(self, images: str) -> list[Run]:
        """Every run on an image set, by source, model and recipe."""
        return sorted(run for run in self._stems if run.images == images)

    def labels(self, images: str) -> NDArray[np.int64]:
        """True class of each row: the package's own, or those that were kept beside a run.

        Raises:
            StoreError: neither is there, or the array is broken.
        """
        if images in self.known_labels:
            return self.known_labels[images]
        if images == IMAGES:
            return validation_labels()[validation_rows()].astype(np.int64)
        kept = (_file(self._stems[run], "labels.npy") for run in self.runs(images))
        for path in kept:
            if path.exists():
                return read_integers(path)
        raise StoreError(f"the labels of {images} are not known; give them with -l FILE.")

    def classes(self, run: Run) -> Classes:
        """The five most probable classes of every row, best first.

        Raises:
            StoreError: a file is missing or broken.
        """
        return self.read(run).classes

    def read(self, run: Run) -> TopK:
        """What was said of every row.

        Raises:
            StoreError: a file is missing or broken; the message names it.
        """
        stem = self._stems[run]
        classes = _read(_file(stem, "top5preds.npy"), "iu")
        probabilities = _read(_file(stem, "top5probs.npy"), "f")
        limit = 1000 if run.images == IMAGES else 2**16
        if classes.ndim != 2 or classes.shape[1] != _TOP or not len(classes):
            raise StoreError(f"{_file(stem, 'top5preds.npy')} has shape {classes.shape}; (n, 5).")
        if classes.min() < 0 or classes.max() >= limit:
            raise StoreError(
                f"{_file(stem, 'top5preds.npy')} holds classes from {classes.min()} to "
                f"{classes.max()}; expected 0 to {limit - 1}."
            )
        if probabilities.shape != classes.shape:
            raise StoreError(
                f"{_file(stem, 'top5probs.npy')} has shape {probabilities.shape}, but the classes "
                f"beside it {classes.shape}; both must come from one run."
            )
        try:
            return best_first(classes, probabilities.astype(np.float32))
        except BenchmarkError as error:
            raise StoreError(f"{_file(stem, 'top5probs.npy')}: {error}") from error

    def provenance(self, run: Run) -> Provenance:
        """How a run was made, as far as it is known.

        Raises:
            StoreError: the document beside the arrays is broken.
        """
        stem = self._stems[run]
        document = _document(stem)
        if document:
            return Provenance.from_document(document["provenance"])
        arrays = [_file(stem, f"top5{kind}.npy").name for kind in ("preds", "probs")]
        return _imported(run, arrays)

    def paths(self, run: Run) -> tuple[Path, Path]:
        """The files of a run: classes and probabilities."""
        stem = self._stems[run]
        return _file(stem, "top5preds.npy"), _file(stem, "top5probs.npy")


def folders_below(folder: Path) -> list[Path]:
    """The folder itself and those in it, as far as they hold arrays.

    Raises:
        StoreError: none does, or it cannot be read.
    """
    try:
        inside = sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError as error:
        raise StoreError(f"{folder} cannot be read: {error.strerror}.") from error
    found = [place for place in (folder, *inside) if any(_stems_in(place))]
    if not found:
        raise StoreError(
            f"{folder} holds no arrays; expected files such as "
            "vgg16_pytorch_imagenet_top5preds.npy and vgg16_pytorch_imagenet_top5probs.npy."
        )
    return found


def names_2019() -> dict[str, tuple[str, ...]]:
    """The 34 models by platform, under the names that their files had."""
    paths = [Path(file.path) for file in collections()["predictions-2019"].files]
    matches = [match for path in paths if (match := _NAME.fullmatch(path.name))]
    return {
        platform: tuple(dict.fromkeys(m["model"] for m in matches if m["platform"] == platform))
        for platform in _TITLES
    }


def save(
    folder: Path,
    run: Run,
    top: TopK,
    labels: NDArray[np.int64],
    provenance: Provenance,
    *,
    probabilities: Probabilities | None = None,
) -> Path:
    """Write a run as arrays that the scripts of 2019 read, and return the path of its classes.

    Raises:
        BenchmarkError: its platform is none of theirs, or the folder cannot be written.
    """
    stem = folder / stem_of(run, labels, provenance)
    document = {"run": asdict(run), "provenance": asdict(provenance)}
    files.write(_file(stem, "provenance.json"), json.dumps(document, indent=1).encode())
    arrays: dict[str, NDArray[Any]] = {
        "labels.npy": labels.astype(np.int64),
        "top5probs.npy": top.probabilities.astype(np.float32),
        "top5preds.npy": top.classes.astype(np.int64),
    }
    if probabilities is not None:
        arrays["probs.npy"] = probabilities
    for kind, array in arrays.items():
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        files.write(_file(stem, kind), buffer.getvalue())
    return _file(stem, "top5preds.npy")


def stem_of(run: Run, labels: NDArray[np.int64], provenance: Provenance) -> str:
    """What the names of a run's arrays begin with.

    Raises:
        BenchmarkError: its platform is none of theirs.
    """
    platform = provenance.platform.casefold()
    if platform not in _TITLES:
        known = " and ".join(_TITLES.values())
        raise BenchmarkError(f"{run}: arrays can be of {known} only, not {provenance.platform}.")
    old = {name.casefold(): name for name in names_2019()[platform]}
    images = _WHOLE_SET if is_validation_set(labels) else run.images
    return f"{old.get(run.model.casefold(), run.model)}_{platform}_{images}"


def read_integers(path: Path) -> NDArray[np.int64]:
    """A row of numbers from an .npy file: labels, or row numbers.

    Raises:
        StoreError: it cannot be read, or holds anything else.
    """
    found = _read(path, "iub")
    if found.dtype.kind == "b":
        raise StoreError(f"{path} holds a mask of True and False; save np.flatnonzero(mask).")
    if found.ndim != 1:
        raise StoreError(f"{path} has shape {found.shape}; expected one row of numbers.")
    return found.astype(np.int64)


def _stems_in(folder: Path) -> Iterator[Path]:
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise StoreError(f"{folder} cannot be read: {error.strerror}.") from error
    found = (_NAME.fullmatch(name) for name in names)
    stems = (f"{m['model']}_{m['platform']}_{m['set']}" for m in found if m)
    yield from map(folder.joinpath, dict.fromkeys(stems))


def _file(stem: Path, kind: str) -> Path:
    return stem.with_name(f"{stem.name}_{kind}")


def _run(stem: Path) -> Run:
    match = _NAME.fullmatch(f"{stem.name}_top5preds.npy")
    assert match  # stems come from names that match
    images = IMAGES if match["set"] == _WHOLE_SET else match["set"]
    document = _document(stem)
    if document:
        return Run(**{**document["run"], "images": images})
    return Run(images, f"2019-{match['platform']}", match["model"], RECIPE)


def _document(stem: Path) -> dict[str, Any]:
    path = _file(stem, "provenance.json")
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
        Run(**found["run"]), Provenance.from_document(found["provenance"])
        return found
    except FileNotFoundError:
        return {}
    except (OSError, LookupError, ValueError, TypeError, BenchmarkError) as error:
        raise StoreError(f"{path} is broken: {error}") from error


def _read(path: Path, kinds: str) -> NDArray[Any]:
    """An array of one of NumPy's kinds of numbers; what lies about its size takes no memory."""
    try:
        found = np.lib.format.open_memmap(path, mode="r")  # of pickles it wants nothing
    except FileNotFoundError as error:
        raise StoreError(f"{path} is missing; a run has classes and probabilities.") from error
    except (ValueError, OSError, EOFError) as error:
        raise StoreError(f"{path} is no whole .npy file: {error}") from error
    if found.dtype.kind not in kinds:
        wanted = "probabilities" if kinds == "f" else "whole numbers"
        raise StoreError(f"{path} holds {found.dtype}; expected {wanted}.")
    return np.asarray(found)


def _imported(run: Run, arrays: Sequence[str]) -> Provenance:
    """What is known of a run of which there are arrays alone."""
    return Provenance(
        platform=_TITLES[run.source.removeprefix("2019-")],
        weights={"name": UNKNOWN},
        preprocessing={},
        images={"name": run.images, "n": None, "fingerprint": UNKNOWN},
        versions={},
        device=UNKNOWN,
        precision=UNKNOWN,
        batch_size=None,
        input_shapes=(),
        executor="imported",
        process_id=None,
        started=UNKNOWN,
        seconds=None,
        origin={"files": dict.fromkeys(arrays, UNKNOWN)},
    )
