"""Tables as cells of text: headings, then a line per run; and their captions."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarking.io.printable import printable
from benchmarking.reports.columns import Column, constant_recipe, shown
from benchmarking.scoring.table import AccuracyTable


def cells(table: AccuracyTable, columns: Sequence[Column] | None = None) -> list[list[str]]:
    """A table as text: a line of headings, then a line per run; scores and ECE in percent.

    Args:
        table: the table.
        columns: its columns; None for those that its view selects, or all.
    """
    chosen = shown(table) if columns is None else columns
    headings = [column.heading for column in chosen]
    return [headings, *([column.cell(row) for column in chosen] for row in table.rows)]


def caption(table: AccuracyTable, columns: Sequence[Column] = ()) -> str:
    """Caption of a table: image set, size and fingerprint.

    Args:
        table: the table.
        columns: its columns; if these do not show the recipe, the caption does.
    """
    subset = f", {table.subset}" if table.subset else ""
    pictures = table.design.in_words if table.design else f"{table.n} pictures"
    text = f"{table.images}, {pictures}{subset}, fingerprint {table.fingerprint[:12]}"
    recipe = constant_recipe(table)
    if columns and recipe and all(column.heading != "Recipe" for column in columns):
        text += f", recipe {recipe}"
    text += f", store {table.stores[0]}" if len(table.stores) == 1 else ""
    return printable(text)
