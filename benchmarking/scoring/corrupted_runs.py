"""Runs on ImageNet-C: errors by corruption, and paired differences to the validation set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarking.labels.agreement import numbers_of
from benchmarking.labels.label_set import every_image
from benchmarking.predictions.run import Run
from benchmarking.predictions.stores import Stores
from benchmarking.scoring.metrics import correct
from benchmarking.scoring.robustness import ALEXNET_ERRORS, SEVERITIES, Gap
from benchmarking.scoring.statistics import mcnemar_test, paired_interval

NAME = "imagenet-c"


@dataclass(frozen=True)
class Corrupted:
    """A model's accuracy on corrupted validation pictures and on the same pictures as they were.

    Attributes:
        images: name of the image set.
        right: number of right corrupted pictures.
        usual: number of right uncorrupted pictures.
        n: number of pictures that both runs have.
        gap: how much lower the accuracy on corrupted pictures is, with the paired interval of
            Bonett and Price.
        p: p-value of the exact McNemar test.
    """

    images: str
    right: int
    usual: int
    n: int
    gap: Gap
    p: float


def corrupted(stores: Stores, run: Run, val: Run) -> Corrupted | None:
    """Compare a run on corrupted pictures with one on validation pictures, picture by picture.

    Returns:
        The comparison; None if a picture has no number, or the runs have none in common.
    """
    hits = [_hits_by_number(stores, one) for one in (run, val)]
    if None in hits:
        return None
    ours, theirs = (one or {} for one in hits)
    both = [(ours[number], theirs[number]) for number in ours if number in theirs]
    if not both:
        return None
    pairs = np.array(both)
    right, usual = (int(count) for count in pairs.sum(axis=0))
    usual_only = int((pairs[:, 1] & ~pairs[:, 0]).sum())
    corrupted_only = right - (usual - usual_only)
    n = len(pairs)
    low, high = paired_interval(usual_only, corrupted_only, n)
    difference = Gap((usual - right) / n, low, high)
    return Corrupted(
        run.images, right, usual, n, difference, mcnemar_test(usual_only, corrupted_only)
    )


def errors_by_corruption(stores: Stores, runs: Sequence[Run]) -> dict[str, list[float]]:
    """Top-1 errors at the five severities, by corruption; only of those with all severities."""
    by_name: Mapping[str, Run] = {run.images: run for run in runs}
    found = {}
    for name in ALEXNET_ERRORS:
        sets = [f"{NAME}-{name}-{severity}" for severity in range(1, SEVERITIES + 1)]
        if all(images in by_name for images in sets):
            found[name] = [_error(stores, by_name[images]) for images in sets]
    return found


def _error(stores: Stores, run: Run) -> float:
    return float((~_hits(stores, run)).mean())


def _hits_by_number(stores: Stores, run: Run) -> dict[int, bool] | None:
    """Whether each validation picture is right, by its number; None if a picture has none."""
    numbers = numbers_of(stores.rows_of(run).keys)
    if numbers is None:
        return None
    return dict(zip(numbers.tolist(), _hits(stores, run).tolist(), strict=True))


def _hits(stores: Stores, run: Run) -> NDArray[np.bool_]:
    """Whether the first guess for each picture is any of its right classes, (n,)."""
    return correct(stores.classes(run), every_image(stores.rows_of(run).right_classes), k=1)
