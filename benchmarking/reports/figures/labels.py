"""Accuracy with one label set against another, such as ReaL against the original labels."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarking.errors import BenchmarkError
from benchmarking.io.printable import printable
from benchmarking.reports.figures import Content
from benchmarking.reports.figures._pairs import Both, against
from benchmarking.reports.figures._subject import Subject, platform, the_only

NAME = "labels"
TITLE = "Accuracy with two label sets"


def content(subjects: Sequence[Subject]) -> Content:
    """The accuracy of each run with the second label set against that with the first."""
    subject = the_only(subjects, NAME)
    if len(subject.labels) != 2:
        raise BenchmarkError(
            f"figure {NAME} compares two label sets, not {len(subject.labels)}; give two, such as "
            "--labels original --labels real."
        )
    first, second = (f"{prefix}Acc@1" for prefix in subject.labels)
    pairs = [
        Both(name, platform(row), row.scores[first], row.scores[second])
        for name, row in zip(subject.names, subject.rows, strict=True)
    ]
    titles = [
        f"top-1 accuracy with {printable(name)} labels [%], {len(labels):,} pictures"
        for name, labels in zip(subject.table.label_sets, subject.labels.values(), strict=True)
    ]
    return Content(against(pairs, *titles), (NOTE,))


NOTE = "Dashed: equal accuracies. Lines are 95 % intervals. Runs are named where there is room."
