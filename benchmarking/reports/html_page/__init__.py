"""A store as one HTML page: table, figures, and a panel for each model; no request leaves it.

The page is a plain table without JavaScript. With it, the table can be sorted and filtered.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from benchmarking import __version__
from benchmarking.errors import requires
from benchmarking.io.printable import printable
from benchmarking.pictures.image_set import Picture
from benchmarking.reports.cells import caption
from benchmarking.reports.citation import cite
from benchmarking.reports.figures import Drawing, Subject
from benchmarking.reports.html_page._disputed import disputed
from benchmarking.reports.html_page._downloads import downloads
from benchmarking.reports.html_page._figures import Shown, dark_rules, inlined, shown_figures
from benchmarking.reports.html_page._grid import Grid, grid
from benchmarking.reports.html_page._panels import Model, models, panels
from benchmarking.scoring.table import AccuracyTable

_POLICY = (
    "default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)


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


@dataclass(frozen=True)
class _Section:
    """What the page shows of one image set."""

    anchor: str
    heading: str
    caption: str
    grid: Grid
    notes: Sequence[str]
    figures: Sequence[Shown]
    not_drawn: Sequence[str]


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
    with requires("report"):
        from jinja2 import Environment, PackageLoader, StrictUndefined

    tables = [subject.table for subject in subjects]
    found = models(subjects)
    script, style = _text("page.js"), _text("page.css") + dark_rules()
    environment = Environment(
        autoescape=True,
        loader=PackageLoader("benchmarking.reports.html_page", "."),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    text: str = environment.get_template("page.html").render(
        title=_title(tables),
        policy=_POLICY.format(digest=digest),
        style=style,
        script=script,
        version=__version__,
        downloads=downloads(tables),
        citation=cite(tables),
        sections=_sections(subjects, found),
        panels=panels(found),
        disputed=disputed(subjects[0], pictures) if pictures else [],
        left_out=[printable(one) for one in left_out],
        further=[_further(one, number) for number, one in enumerate(further)],
    )
    return text


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


def _sections(subjects: Sequence[Subject], found: Sequence[Model]) -> list[_Section]:
    anchors = {row.row.run: model.anchor for model in found for row in model.rows}
    verdicts = {row.row.run: row.verification for model in found for row in model.rows}
    sections = []
    for number, subject in enumerate(subjects, 1):
        figures, not_drawn = shown_figures(subjects, number - 1)
        table = subject.table
        sections.append(
            _Section(
                f"images-{number}",
                printable(table.images),
                caption(table),
                grid(table, subject.names, anchors, verdicts),
                [printable(note) for note in table.notes],
                figures,
                not_drawn,
            )
        )
    return sections


def _title(tables: Sequence[AccuracyTable]) -> str:
    runs = sum(len(table.rows) for table in tables)
    sets = ", ".join(dict.fromkeys(table.images for table in tables))
    return printable(f"Accuracy of {runs} run{'s' * (runs != 1)} on {sets}")


def _text(name: str) -> str:
    return resources.files(__name__).joinpath(name).read_text("utf-8")


__all__ = ["page"]
