"""From stored predictions to an accuracy table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarking.errors import StoreError
from benchmarking.labels import LabelSet, every_image
from benchmarking.metrics import PROPORTIONS, Correct
from benchmarking.specs import Run
from benchmarking.store import PredictionStore
from benchmarking.table import Counts, Table, tabulate


def tables(store: PredictionStore, runs: Sequence[Run]) -> list[Table]:
    """One table for each image set among the runs, against the labels stored with the set.

    Raises:
        StoreError: a run or a set's list of pictures is broken.
    """
    image_sets = sorted({run.images for run in runs})
    return [
        aggregate(
            store,
            [run for run in runs if run.images == images],
            every_image(store.rows(images).labels),
            PROPORTIONS,
        )
        for images in image_sets
    ]


def aggregate(
    store: PredictionStore,
    runs: Sequence[Run],
    labels: LabelSet,
    proportions: Mapping[str, Correct],
) -> Table:
    """Score runs on one image set against the same labels.

    Args:
        store: where the runs are.
        runs: of one image set; at least one.
        labels: which of its rows count, and what is right for each.
        proportions: the table's columns; the first one sorts it.

    Raises:
        StoreError: a run is broken, or is too short for the labels.
    """
    counts = [_count(store, run, labels, proportions) for run in runs]
    return tabulate(runs[0].images, len(labels), counts)


def _count(
    store: PredictionStore, run: Run, labels: LabelSet, proportions: Mapping[str, Correct]
) -> Counts:
    said = store.read(run)
    if labels.rows.max() >= len(said):
        raise StoreError(f"{store.path(run)} holds {len(said)} rows, the labels ask for more.")
    right = {name: int(correct(said, labels).sum()) for name, correct in proportions.items()}
    return Counts(run, store.provenance(run).platform, right)
