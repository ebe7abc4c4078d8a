"""Import of the arrays of 2019, and export of runs as such arrays or as tables."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError, StoreError
from benchmarking.io import files
from benchmarking.io.downloads import collections
from benchmarking.io.names import UNKNOWN
from benchmarking.io.printable import csv_cell
from benchmarking.labels.imagenet import validation_key, validation_rows
from benchmarking.models.sources import all_specs
from benchmarking.pictures.image_set import ImageSet, without_pictures
from benchmarking.predictions.arrays_2019 import IMAGES, RECIPE, ArrayFolders, save, stem_of
from benchmarking.predictions.exported import (
    Exported,
    check_unchanged,
    read_document,
    take_back,
    write_document,
)
from benchmarking.predictions.image_rows import LARGEST_CLASS, ImageRows
from benchmarking.predictions.output_files import read_outputs
from benchmarking.predictions.output_files.outputs import Wanted
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store
from benchmarking.predictions.stored_run import identity
from benchmarking.predictions.stores import Stores, as_stores
from benchmarking.predictions.top_k import TopK

_TABLE = "table"
_CLASSES = "_top5preds.npy"


def rows_of(images: str, labels: NDArray[np.int64]) -> ImageSet:
    """An image set for the rows of arrays; unknown pictures are named after their rows.

    Args:
        images: name of the image set.
        labels: true class of each row.

    Raises:
        StoreError: there are no labels, or one is not a valid class.
    """
    if not len(labels) or labels.min() < 0 or labels.max() > LARGEST_CLASS:
        raise StoreError(
            f"the labels of {images} must be one class from 0 to {LARGEST_CLASS} for each row."
        )
    if images == IMAGES:
        keys = [validation_key(row + 1) for row in validation_rows().tolist()]
    else:
        keys = [f"row-{row}" for row in range(len(labels))]
    return without_pictures(images, keys, labels)


def import_run(arrays: ArrayFolders, run: Run, rows: ImageSet, store: Store) -> bool:
    """Import a run from arrays into a store; False if the store has it already.

    Raises:
        BenchmarkError: a file is broken, or the store has this run from other files.
    """
    if (exported := arrays.exported(run)) is not None:
        return _take_back(arrays, run, exported, store)
    made = arrays.provenance(run)
    predicted = arrays.read(run)
    made = replace(
        made,
        preprocessing=_preprocessing(run) if run.images == IMAGES else {},
        images={"name": rows.name, "n": len(rows), "fingerprint": rows.fingerprint},
        origin=_origin(arrays.paths(run)),
    )
    if not store.has_file(run):
        store.write(run, rows, predicted, made)
        return True
    if store.provenance(run).origin != made.origin:
        raise StoreError(
            f"{store.path(run)} was imported from other files; move it away first, or import into "
            "another --store."
        )
    if not np.array_equal(store.labels(run.images), rows.labels):
        raise StoreError(
            f"{store.path(run)} was imported with other labels; import into another --store."
        )
    store.admit(rows)
    return False


def export_arrays(
    store: Stores | Store, runs: Sequence[Run], folder: Path
) -> Iterator[Path | BenchmarkError]:
    """Write runs as arrays like those of 2019; yield the path of each run's classes.

    For a run that is broken or of another platform, or whose pictures can have several right
    classes, an error is yielded instead.

    Raises:
        BenchmarkError: two runs would have the same file names, or the folder cannot be written.
    """

    def name(run: Run, rows: ImageRows) -> Path:
        return Path(f"{stem_of(run, rows.keys, store.provenance(run))}{_CLASSES}")

    def write(run: Run, rows: ImageRows, path: Path) -> Path:
        predicted, made = store.read(run), store.provenance(run)
        all_of_them = store.keeps_all_probabilities(run)
        everything = store.read_probabilities(run) if all_of_them else None
        return save(
            path.with_name(path.name.removesuffix(_CLASSES)),
            *(identity(run), predicted, rows.labels, made),
            keys=rows.keys,
            probabilities=everything,
        )

    yield from _exported(as_stores(store), runs, folder, name, write)


def export_tables(
    store: Stores | Store, runs: Sequence[Run], folder: Path
) -> Iterator[Path | BenchmarkError]:
    """Write runs as comma-separated values, one line per picture; yield each path.

    Beside each table, a .provenance.json tells what is needed to import it again. For a run that is
    broken, or whose pictures can have several right classes, an error is yielded instead.

    Raises:
        BenchmarkError: two runs would have the same file name, or the folder cannot be written.
    """

    def name(run: Run, rows: ImageRows) -> Path:
        return Path(run.images, run.source, f"{run.model}.{run.recipe}.csv")

    def write(run: Run, rows: ImageRows, path: Path) -> Path:
        predicted, made = store.read(run), store.provenance(run)
        table = _table(rows, predicted, with_probabilities=made.has_probabilities).encode()
        write_document(_document_of(path), identity(run), made, rows.keys, {_TABLE: table})
        files.write(path, table)
        return path

    yield from _exported(as_stores(store), runs, folder, name, write)


def _exported(
    stores: Stores,
    runs: Sequence[Run],
    folder: Path,
    name: Callable[[Run, ImageRows], Path],
    write: Callable[[Run, ImageRows, Path], Path],
) -> Iterator[Path | BenchmarkError]:
    """Write all runs that can be exported, if their names differ; yield errors for the others.

    Args:
        stores: the stores of the runs.
        runs: the runs.
        folder: the folder for the files.
        name: returns the path of a run's file within the folder.
        write: writes a run to a path, and returns it.
    """
    names: dict[Run, Path] = {}
    rows: dict[Run, ImageRows] = {}
    for part, chosen in stores.split(runs):
        for run in chosen:
            try:
                rows[run] = rows[chosen[0]] if chosen[0] in rows else part.rows(run.images)
                _refuse_several_classes(run, rows[run])
                names[run] = name(run, rows[run])
            except BenchmarkError as error:
                yield error
    _refuse_repeated(names)
    for run, path in names.items():
        try:
            yield write(run, rows[run], folder / path)
        except StoreError as error:
            yield error


def _refuse_several_classes(run: Run, rows: ImageRows) -> None:
    """Refuse a run whose labels do not fit the one column of an export."""
    if rows.right_classes.shape[1] > 1:
        raise BenchmarkError(
            f"{run} cannot be exported: several classes are right for some pictures of "
            f"{run.images}, and an export has one label per picture. Copy its .safetensors file "
            "and images.csv instead."
        )


def _refuse_repeated(names: Mapping[Run, Path]) -> None:
    """Refuse to write two runs into files of the same name."""
    for name, n in Counter(names.values()).items():
        if n > 1:
            same = " and ".join(str(run) for run in names if names[run] == name)
            raise BenchmarkError(
                f"{same} would both be {name}; choose one with --models, --recipe, --images or "
                "--store."
            )


def tables_below(place: Path) -> list[Path]:
    """The tables in a folder that `export_tables` wrote, sorted; or the place, if it is one.

    Raises:
        StoreError: a folder within it cannot be read.
    """
    try:
        paths = place.rglob("*.csv") if place.is_dir() else [place]
        return sorted(p for p in paths if p.suffix == ".csv" and _document_of(p).is_file())
    except OSError as error:
        raise StoreError(f"{error.filename or place} cannot be read: {error.strerror}.") from error


def import_table(path: Path, store: Store) -> bool:
    """Import a table that `export_tables` wrote; False if the store has its run already.

    Raises:
        BenchmarkError: a file is broken or was changed, or the store has this run from elsewhere.
    """
    exported = read_document(_document_of(path))
    if exported is None:
        raise StoreError(f"{_document_of(path)} is missing; without it {path} is of no known run.")
    found = read_outputs(path, Wanted(len(exported.pictures)))
    check_unchanged(exported, _TABLE, files.read_regular(path), path)
    if found.classes is None or found.labels is None:
        raise StoreError(f"{path} has no classes, or no labels.")
    sure = np.zeros(found.classes.shape) if found.probabilities is None else found.probabilities
    top = TopK(found.classes, sure.astype(np.float32))
    return take_back(exported, top, found.labels, store)


def _document_of(table: Path) -> Path:
    return table.with_suffix(".provenance.json")


def _take_back(arrays: ArrayFolders, run: Run, exported: Exported, store: Store) -> bool:
    """Import a run from exported arrays."""
    top, labels, everything = arrays.read(run), arrays.own_labels(run), arrays.probabilities(run)
    preds, _ = arrays.paths(run)
    parts: dict[str, NDArray[Any]] = {
        "top5preds.npy": top.classes.astype(np.int64),
        "top5probs.npy": top.probabilities.astype(np.float32),
        "labels.npy": labels,
        **({} if everything is None else {"probs.npy": everything}),
    }
    for name, part in parts.items():
        check_unchanged(
            exported, name, part, preds.with_name(preds.name.replace("top5preds.npy", name))
        )
    return take_back(exported, top, labels, store, probabilities=everything)


def _table(rows: ImageRows, predicted: TopK, *, with_probabilities: bool) -> str:
    places = range(1, predicted.classes.shape[1] + 1)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    guesses = [f"class{place}" for place in places]
    sure = [f"probability{place}" for place in places] if with_probabilities else []
    writer.writerow(["key", "label", *guesses, *sure])
    for key, label, classes, probabilities in zip(
        rows.keys,
        rows.labels.tolist(),
        predicted.classes.tolist(),
        predicted.probabilities,
        strict=True,
    ):
        numbers = map(str, probabilities) if with_probabilities else ()
        writer.writerow([csv_cell(key), label, *classes, *numbers])
    return text.getvalue()


def _preprocessing(run: Run) -> dict[str, object]:
    """The recipe that the scripts of 2019 used for a model; empty if it is not one of theirs."""
    platform = run.source.removeprefix("2019-")
    for spec in all_specs():
        if (spec.framework, spec.name.casefold()) == (platform, run.model.casefold()):
            return spec.recipes[RECIPE].as_document() if RECIPE in spec.recipes else {}
    return {}


def _origin(paths: Sequence[Path]) -> dict[str, object]:
    """Files of a run with their sha256, and the published collection that they belong to."""
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    published = {file.sha256 for file in collections()["predictions-2019"].files}
    known = set(found.values()) <= published
    return {"files": found, "collection": "predictions-2019" if known else UNKNOWN}
