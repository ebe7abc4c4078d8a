"""Import of a user's own outputs: logits, probabilities or classes that another program stored."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError, PictureError, StoreError
from benchmarking.io.names import UNKNOWN
from benchmarking.io.progress import notice
from benchmarking.io.user_folders import expanded
from benchmarking.labels.imagenet import validation_key, validation_labels, validation_rows
from benchmarking.models.spec import Probabilities
from benchmarking.pictures.image_set import ImageSet, without_pictures
from benchmarking.pictures.names import ClassFolders
from benchmarking.pictures.sets import open_images
from benchmarking.predictions.arrays_2019 import IMAGES
from benchmarking.predictions.digests import file_sha256
from benchmarking.predictions.output_files import about, read_outputs
from benchmarking.predictions.output_files.outputs import Outputs, Wanted
from benchmarking.predictions.output_kinds import (
    KINDS,
    Kind,
    first_guesses,
    kind_of,
    predictions_of,
    scanned,
    top_of_classes,
    top_of_few,
)
from benchmarking.predictions.output_rows import (
    ORDERS,
    Entries,
    Order,
    by_labels,
    by_names,
    by_order,
    checked_agreement,
    most_entries,
    names_in,
    without_counts,
)
from benchmarking.predictions.provenance import NOT_GIVEN, imported
from benchmarking.predictions.remote_store import open_store
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store
from benchmarking.predictions.stores import default_stores
from benchmarking.predictions.top_k import TopK

SOURCE = "imported"
"""Source of the runs of such outputs, and their platform in tables."""

_VALIDATION = ("imagenet-val", IMAGES)
"""Names of the whole validation set, whose pictures and labels are known."""


@dataclass(frozen=True, eq=False)
class _Read:
    """Predictions of each picture of a set, in its order, and what is recorded of them.

    Attributes:
        top: the most probable classes of each picture.
        everything: the probabilities of all classes, if they are kept.
        kind: what the file has.
        has_probabilities: whether it has probabilities.
        few: the most probable of the classes that the set declares, if they are few and known.
        order: how rows were assigned to pictures, in words.
        notes: lines for the user.
    """

    top: TopK
    everything: Probabilities | None
    kind: Kind
    has_probabilities: bool
    few: TopK | None
    order: str
    notes: tuple[str, ...]


def import_outputs(
    path: Path | str,
    *,
    model: str,
    images: ImageSet | str,
    store: Store | str | Path,
    names: Path | str | None = None,
    order: Order | None = None,
    outputs: Kind | None = None,
    array: str | None = None,
    recipe: str = UNKNOWN,
    keep: Literal["top5", "all"] = "top5",
    class_folders: ClassFolders = "wnid",
    tell: Callable[[str], None] = notice,
) -> Run:
    """Store a model's outputs that another program computed, and return their run.

    The source of the run is "imported". If the store has this run from the same file, nothing is
    changed.

    Args:
        path: a .npy, .npz, .pt, .parquet, .csv, .tsv or .txt file with logits or probabilities,
            (n, 1000), or with the most probable classes, (n,) or (n, k), best first.
        model: name of the run's model.
        images: an image set; or the name of one in the store, "imagenet-val", or a place of
            pictures as in `open_images`.
        store: the store.
        names: file with the name of the picture of each row, if `path` has no names.
        order: the order of the rows if there are no names: "rows", that of the image set, or
            "files", that of the numbers of validation pictures; None to find it out by comparison
            with the labels.
        outputs: "logits", "probabilities" or "classes"; None to find out. A softmax is taken of
            logits, in float64.
        array: name of the array to read, if the file has several.
        recipe: name of the recipe that the outputs were made with.
        keep: "top5", or "all" to store the probabilities of all classes as well.
        class_folders: how the folders of `images` are named; see `open_images`.
        tell: function that gets notes and warnings, a line each.

    Raises:
        MissingDependency: the library that reads such files is not installed.
        BenchmarkError: the file has no such outputs, or they cannot be assigned to the pictures
            with certainty.
        StoreError: the store has this run from another file.
    """
    path, store = expanded(path), open_store(store)
    listed = None if names is None else expanded(names)
    _check_choices(outputs, order, keep)
    rows = _image_set(images, store, class_folders, tell)
    run = Run(rows.name, SOURCE, model, recipe)
    origin = {"files": _digests(path, *([] if listed is None else [listed]))}
    given = None if listed is None else names_in(listed, rows)
    # Pictures that are there twice are named, if they are not too many.
    read = read_outputs(path, Wanted(2 * most_entries(rows), array, outputs))
    try:
        found = _predicted(read, rows, given, order, outputs, keep_all=keep == "all")
    except (BenchmarkError, ValueError) as error:
        raise about(path, error) from error
    for note in (*read.notes, *found.notes):
        tell(note.replace(": ", f": {path.name}: ", 1))
    made = replace(
        imported(SOURCE, rows.name, origin),
        images=_document(rows),
        origin={
            **origin,
            "pictures": "as stated by the user",
            "order": found.order,
            "outputs": found.kind,
            "probabilities": _how(found),
        },
    )
    if store.has_file(run):
        stored = store.provenance(run)
        has_all = found.everything is None or store.keeps_all_probabilities(run)
        if stored.origin != made.origin:
            raise StoreError(
                f"{store.path(run)} was imported from another file, or with other options; choose "
                "another --model, or move it away first."
            )
        if has_all:
            store.admit(rows)
            tell(f"note: {run} was imported from {path.name} before; nothing is changed")
            return run
    store.write(run, rows, found.top, made, probabilities=found.everything, restricted=found.few)
    return run


def _how(found: _Read) -> str:
    """How the stored probabilities were computed, in words."""
    if not found.has_probabilities:
        return NOT_GIVEN
    return "softmax of the logits in the file" if found.kind == "logits" else "as in the file"


def _check_choices(outputs: str | None, order: str | None, keep: str) -> None:
    for what, value, known in (
        ("outputs", outputs, (None, *KINDS)),
        ("order", order, (None, *ORDERS)),
        ("keep", keep, ("top5", "all")),
    ):
        if value not in known:
            raise BenchmarkError(f"{what}={value!r} is unknown; choose from {known}.")


def _image_set(
    images: ImageSet | str, store: Store, folders: ClassFolders, tell: Callable[[str], None]
) -> ImageSet:
    """The image set that a user means: in a store, the validation set, or a place of pictures.

    The stores are the given one, then those that commands read by default.
    """
    if isinstance(images, ImageSet):
        return images
    for each in _read_with(store):
        if images in each.image_sets():
            if each.folder.resolve() != store.folder.resolve():
                tell(f"note: the pictures of {images} are those of the store {each.place}")
            stored = each.rows(images)
            found = without_pictures(images, stored.keys, stored.right_classes)
            return _as_recorded(found, each)
    if images in _VALIDATION:
        keys = [validation_key(row + 1) for row in validation_rows().tolist()]
        return without_pictures(images, keys, validation_labels()[validation_rows()])
    try:
        return open_images(images, class_folders=folders)
    except PictureError as error:
        known = ", ".join(dict.fromkeys([*store.image_sets(), _VALIDATION[0]]))
        raise BenchmarkError(
            f"{images!r} is neither an image set in {store.place} nor imagenet-val ({known}), and "
            f"no place of pictures either: {error}"
        ) from error


def _document(images: ImageSet) -> dict[str, Any]:
    """What is recorded of the pictures; see `Provenance.images`."""
    found: dict[str, Any] = {
        "name": images.name,
        "n": len(images),
        "fingerprint": images.fingerprint,
    }
    if images.picture_set:
        found["picture_set"] = images.picture_set
    if images.design:
        found["design"] = images.design.as_document()
    return found | ({"classes": list(images.restricted_to)} if images.restricted_to else {})


def _as_recorded(images: ImageSet, store: Store) -> ImageSet:
    """A stored image set with what its first run that can be read records of its pictures."""
    for run in store.runs(images.name):
        with suppress(StoreError):
            made = store.provenance(run)
            return replace(
                images,
                fingerprint=made.fingerprint,
                design=made.design,
                picture_set=made.picture_set,
                classes=made.classes or images.classes,
            )
    return images


def _read_with(store: Store) -> list[Store]:
    """The store, and those that are read by default."""
    with suppress(BenchmarkError):  # the user's own store is unknown
        return [store, *default_stores().values()]
    return [store]


def _digests(*paths: Path) -> dict[str, str]:
    """The sha256 of each file by its name."""
    found = {}
    for path in paths:
        try:
            found[path.name] = file_sha256(path)
        except OSError as error:
            raise BenchmarkError(f"{path} cannot be read: {error.strerror or error}.") from error
    return found


def _predicted(
    read: Outputs,
    rows: ImageSet,
    names: tuple[str, ...] | None,
    order: Order | None,
    said: str | None,
    *,
    keep_all: bool,
) -> _Read:
    scan = None if read.scores is None else scanned(read.scores)
    if said is not None and (scan is None) is not (said == "classes"):
        found = "classes" if scan is None else "scores of all classes"
        raise BenchmarkError(f"it has {found}, not {said}")
    guesses = first_guesses(read) if scan is None else scan.first
    entries = _entries(read, rows, guesses, names, order)
    _check_labels(read, entries, rows)
    notes = (*entries.notes, *checked_agreement(guesses[entries.of_rows], rows))
    if scan is None or read.scores is None:
        top, more = top_of_classes(read, entries.of_rows, rows.labels)
        more = (*more, *_without_few(rows, "the file has no scores of all classes"))
        has_probabilities = read.probabilities is not None
        return _Read(top, None, "classes", has_probabilities, None, entries.how, (*notes, *more))
    kind, more = kind_of(scan, said)
    top, everything = predictions_of(read.scores, entries.of_rows, kind, keep_all=keep_all)
    few = None
    if rows.restricted_to:
        try:
            few = top_of_few(read.scores, entries.of_rows, kind, rows.restricted_to)
        except BenchmarkError:
            more = (*more, *_without_few(rows, "the probabilities of some of these are 0"))
    return _Read(top, everything, kind, True, few, entries.how, (*notes, *more))


def _without_few(rows: ImageSet, why: str) -> tuple[str, ...]:
    """A warning if a set declares few classes, and a run keeps no predictions among these."""
    n = len(rows.restricted_to)
    missing = f"warning: no accuracy among the {n} classes of {rows.name}, only among all: {why}"
    return (missing,) if n else ()


def _check_labels(read: Outputs, entries: Entries, rows: ImageSet) -> None:
    """Refuse a file whose labels, if it has any, differ from those of the set."""
    labels = None if read.labels is None else read.labels[entries.of_rows]
    if labels is None:
        return
    wrong = np.flatnonzero((labels[:, None] != rows.right_classes).all(axis=1))
    if wrong.size:
        raise BenchmarkError(
            f"its labels differ from those of {rows.name} for {len(wrong):,} of {len(rows):,} "
            f"pictures, such as {rows.keys[wrong[0]]!r}: {labels[wrong[0]]}, not "
            f"{rows.labels[wrong[0]]}"
        )


def _entries(
    read: Outputs,
    rows: ImageSet,
    guesses: NDArray[np.int64],
    names: tuple[str, ...] | None,
    order: Order | None,
) -> Entries:
    """The entry of each picture: by names, if there are any, or by the order."""
    if names is not None and len(names) != len(read):
        raise BenchmarkError(f"it has {len(read):,} outputs, and --names has {len(names):,} names")
    found = read.names if names is None else names
    counted = None if found is None else without_counts(found, rows)
    if found is not None and counted is None:
        if order is not None:
            raise BenchmarkError("its pictures have names, so that --order is not used; leave it")
        in_order = by_names(found, rows)
        ignored = names is not None and read.names is not None
        more = (
            ("note: the names in the file are not used, but those of --names",) if ignored else ()
        )
        return replace(in_order, notes=(*more, *in_order.notes))
    listed = np.arange(len(read)) if counted is None else counted
    if read.labels is not None and order is None:
        in_order = by_labels(read.labels[listed], rows)
    else:
        in_order = by_order(guesses[listed], rows, order)
    return replace(in_order, of_rows=listed[in_order.of_rows])
