"""Tables as aligned columns for a terminal of 80 characters."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from benchmarking.io.printable import printable
from benchmarking.reports.bars import LEAST, MOST, bar_column
from benchmarking.reports.cells import caption, cells
from benchmarking.reports.columns import Column, narrow, shown
from benchmarking.reports.grid import aligned
from benchmarking.scoring.table import AccuracyTable

NAME = "text"
SUFFIX = ".txt"

WIDTH = 80
"""Columns of a terminal."""

_GAP = 2  # blanks between two columns
_LEAST_ROOM = 20  # characters of names for which it is worth moving the numbers to another line


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
    grid = _fitting if table.view.columns == "default" else _grid
    return f"{heading}\n{grid(table, [*columns, *more])}"


def _grid(table: AccuracyTable, columns: Sequence[Column]) -> str:
    return aligned(cells(table, columns), _left(columns))


def _left(columns: Sequence[Column]) -> set[int]:
    return {position for position, column in enumerate(columns) if column.left}


def _fitting(table: AccuracyTable, columns: Sequence[Column]) -> str:
    """The grid; after a name that leaves no room for the numbers, they have a line of their own.

    Names are never cut, so that they can be copied and searched.
    """
    lines = [[printable(cell) for cell in line] for line in cells(table, columns)]
    position = next(p for p, column in enumerate(columns) if column.heading == "Model")
    names = [line[position] for line in lines]
    text = aligned(lines, _left(columns))
    longest = max(map(len, names))
    room = longest - max(0, max(map(len, text.splitlines())) - WIDTH)
    if room == longest or room < _LEAST_ROOM:
        return text
    for line in lines:
        line[position] = line[position] if len(line[position]) <= room else ""
    before = zip(*(line[:position] for line in lines), strict=True)
    start = sum(max(map(len, column)) + _GAP for column in before)
    found = ""
    for name, row in zip(names, aligned(lines, _left(columns)).splitlines(), strict=True):
        is_long = len(name) > room
        found += f"{row[:start]}{name}\n{' ' * start}{row[start:]}\n" if is_long else f"{row}\n"
    return found


def _wrapped(text: str) -> str:
    return textwrap.fill(
        text, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
