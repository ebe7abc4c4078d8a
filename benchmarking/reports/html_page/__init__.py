"""A store as one HTML page: table, figures, and a panel for each model; no request leaves it.

The page is a plain table without JavaScript. With it, the table can be sorted and filtered.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarking.io.printable import printable
from benchmarking.pictures.image_set import Picture
from benchmarking.reports.citation import cite
from benchmarking.reports.figures import Subject
from benchmarking.reports.html_page._disputed import disputed
from benchmarking.reports.html_page._downloads import downloads
from benchmarking.reports.html_page._panels import models, panels
from benchmarking.reports.html_page._rendering import rendered
from benchmarking.reports.html_page._sections import sections
from benchmarking.scoring.table import AccuracyTable


def page(
    subjects: Sequence[Subject],
    left_out: Sequence[str] = (),
    pictures: Sequence[Picture] = (),
) -> str:
    """The page of some runs; one subject for each image set.

    Args:
        subjects: the runs, with their tables.
        left_out: why other runs are in no table.
        pictures: pictures of the first subject, to show those on which the models disagree.

    Raises:
        BenchmarkError: a run is damaged.
        MissingDependency: Jinja2, Altair or vl-convert is not installed.
    """
    tables = [subject.table for subject in subjects]
    found = models(subjects)
    addresses = {row.row.run: f"#{model.anchor}" for model in found for row in model.rows}
    return rendered(
        "html_page/page.html",
        title=_title(tables),
        downloads=downloads(tables),
        citation=cite(tables),
        sections=sections(subjects, found, addresses),
        panels=panels(found),
        disputed=disputed(subjects[0], pictures) if pictures else [],
        left_out=[printable(one) for one in left_out],
    )


def _title(tables: Sequence[AccuracyTable]) -> str:
    runs = sum(len(table.rows) for table in tables)
    sets = ", ".join(dict.fromkeys(table.images for table in tables))
    return printable(f"Accuracy of {runs} run{'s' * (runs != 1)} on {sets}")


__all__ = ["page"]
