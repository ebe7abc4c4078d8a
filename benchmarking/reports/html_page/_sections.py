"""Sections of a page, one for each image set: its table, notes and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarking.io.printable import printable
from benchmarking.predictions.run import Run
from benchmarking.reports.cells import caption
from benchmarking.reports.figures import Subject
from benchmarking.reports.html_page._figures import Shown, selection, shown_figures
from benchmarking.reports.html_page._grid import Grid, grid
from benchmarking.reports.html_page._panels import Model


@dataclass(frozen=True)
class Section:
    """What a page shows of one image set.

    Attributes:
        anchor: its anchor.
        heading: name of the image set.
        caption: caption of the table.
        grid: the table.
        notes: notes on the table.
        selection: which runs the figures show; empty if they can show all.
        figures: the figures.
        not_drawn: why other figures are not shown.
    """

    anchor: str
    heading: str
    caption: str
    grid: Grid
    notes: Sequence[str]
    selection: str
    figures: Sequence[Shown]
    not_drawn: Sequence[str]


def sections(
    subjects: Sequence[Subject], found: Sequence[Model], addresses: Mapping[Run, str]
) -> list[Section]:
    """A section for each subject.

    Args:
        subjects: the runs, with their tables.
        found: their models.
        addresses: where a page tells more of each run.
    """
    verdicts = {row.row.run: row.verification for model in found for row in model.rows}
    made = []
    for number, subject in enumerate(subjects, 1):
        figures, not_drawn = shown_figures(subjects, number - 1)
        table = subject.table
        made.append(
            Section(
                f"images-{number}",
                printable(table.images),
                caption(table),
                grid(table, subject.names, addresses, verdicts),
                [printable(note) for note in table.notes],
                selection(subject),
                figures,
                not_drawn,
            )
        )
    return made
