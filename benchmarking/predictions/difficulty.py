"""How difficult pictures are for the runs of a store."""

from __future__ import annotations

import numpy as np

from benchmarking.errors import StoreError
from benchmarking.pictures.difficulty import Difficulty
from benchmarking.pictures.image_set import identity
from benchmarking.predictions.run import Run
from benchmarking.predictions.stores import Stores


def difficulty_of(stores: Stores, runs: list[Run], source: str) -> Difficulty:
    """How many of some runs get each picture right; all are on the same image set.

    Args:
        stores: the stores of the runs.
        runs: the runs.
        source: where they come from, in words.

    Raises:
        StoreError: there are no runs, or one cannot be read.
    """
    if not runs:
        raise StoreError(f"{source} has no run that shows how difficult pictures are.")
    rows = stores.rows_of(runs[0])
    first = np.zeros(len(rows), dtype=np.int64)
    five = np.zeros(len(rows), dtype=np.int64)
    for run in runs:
        guesses = stores.classes(run)
        hits = (guesses[:, :5, None] == rows.right_classes[:, None, :]).any(axis=2)
        first += hits[:, 0]
        five += hits.any(axis=1)
    names = list(map(identity, rows.keys))
    one, many = (dict(zip(names, counts.tolist(), strict=True)) for counts in (first, five))
    return Difficulty(source, len(runs), one, many)
