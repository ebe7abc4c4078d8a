"""Robustness of models, from their stored runs on ImageNet's validation set and on other sets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.labels.agreement import numbers_of
from benchmarking.labels.label_set import every_image
from benchmarking.predictions.run import Run
from benchmarking.predictions.stores import Stores
from benchmarking.scoring import corrupted_runs
from benchmarking.scoring.corrupted_runs import Corrupted, corrupted, errors_by_corruption
from benchmarking.scoring.metrics import correct
from benchmarking.scoring.robustness import (
    ALEXNET_ERRORS,
    SEVERITIES,
    Gap,
    average_precision,
    effective_robustness,
    gap,
    mean_corruption_error,
    mean_error,
)

SHIFTED = ("imagenet-v2", "imagenet-a", "imagenet-r", "imagenet-sketch")
"""Sets of pictures that are neither validation nor training pictures."""

_O = "imagenet-o"


class Model(NamedTuple):
    """What the runs of one model have in common."""

    source: str
    model: str
    recipe: str


@dataclass(frozen=True)
class OnSet:
    """A model's accuracy on a set, beside its accuracy on validation pictures.

    Attributes:
        images: name of the image set.
        right: number of right pictures and of pictures, among the classes of the set.
        usual: the same for the validation pictures of these classes, among these classes; None if
            no stored run has kept enough.
        effective: effective robustness, as a share; None without enough models.
    """

    images: str
    right: tuple[int, int]
    usual: tuple[int, int] | None = None
    effective: float | None = None

    @property
    def gap(self) -> Gap | None:
        """How much lower the accuracy on the set is."""
        return gap(self.usual, self.right) if self.usual else None


@dataclass(frozen=True)
class Robustness:
    """The robustness of one model.

    Attributes:
        sets: its accuracies, by image set.
        mce: mean corruption error on ImageNet-C, as a share of that of AlexNet; None if a
            corruption or severity is missing.
        corruption_error: the uncorrected mean of these errors, as a share.
        aupr: area under the precision-recall curve of ImageNet-O, as a share; None if there is no
            run on it, or none on the validation set with all probabilities.
        notes: why numbers are missing.
        corrupted: its accuracies on ImageNet-C beside those on the same validation pictures.
        errors: its top-1 errors at the five severities, by corruption, where all have runs.
    """

    sets: Mapping[str, OnSet] = field(default_factory=dict)
    mce: float | None = None
    corruption_error: float | None = None
    aupr: float | None = None
    notes: tuple[str, ...] = ()
    corrupted: tuple[Corrupted, ...] = ()
    errors: Mapping[str, Sequence[float]] = field(default_factory=dict)


def robustness(stores: Stores, runs: Sequence[Run]) -> dict[Model, Robustness]:
    """The robustness of each model that has a run on a published set.

    Args:
        stores: the stores.
        runs: runs on any image sets; samples that estimate accuracies, and shards, are ignored.

    Raises:
        BenchmarkError: a run cannot be read, or two runs of a model are on the same set.
    """
    by_model: dict[Model, dict[str, Run]] = defaultdict(dict)
    for run in runs:
        made = stores.provenance(run)
        if made.design or made.shard:
            continue
        held = by_model[Model(run.source, run.model, run.recipe)]
        if run.images in held:
            raise BenchmarkError(
                f"there are two runs {held[run.images]} and {run}; choose one store with --store."
            )
        held[run.images] = run
    found = {model: _of_model(stores, held) for model, held in by_model.items()}
    return _with_lines({model: one for model, one in found.items() if one != Robustness()})


def _of_model(stores: Stores, held: Mapping[str, Run]) -> Robustness:
    kinds = {images: stores.provenance(run).picture_set for images, run in held.items()}
    vals = [run for run in held.values() if not kinds[run.images] and _is_val(stores, run)]
    val = max(vals, key=lambda run: len(stores.rows_of(run)), default=None)
    sets, notes = {}, _chosen(val, vals) if any(kinds.values()) else []
    for images, run in held.items():
        if kinds[images] in SHIFTED and _lacks_few(stores, run):
            notes.append(
                f"{run.full_name}: keeps no predictions among the few classes of {images}; compute "
                "it again with 'imagenet-benchmark predict --again'"
            )
        elif kinds[images] in SHIFTED:
            usual = None if val is None else on_classes(stores, val, _classes(stores, run))
            sets[images] = OnSet(images, _right(stores, run), usual)
            notes += [_lacking(images, run, val)] if usual is None else []
    of_c = [run for images, run in held.items() if kinds[images] == corrupted_runs.NAME]
    errors = errors_by_corruption(stores, of_c)
    beside = [corrupted(stores, run, val) for run in of_c if val is not None]
    is_whole = errors.keys() >= ALEXNET_ERRORS.keys()
    counted = {name: errors[name] for name in ALEXNET_ERRORS} if is_whole else {}
    if of_c and not is_whole:
        n = sum(name in errors for name in ALEXNET_ERRORS)
        notes.append(
            f"{of_c[0].full_name}: no mCE; {n} of {len(ALEXNET_ERRORS)} corruptions have runs at "
            f"all {SEVERITIES} severities"
        )
    of_o = next((run for images, run in held.items() if kinds[images] == _O), None)
    aupr = _aupr(stores, of_o, val) if of_o else None
    if of_o and aupr is None:
        notes.append(
            f"{of_o.full_name}: no AUPR; it needs a run on the validation set that was stored "
            "with --save-all-probs"
        )
    return Robustness(
        sets,
        mean_corruption_error(counted) if counted else None,
        mean_error(counted) if counted else None,
        aupr,
        tuple(notes),
        tuple(one for one in beside if one is not None),
        errors,
    )


def on_classes(stores: Stores, run: Run, classes: Sequence[int] | None) -> tuple[int, int] | None:
    """Number of right pictures of some classes, if one of these is guessed, and of all of them.

    timm calls such an accuracy "clean".

    Args:
        stores: the stores.
        run: a run on pictures of all classes.
        classes: the classes; None for all.

    Returns:
        The numbers; None if the run has not kept enough: for some picture none of the classes is
        among its five best, and not all probabilities were kept.
    """
    right = stores.rows_of(run).right_classes
    if classes is None:
        return _count(stores.classes(run), right)
    chosen = np.asarray(classes)
    rows = np.isin(right, chosen).any(axis=1)
    top = stores.classes(run)[rows]
    inside = np.isin(top, chosen)
    if inside.any(axis=1).all():
        guesses = np.take_along_axis(top, inside.argmax(axis=1)[:, None], axis=1)[:, 0]
    elif stores.keeps_all_probabilities(run):
        few = stores.read_probabilities(run)[rows][:, chosen]
        if (few.max(axis=1) == 0).any():  # underflow: their order is not known
            return None
        guesses = chosen[few.argmax(axis=1)]
    else:
        return None
    return _count(guesses[:, None], right[rows])


def _count(guesses: NDArray[np.integer], right: NDArray[np.int64]) -> tuple[int, int]:
    """Number of pictures whose first guess is any of their right classes, and of all pictures."""
    if not len(right):
        return 0, 0
    return int(correct(guesses, every_image(right), k=1).sum()), len(right)


def _is_val(stores: Stores, run: Run) -> bool:
    """Whether a run is on validation pictures, of which a part is enough."""
    return numbers_of(stores.rows_of(run).keys) is not None


def _classes(stores: Stores, run: Run) -> tuple[int, ...] | None:
    """The classes that a run's image set declares; None for all."""
    return stores.provenance(run).classes or None


def _lacks_few(stores: Stores, run: Run) -> bool:
    """Whether a run on few classes has no predictions among them, as after export and import."""
    return _classes(stores, run) is not None and stores.restricted_classes(run) is None


def _right(stores: Stores, run: Run) -> tuple[int, int]:
    few = stores.restricted_classes(run)
    return _count(stores.classes(run) if few is None else few, stores.rows_of(run).right_classes)


def _chosen(val: Run | None, vals: Sequence[Run]) -> list[str]:
    """Which run on validation pictures is used, if there are several."""
    others = sorted(run.images for run in vals if run != val)
    if val is None or not others:
        return []
    return [
        f"{val.full_name}: its validation pictures are those of {val.images}; {', '.join(others)} "
        "are not used. Leave them out with --store"
    ]


def _lacking(images: str, run: Run, val: Run | None) -> str:
    if val is None:
        return f"{run.full_name}: no run on the validation set beside {images}"
    return (
        f"{run.full_name}: its run on the validation set has not kept enough to be scored on the "
        f"classes of {images}; store it with --save-all-probs"
    )


def _aupr(stores: Stores, of_o: Run, val: Run | None) -> float | None:
    """AUPR with pictures of no class as positive, and validation pictures of the classes of O."""
    classes = _classes(stores, of_o)
    if val is None or classes is None or not stores.keeps_all_probabilities(val):
        return None
    rows = np.isin(stores.rows_of(val).right_classes, classes).any(axis=1)
    few = stores.read_probabilities(val)[rows][:, list(classes)].astype(np.float64)
    sums = few.sum(axis=1)
    if (sums == 0).any():  # underflow
        return None
    usual: NDArray[np.float64] = few.max(axis=1) / sums
    unknown = stores.read_restricted(of_o).probabilities[:, 0].astype(np.float64)
    scores = -np.concatenate([unknown, usual])
    return average_precision(scores, np.arange(len(scores)) < len(unknown))


def _with_lines(found: Mapping[Model, Robustness]) -> dict[Model, Robustness]:
    """Add effective robustness where enough models have both accuracies."""
    changed = {model: dict(one.sets) for model, one in found.items()}
    notes: dict[str, None] = {}
    for images in sorted({images for one in found.values() for images in one.sets}):
        models = [m for m, one in found.items() if images in one.sets and one.sets[images].usual]
        shares = np.array([list(_shares(found[model].sets[images])) for model in models])
        if not models:
            continue
        try:
            above = effective_robustness(shares[:, 0], shares[:, 1])
        except BenchmarkError as error:
            notes[f"{images}: {error}"] = None
            continue
        for model, value in zip(models, above.tolist(), strict=True):
            one = found[model].sets[images]
            changed[model][images] = OnSet(images, one.right, one.usual, value)
    return {
        model: replace(one, sets=changed[model], notes=(*one.notes, *notes))
        for model, one in found.items()
    }


def _shares(one: OnSet) -> Iterator[float]:
    for right, n in filter(None, (one.usual, one.right)):
        yield right / n
