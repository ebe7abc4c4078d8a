"""From stored predictions to an accuracy table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from benchmarking.errors import StoreError
from benchmarking.labels import LabelSet, every_image
from benchmarking.metrics import PROPORTIONS, Correct
from benchmarking.specs import Provenance, Run
from benchmarking.store import PredictionStore
from benchmarking.table import Counts, Table, tabulate


def aggregate(
    store: PredictionStore,
    images: str,
    *,
    labels: LabelSet | None = None,
    proportions: Mapping[str, Correct] = PROPORTIONS,
) -> Table:
    """Score every stored run on an image set.

    Args:
        store: where the runs are.
        images: name of the image set.
        labels: which of its rows count, and what is right for each; None takes the classes that
            are stored with the set.
        proportions: the table's columns; the first one sorts it.

    Raises:
        StoreError: a run or the set's list of pictures is broken, or runs are on other pictures.
    """
    rows = store.rows(images)
    right = labels or every_image(rows.labels)
    runs = store.runs(images)
    fingerprint = _fingerprint(store, runs)
    counts = []
    for run in runs:
        said = store.read(run)
        if len(said) != len(rows):
            raise StoreError(f"{store.path(run)} has {len(said)} rows for {len(rows)} pictures.")
        hits = {name: int(correct(said, right).sum()) for name, correct in proportions.items()}
        counts.append(Counts(run, _platform(store.provenance(run)), hits))
    return tabulate(images, len(right), fingerprint, counts)


def _platform(provenance: Provenance) -> str:
    """The framework; no format may show a run of random weights as if it were a model's."""
    random = provenance.weights["name"] == "random"
    return f"{provenance.platform}, random weights" if random else provenance.platform


def _fingerprint(store: PredictionStore, runs: Sequence[Run]) -> str:
    """Fingerprint of the pictures that all runs were made on; others could not be ranked."""
    made_on: dict[Run, str] = {run: store.provenance(run).images["fingerprint"] for run in runs}
    expected, _ = Counter(made_on.values()).most_common(1)[0]
    for run, found in made_on.items():
        if found != expected:
            raise StoreError(
                f"{store.path(run)} was made on other pictures (fingerprint {found}) than most of "
                f"{run.images} ({expected}); move it to another store."
            )
    return expected
