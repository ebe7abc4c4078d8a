"""Folders of NumPy arrays from the 2019 benchmark; only this module knows their file names.

    {model}_{platform}_{set}_top5preds.npy   int64 (n, 5): classes, in any order
    {model}_{platform}_{set}_top5probs.npy   float32 or float16 (n, 5): a probability for each
    {model}_{platform}_{set}_probs.npy       float (n, classes), if all were kept
    {model}_{platform}_{set}_labels.npy      int64 (n,): true classes, if they were kept
    {model}_{platform}_{set}_provenance.json see `exported`; only this project writes it

The set "imagenet" is the whole validation set, sorted by class, then file name. If classes are
equally probable, the one in the earlier column is the first guess, as in 2019. One run, resnet152,
was stored in half precision and has seven such ties; one of them decides if a picture is right.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError, StoreError
from benchmarking.io.downloads import collections
from benchmarking.io.names import UNKNOWN
from benchmarking.io.npy_files import read_array, read_integers, write_array
from benchmarking.labels.imagenet import validation_labels, validation_number, validation_rows
from benchmarking.models.spec import Probabilities
from benchmarking.predictions.exported import Exported, read_document, write_document
from benchmarking.predictions.provenance import Provenance, imported
from benchmarking.predictions.run import Run
from benchmarking.predictions.top_k import Classes, TopK, best_first

RECIPE = "northcutt2019"
IMAGES = "imagenet-val-2019"
"""Name of the image set of 2019: the validation set, from a copy without a known fingerprint."""

_TITLES = {"keras": "Keras", "pytorch": "PyTorch"}
_NAME = re.compile(r"(?P<model>.+)_(?P<platform>keras|pytorch)_(?P<set>.+)_top5(preds|probs)\.npy")
_WHOLE_SET = "imagenet"
_KINDS = ("top5preds.npy", "top5probs.npy", "probs.npy", "labels.npy")
_TOP = 5


@dataclass(frozen=True)
class ArrayFolders:
    """Runs in folders of arrays, read without an import.

    Attributes:
        folders: the folders with arrays.
        known_labels: true class of each row, by image set, if known from another source.
        platforms: by folder, the only platform to read from it; by default all are read.
    """

    folders: tuple[Path, ...]
    known_labels: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    platforms: Mapping[Path, str] = field(default_factory=dict)

    @cached_property
    def _stems(self) -> dict[Run, Path]:
        """Each run, with the common beginning of the paths of its files.

        Raises:
            StoreError: a folder cannot be read, or two folders contain the same run.
        """
        found: dict[Run, Path] = {}
        for stem in (stem for folder in self.folders for stem in self._stems_in(folder)):
            try:
                run = _run(stem)
            except StoreError:
                continue  # `problems` names it
            if run in found and not stem.parent.samefile(found[run].parent):
                raise StoreError(f"{stem} and {found[run]} are the same run; leave out one folder.")
            found[run] = stem
        return found

    def _stems_in(self, folder: Path) -> Iterator[Path]:
        platform = self.platforms.get(folder)
        for stem in _stems_in(folder):
            if platform is None or f"_{platform}_" in stem.name:
                yield stem

    def problems(self) -> list[str]:
        """Why arrays are not read: their names are not understood; sorted.

        Raises:
            StoreError: a folder cannot be read.
        """
        found = []
        for folder in self.folders:
            stems = list(_stems_in(folder))
            for stem in stems:
                try:
                    _run(stem)
                except StoreError as error:
                    found.append(str(error))
            ours = {_file(stem, kind).name for stem in stems for kind in _KINDS}
            others = (name for name in _names_in(folder) if name.endswith(".npy"))
            found += [
                f"{folder / name} is not named as the arrays of 2019; expected "
                "MODEL_PLATFORM_SET_top5preds.npy, and keras or pytorch as the platform"
                for name in others
                if name not in ours
            ]
        return sorted(found)

    def image_sets(self) -> list[str]:
        """Names of the image sets of all runs, sorted."""
        return sorted({run.images for run in self._stems})

    def runs(self, images: str) -> list[Run]:
        """Every run on an image set, sorted by source, model and recipe."""
        return sorted(run for run in self._stems if run.images == images)

    def labels(self, images: str) -> NDArray[np.int64]:
        """True class of each row: known labels, the package's own, or those stored with a run.

        Raises:
            StoreError: there are none, or the array is broken.
        """
        if images in self.known_labels:
            return self.known_labels[images]
        if images == IMAGES:
            return validation_labels()[validation_rows()].astype(np.int64)
        for run in self.runs(images):
            if (path := _file(self._stems[run], "labels.npy")).exists():
                return read_integers(path)
        raise StoreError(
            f"the labels of {images} are not known; give those of all its rows with -l FILE, or "
            "put them beside a model's arrays as MODEL_PLATFORM_SET_labels.npy."
        )

    def right_classes(self, images: str) -> NDArray[np.int64]:
        """The result of `labels` as (n, 1)."""
        return self.labels(images).reshape(-1, 1)

    def classes(self, run: Run) -> Classes:
        """The five most probable classes of every row, best first.

        Raises:
            StoreError: a file is missing or broken, or its labels differ from those of the set.
        """
        kept = _file(self._stems[run], "labels.npy")
        if kept.exists() and not np.array_equal(read_integers(kept), self.labels(run.images)):
            raise StoreError(
                f"{kept} has other labels than {run.images}, so its rows are in another order or "
                "of other pictures."
            )
        return self.read(run).classes

    def read(self, run: Run) -> TopK:
        """The predictions of every row.

        Raises:
            StoreError: a file is missing or broken; the message names it.
        """
        preds, probs = self.paths(run)
        classes, probabilities = read_array(preds, "iu"), read_array(probs, "f")
        limit = classes_of(run.images)
        if classes.ndim != 2 or classes.shape[1] != _TOP or not len(classes):
            raise StoreError(f"{preds} has shape {classes.shape}; (n, 5).")
        if classes.min() < 0 or classes.max() >= limit:
            raise StoreError(
                f"{preds} holds classes from {classes.min()} to "
                f"{classes.max()}; expected 0 to {limit - 1}."
            )
        if probabilities.dtype.itemsize > 4:
            raise StoreError(f"{probs} holds {probabilities.dtype}; expected float32 or float16.")
        if probabilities.shape != classes.shape:
            raise StoreError(
                f"{probs} has shape {probabilities.shape}, but the classes "
                f"beside it {classes.shape}; both must come from one run."
            )
        try:
            return best_first(classes, probabilities.astype(np.float32))
        except BenchmarkError as error:
            raise StoreError(f"{probs}: {error}") from error

    def provenance(self, run: Run) -> Provenance:
        """How a run was made, as far as it is known.

        Raises:
            StoreError: the document next to the arrays is broken.
        """
        stem = self._stems[run]
        if found := self.exported(run):
            return found.provenance
        arrays = [_file(stem, f"top5{kind}.npy").name for kind in ("preds", "probs")]
        title = _TITLES[run.source.removeprefix("2019-")]
        return imported(title, run.images, {"files": dict.fromkeys(arrays, UNKNOWN)})

    def exported(self, run: Run) -> Exported | None:
        """The document beside the arrays, if this project wrote them; else None.

        Raises:
            StoreError: the document is broken.
        """
        return read_document(_file(self._stems[run], "provenance.json"))

    def probabilities(self, run: Run) -> Probabilities | None:
        """The probabilities of all classes, (n, classes), as they are stored; None without any.

        Raises:
            StoreError: the array is broken.
        """
        path = _file(self._stems[run], "probs.npy")
        return read_array(path, "f") if path.exists() else None

    def own_labels(self, run: Run) -> NDArray[np.int64]:
        """True class of each row, as stored with a run.

        Raises:
            StoreError: the array is missing or broken.
        """
        return read_integers(_file(self._stems[run], "labels.npy"))

    def classes_and_provenance(self, run: Run) -> tuple[Classes, Provenance]:
        """The results of `classes` and `provenance`; StoreError if a file is missing or broken."""
        return self.classes(run), self.provenance(run)

    def restricted_classes(self, run: Run) -> Classes | None:
        """Return None: such folders keep no predictions among few classes."""
        return None

    def paths(self, run: Run) -> tuple[Path, Path]:
        """The files of a run: classes and probabilities."""
        stem = self._stems[run]
        return _file(stem, "top5preds.npy"), _file(stem, "top5probs.npy")


def classes_of(images: str) -> int:
    """Largest number of classes of a set: ImageNet's, or as many as a store can hold."""
    return 1000 if images == IMAGES else 2**16


def folders_below(folder: Path) -> list[Path]:
    """Folders that contain arrays, among a folder itself and its direct sub-folders.

    Raises:
        StoreError: there are none, or the folder cannot be read.
    """
    try:
        inside = sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError as error:
        raise StoreError(f"{folder} cannot be read: {error.strerror}.") from error
    found = [place for place in (folder, *inside) if any(_stems_in(place))]
    if not found:
        raise StoreError(
            f"{folder} holds no arrays; expected files such as "
            "vgg16_pytorch_imagenet_top5preds.npy and vgg16_pytorch_imagenet_top5probs.npy. To "
            "import outputs of your own, give their file, --model NAME and --images SET."
        )
    return found


def names_2019() -> dict[str, tuple[str, ...]]:
    """The 34 models by platform, with the names from their files."""
    paths = [Path(file.path) for file in collections()["predictions-2019"].files]
    matches = [match for path in paths if (match := _NAME.fullmatch(path.name))]
    return {
        platform: tuple(dict.fromkeys(m["model"] for m in matches if m["platform"] == platform))
        for platform in _TITLES
    }


def save(
    stem: Path,
    run: Run,
    top: TopK,
    labels: NDArray[np.int64],
    provenance: Provenance,
    *,
    keys: Sequence[str],
    probabilities: Probabilities | None = None,
) -> Path:
    """Write a run as arrays that the scripts of 2019 read, and return the path of its classes.

    Args:
        stem: the folder, joined with the result of `stem_of`.
        run: the run.
        top: its predictions.
        labels: true class of each row.
        provenance: how it was made.
        keys: names of its pictures.
        probabilities: probabilities of all classes, if they were kept.

    Raises:
        BenchmarkError: the folder cannot be written.
    """
    # The classes are removed first and written last, so no reader sees a mix of two runs.
    arrays: dict[str, NDArray[Any] | None] = {
        "top5preds.npy": None,
        "probs.npy": probabilities,
        "labels.npy": labels.astype(np.int64),
        "top5probs.npy": top.probabilities.astype(np.float32),
    }
    for kind, array in arrays.items():
        write_array(_file(stem, kind), array)
    classes = top.classes.astype(np.int64)
    parts = {kind: array for kind, array in arrays.items() if array is not None}
    write_document(
        _file(stem, "provenance.json"),
        *(run, provenance, tuple(keys)),
        parts | {"top5preds.npy": classes},
    )
    write_array(_file(stem, "top5preds.npy"), classes)
    return _file(stem, "top5preds.npy")


def stem_of(run: Run, keys: Sequence[str], provenance: Provenance) -> str:
    """The beginning of the file names of a run's arrays; keys are the names of its pictures.

    Raises:
        BenchmarkError: arrays do not support its platform.
    """
    platform = provenance.platform.casefold()
    if platform not in _TITLES:
        known = " and ".join(_TITLES.values())
        raise BenchmarkError(f"{run}: arrays can be of {known} only, not {provenance.platform}.")
    old = {name.casefold(): name for name in names_2019()[platform]}
    numbers = [validation_number(key) for key in keys]
    whole = numbers == (validation_rows() + 1).tolist()
    part = "part-of-imagenet" if run.images == _WHOLE_SET else run.images
    images = _WHOLE_SET if whole else part
    return f"{old.get(run.model.casefold(), run.model)}_{platform}_{images}"


def _names_in(folder: Path) -> list[str]:
    """Names of the files in a folder, sorted."""
    try:
        # macOS adds hidden files to copied ones, whose names begin with a dot.
        return sorted(path.name for path in folder.iterdir() if path.name[0] != ".")
    except OSError as error:
        raise StoreError(f"{folder} cannot be read: {error.strerror}.") from error


def _stems_in(folder: Path) -> Iterator[Path]:
    found = (_NAME.fullmatch(name) for name in _names_in(folder))
    stems = (f"{m['model']}_{m['platform']}_{m['set']}" for m in found if m)
    yield from map(folder.joinpath, dict.fromkeys(stems))


def _file(stem: Path, kind: str) -> Path:
    return stem.with_name(f"{stem.name}_{kind}")


def _run(stem: Path) -> Run:
    match = _NAME.fullmatch(f"{stem.name}_top5preds.npy")
    assert match  # noqa: S101 - tells mypy; stems come from names that match
    images = IMAGES if match["set"] == _WHOLE_SET else match["set"]
    with suppress(StoreError):  # a broken document is reported when the run is read
        if found := read_document(_file(stem, "provenance.json")):
            return replace(found.run, images=images)
    try:
        return Run(images, f"2019-{match['platform']}", match["model"], RECIPE)
    except BenchmarkError as error:
        raise StoreError(f"{ascii(str(stem))}: {error}") from error
