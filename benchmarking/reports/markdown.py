"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarking.reports import caption, cells
from benchmarking.table import Table

NAME = "markdown"
SUFFIX = ".md"


def render(tables: Sequence[Table]) -> str:
    """Each table under a heading with its image set's name and size."""
    return "\n".join(_one(table) for table in tables)


def _one(table: Table) -> str:
    headings, *lines = cells(table)
    rule = ["---"] * 3 + ["---:"] * (len(headings) - 3)
    rows = "".join(f"| {' | '.join(line)} |\n" for line in (headings, rule, *lines))
    return f"## {caption(table)}\n\n{rows}"
