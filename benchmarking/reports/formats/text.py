"""Tables as aligned columns for a terminal of 80 characters."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from benchmarking.reports.cells import caption, cells
from benchmarking.reports.columns import narrow, shown
from benchmarking.reports.grid import aligned
from benchmarking.scoring.table import AccuracyTable

NAME = "text"
SUFFIX = ".txt"

WIDTH = 80
"""Columns of a terminal; a name of a model may be too long for it, and is not cut."""


def render(tables: Sequence[AccuracyTable]) -> str:
    """Each table under a line with its caption."""
    return "\n".join(map(_one, tables))


def _one(table: AccuracyTable) -> str:
    columns = shown(table, narrow)
    left = {position for position, column in enumerate(columns) if column.left}
    heading = caption(table, columns)
    if table.view.columns not in ("wide", "2019"):
        heading = _wrapped(heading)
    return f"{heading}\n{aligned(cells(table, columns), left)}"


def _wrapped(text: str) -> str:
    return textwrap.fill(
        text, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
