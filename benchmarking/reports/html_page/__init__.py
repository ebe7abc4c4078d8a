"""A store as one HTML page: table, figures, and a panel for each model; no request leaves it.

The page is a plain table without JavaScript. With it, the table can be sorted and filtered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarking.io.printable import printable
from benchmarking.pictures.image_set import Picture
from benchmarking.reports.citation import cite
from benchmarking.reports.figures import Drawing, Subject
from benchmarking.reports.html_page._disputed import disputed
from benchmarking.reports.html_page._downloads import downloads
from benchmarking.reports.html_page._figures import inlined
from benchmarking.reports.html_page._panels import models, panels
from benchmarking.reports.html_page._rendering import rendered
from benchmarking.reports.html_page._sections import sections
from benchmarking.scoring.table import AccuracyTable


@dataclass(frozen=True)
class Further:
    """A section of other results than those of runs.

    Attributes:
        heading: its heading.
        headings: headings of its table.
        lines: lines of its table; the first cell of each names it.
        drawing: its figure.
    """

    heading: str
    headings: Sequence[str]
    lines: Sequence[Sequence[str]]
    drawing: Drawing


def page(
    subjects: Sequence[Subject],
    left_out: Sequence[str] = (),
    pictures: Sequence[Picture] = (),
    further: Sequence[Further] = (),
) -> str:
    """The page of some runs; one subject for each image set.

    Args:
        subjects: the runs, with their tables.
        left_out: why other runs are in no table.
        pictures: pictures of the first subject, to show those on which the models disagree.
        further: sections of other results.

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
        further=[_further(one, number) for number, one in enumerate(further)],
    )


def _further(section: Further, number: int) -> dict[str, Any]:
    from markupsafe import Markup

    drawing = section.drawing
    return {
        "anchor": f"further-{number}",
        "heading": printable(section.heading),
        "headings": [printable(one) for one in section.headings],
        "lines": [[printable(cell) for cell in line] for line in section.lines],
        "description": drawing.description,
        "notes": [printable(note) for note in drawing.notes],
        "svg": Markup(inlined(drawing.svg(), f"further{number}-")),  # noqa: S704 - we have drawn it
    }


def _title(tables: Sequence[AccuracyTable]) -> str:
    runs = sum(len(table.rows) for table in tables)
    sets = ", ".join(dict.fromkeys(table.images for table in tables))
    return printable(f"Accuracy of {runs} run{'s' * (runs != 1)} on {sets}")


__all__ = ["page"]
