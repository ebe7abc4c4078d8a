"""Does a run reproduce the published accuracy of its weights, and if not, why not?

The rules look at the run and its recipe, never at the name of a model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from math import hypot
from pathlib import Path
from statistics import median

import numpy as np

from benchmarking.errors import BenchmarkError, StoreError
from benchmarking.labels.agreement import numbers_of
from benchmarking.labels.imagenet import validation_labels, wnids
from benchmarking.labels.label_set import LabelSet, every_image
from benchmarking.models.published import weights_source
from benchmarking.models.sources import published_of, sources
from benchmarking.models.spec import PUBLISHED_RECIPES, Published
from benchmarking.pictures.recipe import Preprocessing, recipe_from
from benchmarking.predictions.image_rows import ImageRows
from benchmarking.predictions.provenance import Provenance
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store
from benchmarking.predictions.stores import Stores, as_stores
from benchmarking.scoring.estimates import Estimate, check_whole_sample, estimated_share
from benchmarking.scoring.metrics import accuracy, correct, expected_calibration_error
from benchmarking.scoring.statistics import sign_test, wilson_interval

REPRODUCED = 0.0005
"""Largest difference, as a share: 25 of 50,000 pictures; another JPEG decoder changes 10."""
BACKEND_NOISE = 0.0015
"""Largest difference, as a share, that another implementation of the resize causes."""
CHANCE = 0.01
"""Acc@1 below which labels and classes are assumed to be in different orders; chance is 0.001."""
ECE_FACTOR = 3
"""A calibration error above this multiple of the other runs' median is suspicious."""
ECE_RUNS = 5
"""Number of other runs on the same pictures that this comparison needs."""
MANY_CLASSES = len(wnids())
"""Number of classes of the validation set."""
LOW_SHARE, LOW_LEVEL = 0.9, 0.001
"""Share of a source's runs below the published accuracy, and p-value, that are suspicious."""


LABELS = ("original", "real")
"""Names of the labels for which accuracies are published."""


class Verdict(StrEnum):
    """The result of a comparison with the published accuracy."""

    REPRODUCED = "reproduced"
    BACKEND_NOISE = "within backend noise"
    CONSISTENT = "consistent"
    NOT_REPRODUCED = "not reproduced"
    NO_REFERENCE = "no reference"


@dataclass(frozen=True)
class Cause:
    """A likely cause of a wrong accuracy, and its evidence.

    Attributes:
        what: the cause.
        evidence: what was measured or recorded.
    """

    what: str
    evidence: str


@dataclass(frozen=True)
class Verification:
    """The comparison of one run with the published accuracy.

    Attributes:
        run: the run.
        platform: its framework.
        acc1: measured acc@1, in [0, 1].
        n: number of pictures.
        ece: expected calibration error, in [0, 1]; None if the run has classes alone.
        published: the published accuracy; None if there is none.
        verdict: result of the comparison.
        causes: likely causes of a difference, the most conclusive first.
        reason: short explanation of the verdict.
        labels: name of the labels, "original" or "real".
        interval: 95 % interval of acc1, both ends in [0, 1].
        estimated_for: number of pictures for which acc1 is an estimate; None if it is measured.
    """

    run: Run
    platform: str
    acc1: float
    n: int
    ece: float | None
    published: Published | None
    verdict: Verdict
    causes: tuple[Cause, ...]
    reason: str = ""
    labels: str = LABELS[0]
    interval: tuple[float, float] = (0.0, 1.0)
    estimated_for: int | None = None

    def __str__(self) -> str:
        published = f", published {self.published.acc1:.2f} %" if self.published else ""
        causes = "".join(f"\n  likely cause: {one.what} ({one.evidence})" for one in self.causes)
        why = f" ({self.reason})" if self.reason else ""
        return f"{self.run}: {self.verdict}, acc@1 {100 * self.acc1:.2f} %{published}{why}{causes}"

    @property
    def difference(self) -> float | None:
        """Measured minus published acc@1, as a share; None if nothing was published."""
        return self.acc1 - self.published.acc1 / 100 if self.published else None


@dataclass(frozen=True)
class _Pictures:
    """Whether a published accuracy applies to an image set, in full or in part.

    `lacks_labels` is whether other labels are asked for than it has.
    """

    right: LabelSet
    comparable: bool
    whole: bool
    labels: str
    lacks_labels: bool = False

    @property
    def has_few_classes(self) -> bool:
        """Whether it has fewer than half of the classes that a random sample of its size has."""
        expected = MANY_CLASSES * (1 - (1 - 1 / MANY_CLASSES) ** len(self.right))
        return self.classes < expected / 2

    @property
    def classes(self) -> int:
        """Number of classes that it has pictures of."""
        return len(np.unique(self.right.classes[:, 0]))


def _pictures(rows: ImageRows, labels: str) -> _Pictures:
    numbers = numbers_of(rows.keys)
    right = every_image(rows.right_classes)
    if numbers is None:
        return _Pictures(
            right,
            comparable=False,
            whole=False,
            labels=LABELS[0],
            lacks_labels=labels != LABELS[0],
        )
    if labels != LABELS[0]:
        from benchmarking.labels.label_files import label_set

        right = label_set(labels, rows.keys, rows.right_classes)
    return _Pictures(
        right,
        comparable=True,
        whole=len(np.unique(numbers)) == len(validation_labels()),
        labels=labels,
    )


_SETS = {
    "imagenet-v2-matched-frequency": ("imagenet-v2", 10_000, False),
    "imagenet-sketch": ("imagenet-sketch", 50_889, False),
    "imagenet-a": ("imagenet-a", 7_500, True),
    "imagenet-r": ("imagenet-r", 30_000, True),
}
"""Image sets besides ImageNet's own with published accuracies: the picture set, its number of
pictures, and whether only its own classes count."""

_PART = re.compile(r"-limit-\d+$|-estimate-\d+(-seed-\d+)?$|-shard-\d+-of-\d+$")
"""What the name of an image set ends with if it has a part of the pictures."""

_DISTANCES = {
    Verdict.REPRODUCED: f"within {100 * REPRODUCED:.2f} points",
    Verdict.BACKEND_NOISE: f"within {100 * BACKEND_NOISE:.2f} points",
    Verdict.NOT_REPRODUCED: f"more than {100 * BACKEND_NOISE:.2f} points off",
}


@dataclass(frozen=True)
class _Measured:
    run: Run
    provenance: Provenance
    acc1: float
    n: int
    ece: float | None
    known: Published | None
    pictures: _Pictures
    among: int = 0
    """Number of classes that guesses are among, if they are few; else 0."""
    of_set: int = 0
    """Number of pictures of the set of the published accuracy; 0 for validation pictures."""
    estimate: Estimate | None = None
    """The estimate of acc@1 on all pictures, if its pictures are a sample."""

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of acc@1 on the pictures of the published accuracy.

        If a sample was drawn from only a part of these pictures, the part is a sample, too.
        """
        low, high = wilson_interval(round(self.acc1 * self.n), self.n)
        design = self.provenance.design
        if self.estimate is None or design is None:
            return low, high
        if design.of >= (self.of_set or len(validation_labels())):
            return self.estimate.low, self.estimate.high
        low, high = wilson_interval(round(self.acc1 * design.of), design.of)
        ends = ((low, self.estimate.low), (high, self.estimate.high))
        below, above = (hypot(*(end - self.acc1 for end in pair)) for pair in ends)
        return max(0.0, self.acc1 - below), min(1.0, self.acc1 + above)

    @property
    def reference(self) -> Published | None:
        """The published accuracy that this one can be compared with."""
        if self.pictures.lacks_labels or self.provenance.is_random:
            return None
        return self.known if self._has_its_pictures else None

    @property
    def _has_its_pictures(self) -> bool:
        """Whether its pictures are those of the published accuracy, or a part of them."""
        return self.of_set > 0 or self._has_plain_pictures

    @property
    def _is_whole(self) -> bool:
        """Whether it has all pictures of the published accuracy."""
        return self.n == self.of_set if self.of_set else self.pictures.whole

    @property
    def _has_plain_pictures(self) -> bool:
        """Whether its pictures are validation pictures as ImageNet has them, of all classes."""
        return self.pictures.comparable and not self.provenance.picture_set

    @property
    def reason(self) -> str:
        """Why the verdict is what it is."""
        if self.provenance.is_random:
            return "random weights"
        if self.pictures.lacks_labels:
            return "no ReaL labels: not ImageNet's validation pictures"
        if self.known is None:
            return "no published accuracy"
        if not self._has_its_pictures:
            n = self.among
            among = f"; acc@1 is among the {n} classes of {self.run.images}" if n else ""
            return f"not ImageNet's validation pictures{among}"
        if not self._is_whole:
            inside = "in" if self.verdict == Verdict.CONSISTENT else "outside"
            if design := self.provenance.design:
                return f"{inside} the 95 % interval, {design.in_words}"
            few = f", of only {self.pictures.classes} classes" * self.pictures.has_few_classes
            return f"{inside} the 95 % interval of {self.n:,} pictures{few}"
        return _DISTANCES[self.verdict]

    @property
    def verdict(self) -> Verdict:
        if self.reference is None:
            return Verdict.NO_REFERENCE
        target = self.reference.acc1 / 100
        if not self._is_whole:
            low, high = self.interval
            return Verdict.CONSISTENT if low <= target <= high else Verdict.NOT_REPRODUCED
        distance = round(abs(self.acc1 - target), 9)
        if distance <= REPRODUCED:
            return Verdict.REPRODUCED
        return Verdict.BACKEND_NOISE if distance <= BACKEND_NOISE else Verdict.NOT_REPRODUCED


def verify(
    store: Stores | Store | str | Path,
    runs: Sequence[Run] | None = None,
    *,
    labels: str = LABELS[0],
) -> list[Verification]:
    """Compare each run with the published accuracy of its weights, and look for causes.

    Args:
        store: the store, or several; all undamaged runs on the same pictures help to find causes.
        runs: the runs to verify; None for all.
        labels: the labels to score with: "original", or "real" for ReaL labels, with which timm
            publishes accuracies too.

    Raises:
        BenchmarkError: a run or an image set's list of pictures is broken, or the labels are
            unknown or have not been fetched.
    """
    if labels not in LABELS:
        raise BenchmarkError(
            f"no accuracies are published for labels {labels!r}, only for {', '.join(LABELS)}."
        )
    stores = as_stores(store)
    findings: list[Verification] = []
    if runs is None:
        runs = [run for images in stores.image_sets() for run in stores.runs(images)]
    for part, chosen in stores.split(runs):
        images = chosen[0].images
        pictures = _pictures(part.rows(images), labels)
        measured = []
        for run in part.runs(images):
            try:
                measured.append(_measure(part, run, pictures))
            except StoreError:
                if run in chosen:
                    raise
        low = _low_sources(measured)
        for one in measured:
            if one.run in chosen:
                others = [
                    other.ece for other in measured if other is not one and other.ece is not None
                ]
                findings.append(_verification(one, others, low))
    return findings


def _measure(store: Stores, run: Run, pictures: _Pictures) -> _Measured:
    predicted, made = store.read(run), store.provenance(run)
    few = store.restricted_classes(run)
    guesses = predicted.classes if few is None else few
    design, estimate = made.design, None
    if design:
        check_whole_sample(run, pictures.right, design)
        estimate = estimated_share(correct(guesses, pictures.right, k=1), design)
    has_ece = made.has_probabilities and design is None
    known, of_set = _reference(run, made, pictures.labels, is_among_few=few is not None)
    return _Measured(
        run,
        made,
        estimate.value if estimate else accuracy(guesses, pictures.right, k=1),
        len(pictures.right),
        expected_calibration_error(predicted, pictures.right) if has_ece else None,
        known,
        pictures,
        0 if few is None else len(made.classes),
        of_set,
        estimate,
    )


def _reference(
    run: Run, made: Provenance, labels: str, *, is_among_few: bool
) -> tuple[Published | None, int]:
    """The published accuracy of a run's pictures, and the number of pictures of their set.

    If none is published for them, that of ImageNet's validation pictures, and 0.
    """
    kind, n, has_few = _SETS.get(_PART.sub("", run.images), ("", 0, False))
    if kind and kind == made.picture_set and has_few == is_among_few:
        known = published_of(run.source, run.model, run.recipe, images=kind, labels=labels)
        if known:
            return known, n
    return published_of(run.source, run.model, run.recipe, labels=labels), 0


def _verification(
    one: _Measured, other_eces: Sequence[float], low: Mapping[str, str]
) -> Verification:
    verdict = one.verdict
    fine = verdict in (Verdict.REPRODUCED, Verdict.BACKEND_NOISE, Verdict.CONSISTENT)
    causes = () if fine or one.provenance.is_random else tuple(_causes(one, other_eces, low))
    return Verification(
        one.run,
        one.provenance.platform,
        one.acc1,
        one.n,
        one.ece,
        one.reference,
        verdict,
        causes,
        one.reason,
        one.pictures.labels,
        one.interval,
        one.provenance.design.of if one.provenance.design else None,
    )


def _causes(one: _Measured, other_eces: Sequence[float], low: Mapping[str, str]) -> list[Cause]:
    """The cause of every rule that applies to a run, the most conclusive first."""
    causes = []
    different = _differences(one)
    if one.acc1 < CHANCE:
        causes.append(
            Cause(
                "labels in another order than the model's classes",
                f"acc@1 {100 * one.acc1:.2f} % is near chance",
            )
        )
    used = _preprocessing(one.provenance)
    if used and used.pads and used != _published_recipe(one.run):
        causes.append(
            Cause(
                "black border", f"the crop, {used.crop}, is larger than the resize, {used.resize}"
            )
        )
    typical = median(other_eces) if len(other_eces) >= ECE_RUNS else None
    if typical is not None and one.ece is not None and one.ece > ECE_FACTOR * typical:
        causes.append(
            Cause(
                "wrong scaling or padding",
                f"calibration error {100 * one.ece:.1f} %, against {100 * typical:.1f} % as the "
                f"median of {len(other_eces)} other runs",
            )
        )
    if different:
        causes.append(Cause("recipe is not the published one", different))
    if one.run.source in low and not different:
        causes.append(Cause("an altered copy of the pictures; run the doctor", low[one.run.source]))
    return causes


def _differences(one: _Measured) -> str:
    """A run's recipe and the published one, if both are known and differ; else empty."""
    used, reference = _preprocessing(one.provenance), _published_recipe(one.run)
    if used is None or reference is None or used == reference:
        return ""
    if str(used) != str(reference):
        return f"{used}; published: {reference}"
    return "how lengths are rounded to pixels"


def _low_sources(measured: Sequence[_Measured]) -> dict[str, str]:
    """Sources whose runs with the published recipe are consistently too low, and the evidence."""
    found = {}
    for source in {one.run.source for one in measured}:
        below = [
            one.acc1 < one.reference.acc1 / 100
            for one in measured
            if one.run.source == source and one.reference and not _differences(one)
        ]
        if not below or sum(below) < LOW_SHARE * len(below):
            continue
        p_value = sign_test(sum(below), len(below))
        if p_value < LOW_LEVEL:
            found[source] = (
                f"{sum(below)} of {len(below)} runs of {source} with the published preprocessing "
                f"are below what was published, sign test p = {p_value:.1g}"
            )
    return found


def _preprocessing(made: Provenance) -> Preprocessing | None:
    """The recipe in a run's provenance; None if there is none, or it cannot be read."""
    try:
        return recipe_from(made.preprocessing) if made.preprocessing else None
    except BenchmarkError:
        return None


def _published_recipe(run: Run) -> Preprocessing | None:
    """The recipe with which a run's weights were published; None if it is unknown."""
    recipes = _recipes_of(weights_source(run.source)).get(run.model.casefold(), {})
    return recipes.get(run.recipe if run.recipe in PUBLISHED_RECIPES else PUBLISHED_RECIPES[0])


@cache
def _recipes_of(source: str) -> dict[str, Mapping[str, Preprocessing]]:
    """The recipes of a source's models; only this source is asked, as some have many models."""
    known = sources()
    specs = known[source].specs() if source in known else ()
    return {spec.name.casefold(): spec.recipes for spec in specs}
