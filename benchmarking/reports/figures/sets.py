"""Accuracy on one image set against another: the same models on other pictures."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarking.errors import BenchmarkError
from benchmarking.io.printable import printable
from benchmarking.reports.figures import Content
from benchmarking.reports.figures._pairs import Both, against
from benchmarking.reports.figures._subject import Subject, platform
from benchmarking.reports.figures.labels import NOTE
from benchmarking.scoring.table import Row

NAME = "sets"
TITLE = "Accuracy on two image sets"


def content(subjects: Sequence[Subject]) -> Content:
    """The accuracy of each model on the second image set against that on the first."""
    if len(subjects) != 2:
        raise BenchmarkError(
            f"figure {NAME} compares two image sets, not {len(subjects)}; choose them with "
            "--images, given twice."
        )
    first, second = subjects
    others = _by_model(second)
    pairs = [
        Both(name, platform(row), row.scores[first.column], others[model].scores[second.column])
        for name, (model, row) in zip(first.names, _by_model(first).items(), strict=True)
        if model in others
    ]
    if not pairs:
        raise BenchmarkError(
            f"no model has a run with the same recipe on both {first.table.images} and "
            f"{second.table.images}."
        )
    titles = [
        f"{printable(one.column)} on {one.table.images} [%], {len(one.right):,} pictures"
        for one in subjects
    ]
    alone = len(first.rows) + len(second.rows) - 2 * len(pairs)
    left_out = [f"{alone} runs are left out: the other set has no such run."] * (alone > 0)
    return Content(against(pairs, *titles), (NOTE, *left_out))


def _by_model(subject: Subject) -> dict[tuple[str, ...], Row]:
    """Each row by what it has in common with that of the same model on other pictures.

    Raises:
        BenchmarkError: two stores have different runs of a model.
    """
    found: dict[tuple[str, ...], Row] = {}
    for row in subject.rows:
        other = found.setdefault((row.run.source, row.run.model, row.run.recipe), row)
        if other is not row:
            raise BenchmarkError(
                f"two stores have different runs of the same model: {other.run} and {row.run}; "
                "choose a store with --store."
            )
    return found
