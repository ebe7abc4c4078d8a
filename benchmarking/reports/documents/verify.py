"""The document of `verify`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from benchmarking.models.spec import Published
from benchmarking.predictions.stores import Stores
from benchmarking.reports.documents import RunName, named
from benchmarking.scoring.verify import Cause, Verdict, Verification


@dataclass(frozen=True)
class Reference:
    """A published accuracy.

    Attributes:
        acc1: acc@1, a share.
        acc5: acc@5, a share; null if it was not published.
        source: citation of the figures.
        caveat: what is not known about the figures; null if nothing is missing.
    """

    acc1: float
    acc5: float | None
    source: str
    caveat: str | None


@dataclass(frozen=True)
class VerifiedRun:
    """The comparison of one run with the published accuracy.

    Attributes:
        run: the run.
        platform: its framework.
        verdict: the result of the comparison.
        reason: why the verdict is what it is.
        labels: name of the labels, "original" or "real".
        n: number of labelled pictures.
        acc1: measured acc@1, a share.
        interval: 95 % interval of acc1: Wilson's, or design-based if acc1 is an estimate.
        estimated_for: number of pictures for which acc1 is an estimate from n of them; null if
            acc1 is measured.
        published: the published accuracy; null if there is none, or it does not apply.
        difference: measured minus published acc@1; null if there is no published accuracy.
        ece: expected calibration error of the top-1 probability, a share; null if the run has no
            probabilities.
        causes: likely causes of a difference, the most conclusive first.
        weights_sha256: digest of the file of weights; null if it was not recorded.
        fingerprint: fingerprint of the pictures.
    """

    run: RunName
    platform: str
    verdict: Verdict
    reason: str
    labels: str
    n: int
    acc1: float
    interval: tuple[float, float]
    estimated_for: int | None
    published: Reference | None
    difference: float | None
    ece: float | None
    causes: tuple[Cause, ...]
    weights_sha256: str | None
    fingerprint: str


@dataclass(frozen=True)
class VerifyDocument:
    """Verdicts of `imagenet-benchmark verify`.

    Attributes:
        passed: whether the exit status is 0.
        verdicts: number of runs by verdict, with _ for each blank of its name.
        runs: each run that was verified.
        left_out: why runs are left out: they are damaged or cannot be found.
    """

    NAME: ClassVar[str] = "verify"
    VERSION: ClassVar[int] = 1

    passed: bool
    verdicts: Mapping[str, int]
    runs: tuple[VerifiedRun, ...]
    left_out: tuple[str, ...]


def verify_document(
    stores: Stores, findings: Sequence[Verification], left_out: Sequence[str], *, passed: bool
) -> VerifyDocument:
    """The document of findings about runs of these stores."""
    counts = Counter(found.verdict for found in findings)
    verdicts = {verdict.value.replace(" ", "_"): counts[verdict] for verdict in Verdict}
    runs = tuple(_run(stores, found) for found in findings)
    return VerifyDocument(passed, verdicts, runs, tuple(left_out))


def _run(stores: Stores, found: Verification) -> VerifiedRun:
    made = stores.provenance(found.run)
    digest = made.weights.get("sha256")
    return VerifiedRun(
        run=named(found.run),
        platform=found.platform,
        verdict=found.verdict,
        reason=found.reason,
        labels=found.labels,
        n=found.n,
        acc1=found.acc1,
        interval=found.interval,
        estimated_for=found.estimated_for,
        published=reference(found.published),
        difference=found.difference,
        ece=found.ece,
        causes=found.causes,
        weights_sha256=digest if isinstance(digest, str) else None,
        fingerprint=made.fingerprint,
    )


def reference(published: Published | None) -> Reference | None:
    """A published accuracy, which models state in percent, as shares."""
    if published is None:
        return None
    acc5 = None if published.acc5 is None else _from_percent(published.acc5)
    caveat = published.caveat or None
    return Reference(_from_percent(published.acc1), acc5, published.source, caveat)


def _from_percent(value: float) -> float:
    """A percentage as a share, without the digits that a division adds.

    >>> _from_percent(76.13)
    0.7613
    """
    return round(value / 100, 9)
