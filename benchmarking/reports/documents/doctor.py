"""The document of `doctor`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from benchmarking.pictures.doctor import Report
from benchmarking.pictures.findings import Finding


@dataclass(frozen=True)
class DoctorDocument:
    """The report of `imagenet-benchmark doctor`.

    Attributes:
        place: the place, as it was given.
        name: name of the image set that `predict` would make of it.
        n: number of files that are pictures or should be.
        classes: number of classes that have pictures.
        per_class: smallest and largest number of pictures among classes that have any.
        facts: numbers of pictures by format, colours, size and so on, most common first; empty
            after a quick check.
        findings: the problems; empty if there are none.
        fingerprint: fingerprint of the image set; null after a quick check, or if `predict` would
            refuse the pictures.
        left_out: files and folders of the place that are not pictures of the set.
        verdict: number and kinds of the findings, in words.
    """

    NAME: ClassVar[str] = "doctor"
    VERSION: ClassVar[int] = 1

    place: str
    name: str
    n: int
    classes: int
    per_class: tuple[int, int]
    facts: Mapping[str, Mapping[str, int]]
    findings: tuple[Finding, ...]
    fingerprint: str | None
    left_out: tuple[str, ...]
    verdict: str


def doctor_document(place: str, report: Report) -> DoctorDocument:
    """The document of a report on a place."""
    return DoctorDocument(
        place=place,
        name=report.name,
        n=report.n,
        classes=report.classes,
        per_class=report.per_class,
        facts={kind.lower().replace(" ", "_"): counts for kind, counts in report.facts.items()},
        findings=report.findings,
        fingerprint=report.fingerprint,
        left_out=report.left_out,
        verdict=report.verdict,
    )
