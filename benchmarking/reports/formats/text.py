"""Tables as aligned columns for a terminal of 80 characters."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from benchmarking.reports.bars import LEAST, MOST, bar_column
from benchmarking.reports.cells import caption, cells
from benchmarking.reports.columns import Column, narrow, shown
from benchmarking.reports.grid import aligned
from benchmarking.scoring.table import AccuracyTable

NAME = "text"
SUFFIX = ".txt"

WIDTH = 80
"""Columns of a terminal; a name of a model may be too long for it, and is not cut."""

_GAP = 2  # blanks between two columns


def render(tables: Sequence[AccuracyTable]) -> str:
    """Each table under a line with its caption."""
    return "\n".join(map(_one, tables))


def with_bars(tables: Sequence[AccuracyTable], width: int, encoding: str) -> str:
    """Each table as `render` writes it, with a bar at the end of each row if there is room.

    Args:
        tables: the tables.
        width: columns of the terminal.
        encoding: its encoding.
    """
    return "\n".join(_one(table, _bars(table, width, encoding)) for table in tables)


def _bars(table: AccuracyTable, width: int, encoding: str) -> list[Column]:
    """A column of bars; none if the table leaves no room for it."""
    used = max(map(len, _grid(table, shown(table, narrow)).splitlines()))
    length = min(width - used - _GAP, MOST)
    return [bar_column(table, length, encoding)] if length >= LEAST else []


def _one(table: AccuracyTable, more: Sequence[Column] = ()) -> str:
    columns = shown(table, narrow)
    heading = caption(table, columns)
    if table.view.columns not in ("wide", "2019"):
        heading = _wrapped(heading)
    return f"{heading}\n{_grid(table, [*columns, *more])}"


def _grid(table: AccuracyTable, columns: Sequence[Column]) -> str:
    left = {position for position, column in enumerate(columns) if column.left}
    return aligned(cells(table, columns), left)


def _wrapped(text: str) -> str:
    return textwrap.fill(
        text, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
